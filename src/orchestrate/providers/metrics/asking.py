"""What every metric source does alike: filling queries in, asking over HTTP, naming what failed."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from orchestrate.core.analysis.counts import Counts
from orchestrate.core.environment import Environment
from orchestrate.core.errors import MetricSourceRefused, MetricsUnavailable, RateLimited
from orchestrate.core.metrics import MetricQuery, Metrics, fill, values
from orchestrate.core.protocols import Secrets
from orchestrate.core.revision import Ref
from orchestrate.core.secret import Secret
from orchestrate.core.untrusted import clean
from orchestrate.providers.outbound import Answer, Outbound

MOST_BYTES = 4 * 1024 * 1024
LONGEST_WAIT_S = 300.0
"""A source that asks to be left alone for longer is asked again after this."""
Json = dict[str, JsonValue]
Numbers = Sequence[float | None]


@dataclass(frozen=True)
class Asking:
    """One environment's metrics, with what is needed to ask for them."""

    metrics: Metrics
    environment: Environment
    secrets: Secrets
    outbound: Outbound

    def filled(self, text: str, revision: Ref) -> str:
        """A query for one revision. Raises MetricsInvalid."""
        return fill(text, self.values(revision))

    def values(self, revision: Ref) -> dict[str, str]:
        """What the placeholders stand for."""
        app, name = self.environment.app, self.environment.name
        return values(revision.version, revision.key, app, name)

    def secret(self, role: str) -> Secret | None:
        """The secret for a role, None where the environment names none. Raises SecretMissing."""
        name = self.metrics.secrets.get(role)
        return self.secrets.get(name) if name else None

    def needed(self, role: str) -> Secret:
        """A secret the source cannot do without. Raises SecretMissing, MetricSourceRefused."""
        found = self.secret(role)
        if found is None:
            raise MetricSourceRefused(
                f"{self.metrics.source} cannot be asked without a secret",
                why=[f"metrics.secrets names none for {role}"],
                fix=[f"metrics: {{secrets: {{{role}: NAME_OF_A_SECRET}}}} in orchestrate.yaml"],
            )
        return found

    def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str | Secret] | None = None,
        content: bytes | None = None,
    ) -> Json:
        """The answer as a JSON object. Raises MetricsUnavailable, RateLimited, OutboundFailed,
        MetricSourceRefused, OutboundRefused."""
        answer = self.outbound.send(
            method,
            url,
            headers={"accept": "application/json", **(headers or {})},
            content=content,
            timeout_s=self.metrics.timeout_s,
            most_bytes=MOST_BYTES,
        )
        document = _document(answer)
        if answer.ok and document is not None:
            return document
        self._raise(answer, document)
        raise MetricsUnavailable(
            f"{self.metrics.source} gave no answer", why=[answer.said], retry_after_s=5.0
        )

    def _raise(self, answer: Answer, document: Json | None) -> None:
        source, why = self.metrics.source, [answer.said, *told(document)]
        if answer.status == 429:
            raise RateLimited(
                f"{source} asks to be asked less often",
                why=why,
                retry_after_s=_wait_s(answer.headers),
            )
        if answer.status in (401, 403):
            raise MetricSourceRefused(
                f"{source} does not let us in",
                why=why,
                fix=["look at metrics.secrets in orchestrate.yaml, and at what they may read"],
            )
        if 400 <= answer.status < 500 and answer.status != 408:
            raise MetricSourceRefused(
                f"{source} does not take the question", why=why, fix=["correct metrics.queries"]
            )


def told(document: Json | None) -> list[str]:
    """What an answer says is wrong, cleaned: one line, from outside. It is cut to size where it
    was masked (`engine/masking.py`): before, the half of a secret would be left."""
    if document is None:
        return []
    found = document.get("error") or document.get("errors")
    several = found if isinstance(found, list) else [found]
    texts = [each.get("message") if isinstance(each, dict) else each for each in several]
    found = "; ".join(str(each) for each in texts if each)
    return [f"untrusted | {clean(found)}"] if found else []


def counts(total: Numbers, other: Numbers, query: MetricQuery) -> list[Counts | None]:
    """Counts from how many there were and how many were bad (or good) of them, span by span.

    Where nothing is known of the total nothing is known; where the total is known, no bad ones are
    none. More bad ones than there were is an answer that is not complete yet, and not known.
    """
    found: list[Counts | None] = []
    for whole, part in zip(total, other, strict=True):
        if whole is None or not math.isfinite(whole) or whole < 0:
            found.append(None)
            continue
        if query.good is not None and part is None and whole > 0:
            found.append(None)  # all of them bad, because the question found nothing
            continue
        part = 0.0 if part is None else part
        bad = part if query.good is None else whole - part
        sound = math.isfinite(bad) and -0.5 < bad <= whole + 0.5
        found.append(Counts(max(min(round(bad), round(whole)), 0), round(whole)) if sound else None)
    return found


def summed(
    points: Sequence[tuple[float, float]], since: float, slots: int, slot_s: float
) -> Numbers:
    """Points that stand for a span, by the time at which it begins: added up by slot."""
    found: list[float | None] = [None] * slots
    for at, value in points:
        number = math.floor((at - since) / slot_s + 1e-6)
        if 0 <= number < slots and math.isfinite(value):
            found[number] = (found[number] or 0.0) + value
    return found


def _document(answer: Answer) -> Json | None:
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _wait_s(headers: Mapping[str, str]) -> float:
    """Seconds to wait, as the headers say."""
    for name in ("retry-after", "x-ratelimit-reset"):
        text = headers.get(name, "")
        if text.isdigit():
            return min(float(text), LONGEST_WAIT_S)
    return 30.0
