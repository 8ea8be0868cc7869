"""Prometheus, and whatever speaks its HTTP API (Mimir, Thanos, VictoriaMetrics, AMP's proxies).

A query is the selector of a counter, such as `http_requests_total{version="{{version}}"}`. Its raw
samples are asked for, and resets, late children and gaps are seen in them.
"""

import base64
import math
from collections.abc import Sequence
from urllib.parse import urlencode

from pydantic import JsonValue

from orchestrate.core.analysis.counts import Counts
from orchestrate.core.errors import MetricsUnavailable
from orchestrate.core.metrics import MetricQuery
from orchestrate.core.revision import Ref
from orchestrate.core.secret import Secret
from orchestrate.providers.metrics.asking import Asking, counts, told
from orchestrate.providers.metrics.counters import Sample, Series, grown, sampled, series_of

LOOK_BACK_S = 300.0
"""Before the first slot: where a counter stood, and whose process was there already."""


class Prometheus:
    """One Prometheus, as one environment asks it."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._url = f"{(asking.metrics.url or '').rstrip('/')}/api/v1/query"

    def read(
        self, query: MetricQuery, name: str, revision: Ref, since: float, slots: int, slot_s: float
    ) -> Sequence[Counts | None]:
        """See core.protocols.MetricSource."""
        until = since + slots * slot_s
        total = self._series(query.total or "", revision, since, until)
        other = self._series(query.other or "", revision, since, until)
        known = sampled([*total, *other])
        return counts(
            grown(total, known, since, slots, slot_s),
            grown(other, known, since, slots, slot_s),
            query,
        )

    def _series(self, text: str, revision: Ref, since: float, until: float) -> list[Series]:
        span = math.ceil(until - since + LOOK_BACK_S)
        form = {"query": f"{self._asking.filled(text, revision)}[{span}s]", "time": f"{until:.3f}"}
        form["timeout"] = f"{max(math.floor(self._asking.metrics.timeout_s), 1)}s"
        answer = self._asking.ask(
            "POST",
            self._url,
            {"content-type": "application/x-www-form-urlencoded", **self._identity()},
            urlencode(form).encode(),
        )
        if answer.get("status") != "success" or answer.get("warnings"):
            # A warning means that a part of the data could not be read: a count of the rest would
            # look like a lull.
            why = told({"error": answer.get("error") or answer.get("warnings") or "no success"})
            raise MetricsUnavailable("prometheus gave only a part of an answer", why=why)
        data = answer.get("data")
        result = data.get("result") if isinstance(data, dict) else None
        if not isinstance(data, dict) or data.get("resultType") != "matrix":
            raise MetricsUnavailable("prometheus gave an answer of another kind")
        return [_series(each) for each in result] if isinstance(result, list) else []

    def _identity(self) -> dict[str, Secret]:
        token = self._asking.secret("token")
        if token is not None:
            return {"authorization": Secret(f"Bearer {token.reveal()}")}
        user, password = self._asking.secret("username"), self._asking.secret("password")
        if user is None or password is None:
            return {}
        pair = base64.b64encode(f"{user.reveal()}:{password.reveal()}".encode()).decode()
        return {"authorization": Secret(f"Basic {pair}")}


def _series(found: JsonValue) -> Series:
    metric = found.get("metric") if isinstance(found, dict) else None
    samples = found.get("values") if isinstance(found, dict) else None
    if not isinstance(metric, dict) or not isinstance(samples, list):
        raise MetricsUnavailable("prometheus gave an answer that cannot be read")
    labels = {name: str(value) for name, value in metric.items()}
    return series_of(labels, [_sample(each) for each in samples])


def _sample(found: JsonValue) -> Sample:
    """A pair of seconds and a number in a text, which may be NaN."""
    try:
        assert isinstance(found, list)
        at, value = found
        return float(str(at)), float(str(value))
    except (AssertionError, ValueError) as problem:
        raise MetricsUnavailable("prometheus gave an answer that cannot be read") from problem
