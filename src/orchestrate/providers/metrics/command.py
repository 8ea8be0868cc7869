"""Any other monitoring: a command that is asked on its standard input and answers JSON.

The question (`orchestrate.metrics.question.v1`) names the metric, the revision and the spans; the
answer (`orchestrate.metrics.v1`) has one member of `slots` for each span: `{"total": 120, "bad":
3}`, or null where nothing is known. Exit code 0; 75 for "not now", which is asked again.
"""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import IO, Literal

from pydantic import ConfigDict, Field, ValidationError

from orchestrate.core.analysis.counts import Counts
from orchestrate.core.errors import MetricSourceRefused, MetricsUnavailable
from orchestrate.core.metrics import MetricQuery
from orchestrate.core.model import Model
from orchestrate.core.redact import redact
from orchestrate.core.revision import Ref
from orchestrate.core.secret import Secret
from orchestrate.core.untrusted import clean
from orchestrate.providers.metrics.asking import Asking

NOT_NOW = 75
"""EX_TEMPFAIL of sysexits.h."""
MOST_BYTES = 1024 * 1024
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")


class Slot(Model):
    """Answers in one span of time."""

    total: int = Field(ge=0)
    bad: int = Field(ge=0)


class Reply(Model):
    """What a command prints."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal["orchestrate.metrics.v1"] = Field(alias="schema")
    slots: tuple[Slot | None, ...]


class Command:
    """A command, started anew for each question, in the directory of orchestrate.yaml."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def read(
        self, query: MetricQuery, name: str, revision: Ref, since: float, slots: int, slot_s: float
    ) -> Sequence[Counts | None]:
        """See core.protocols.MetricSource."""
        question = {
            "schema": "orchestrate.metrics.question.v1",
            "metric": name,
            **self._asking.values(revision),
            "since": since,
            "slots": slots,
            "slot_s": slot_s,
        }
        reply = _reply(self._run(json.dumps(question).encode(), revision))
        if len(reply.slots) != slots:
            raise MetricSourceRefused(
                "the metrics command gives another number of slots",
                why=[f"{slots} were asked for, {len(reply.slots)} came"],
                fix=["one member of `slots` for each span, null where nothing is known"],
            )
        return [_counts(slot) for slot in reply.slots]

    def _run(self, question: bytes, revision: Ref) -> bytes:
        words = [self._asking.filled(word, revision) for word in self._asking.metrics.command]
        root = self._asking.environment.config.get("root")
        # Into files and not pipes: whatever it prints, nobody waits for anybody.
        with (
            tempfile.TemporaryFile() as asked,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as errors,
        ):
            asked.write(question)
            asked.seek(0)
            try:
                process = subprocess.Popen(
                    words,
                    stdin=asked,
                    stdout=out,
                    stderr=errors,
                    cwd=str(root) if root else None,
                    env=self._environment(),
                    start_new_session=True,
                )
            except OSError as problem:
                raise MetricSourceRefused(
                    "the metrics command cannot be started",
                    why=[f"{words[0]}: {problem.strerror}"],
                    fix=["correct metrics.command in orchestrate.yaml"],
                ) from problem
            code = self._ended(process)
            return _printed(code, out, errors, self._secrets())

    def _ended(self, process: "subprocess.Popen[bytes]") -> int:
        try:
            return process.wait(self._asking.metrics.timeout_s)
        except subprocess.TimeoutExpired as problem:
            raise MetricsUnavailable(
                "the metrics command did not end in time",
                why=[f"it had {self._asking.metrics.timeout_s:g}s, and was killed"],
            ) from problem
        finally:
            _kill_group(process)

    def _environment(self) -> dict[str, str]:
        """Little of the service's own, and the secrets it is to have."""
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return {**kept, **{role: value.reveal() for role, value in self._secrets().items()}}

    def _secrets(self) -> dict[str, Secret]:
        return {role: self._asking.needed(role) for role in self._asking.metrics.secrets}


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    """The command and what it started: nothing of it goes on after the question."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # all of it has ended
    process.wait()


def _printed(code: int, out: IO[bytes], errors: IO[bytes], secrets: Mapping[str, Secret]) -> bytes:
    out.seek(0)
    text = out.read(MOST_BYTES + 1)
    if code != 0:
        errors.seek(0)
        said = redact(errors.read(MOST_BYTES).decode(errors="replace"), secrets.values())
        lines = said.strip().splitlines()
        why = [f"exit code {code}", *(f"untrusted | {clean(x)}" for x in lines[-3:])]
        if code == NOT_NOW:
            raise MetricsUnavailable("the metrics command says: not now", why=why)
        raise MetricSourceRefused("the metrics command failed", why=why, fix=["run it by hand"])
    if len(text) > MOST_BYTES:
        raise MetricSourceRefused(f"the metrics command prints more than {MOST_BYTES // 1024} kB")
    return text


def _reply(text: bytes) -> Reply:
    try:
        return Reply.model_validate_json(text)
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise MetricSourceRefused(
            "the metrics command prints something else than the answer",
            why=[f"{place}: {first['msg']}"],
            fix=['{"schema": "orchestrate.metrics.v1", "slots": [{"total": 120, "bad": 3}, null]}'],
        ) from problem


def _counts(slot: Slot | None) -> Counts | None:
    if slot is None or slot.bad > slot.total:
        return None
    return Counts(slot.bad, slot.total)
