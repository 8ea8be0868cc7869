"""The checks after a change, and how they are asked: one after the other, over many looks.

To add one: a file with `NAME` and `check(subject, memory)`, and its line in AFTER. The order
counts: what is cheap and decisive first, what needs time or traffic last.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from orchestrate.core.errors import NoDataError, OrchestrateError, TemporaryError
from orchestrate.engine.checks import (
    command,
    endpoints,
    logs,
    restarts,
    smoke,
    traffic,
    version,
)
from orchestrate.engine.checks.observed import Found, Memory, Observed, unknown

Json = dict[str, JsonValue]
SINCE = "restarts since"


@dataclass(frozen=True)
class After:
    """A check after a change."""

    name: str
    check: Callable[[Observed, Memory], Found]
    before_traffic: bool = True
    """Whether it is asked of a revision without traffic, too."""
    always: bool = False
    """Whether it is asked without being configured."""
    quick: bool = False
    """Whether it needs no look of its own."""


AFTER: Sequence[After] = (
    After(version.NAME, version.check, always=True),
    After(restarts.NAME, restarts.check, always=True, quick=True),
    After(endpoints.NAME, endpoints.check),
    After(smoke.NAME, smoke.check),
    After(command.NAME, command.check),
    After(traffic.NAME, traffic.check, before_traffic=False),
    After(logs.NAME, logs.check, before_traffic=False),
    # Asked twice: what crashed while the others were asked has been started again meanwhile.
    After(SINCE, restarts.check, before_traffic=False, always=True, quick=True),
)


@dataclass(frozen=True)
class Asked:
    """How it stands after a look: `results` are those of the checks that are decided."""

    results: list[Json]
    text: str
    memory: Json
    again_s: float
    done: bool
    failed: Json | None = None
    """The result that ends the deployment."""
    lines: tuple[str, ...] = ()


def ask(subject: Observed, memory: Memory, checks: Sequence[After] = AFTER) -> Asked:
    """One look: at the first check that is not decided yet, and the quick ones after it."""
    wanted = [c for c in checks if _applies(c, subject)]
    asked = _ask_one(subject, memory, wanted)
    while not asked.done and asked.failed is None and len(asked.results) > len(_results(memory)):
        if not wanted[len(asked.results)].quick:
            break
        memory = {**memory, **asked.memory}
        asked = _ask_one(subject, memory, wanted)
    return asked


def _ask_one(subject: Observed, memory: Memory, wanted: Sequence[After]) -> Asked:
    results = _results(memory)
    since, own = _own(memory, subject.watched_s)
    if memory.get("promoted") is True:
        subject = replace(subject, promoted=True)
    current = wanted[len(results)]
    if current.name == SINCE:
        own = restarts.begun(results)
    looked_s = subject.watched_s - since
    found = _look(current, replace(subject, watched_s=looked_s), own)
    if found.result is None:
        kept: Json = {"results": list[JsonValue](results), "since": since, "own": found.memory}
        return Asked(results, found.text, kept, found.again_s, done=False)
    result = _recorded(current, found, subject, looked_s)
    results = [*results, result]
    kept = {"results": list[JsonValue](results), "since": subject.watched_s, "own": {}}
    done = len(results) == len(wanted)
    text = _text(results) if done else f"{current.name}: {found.result.text}"
    failed = result if found.result.blocks else None
    return Asked(results, text, kept, 0.05, done, failed, found.lines)


def _applies(check: After, subject: Observed) -> bool:
    verify = subject.revision.verify
    if subject.percent == 0 and not check.before_traffic:
        return False
    configured = {
        endpoints.NAME: bool(verify.endpoints),
        smoke.NAME: bool(verify.smoke),
        command.NAME: bool(verify.commands),
        traffic.NAME: verify.requests is not None,
        logs.NAME: verify.logs is not None,
    }
    if subject.percent == 0 and not check.always and not verify.before_traffic:
        return False
    if check.name == SINCE:
        return any(configured.values())
    return check.always or configured.get(check.name, False)


def _look(check: After, subject: Observed, memory: Memory) -> Found:
    """A check that could not be carried out is an error, which is never a pass."""
    try:
        return check.check(subject, memory)
    except (NoDataError, TemporaryError):
        raise  # asked again, until the deadline
    except OrchestrateError as error:
        return unknown(check.name, error.message, next(iter(error.fix), None))


def _recorded(check: After, found: Found, subject: Observed, took_s: float) -> Json:
    assert found.result is not None
    return {
        "name": check.name,
        "result": found.result.result,
        "text": found.result.text,
        "fix": found.result.fix,
        "percent": subject.percent,
        "duration_s": round(took_s, 3),
        "evidence": found.evidence,
        "untrusted_lines": [line.removeprefix("untrusted | ") for line in found.lines],
    }


def _text(results: list[Json]) -> str:
    """What the version check said, and how many more passed."""
    first = str(results[0]["text"])
    more = [str(r["name"]) for r in results[1:] if r["result"] == "pass" and _configured(r)]
    skipped = [str(r["name"]) for r in results[1:] if r["result"] == "skipped"]
    parts = [first]
    if more:
        parts.append(f"{', '.join(more)} passed")
    if skipped:
        parts.append(f"{', '.join(skipped)} not decided")
    return "; ".join(parts)


def _configured(result: Json) -> bool:
    return not str(result["name"]).startswith("restarts")


def _results(memory: Memory) -> list[Json]:
    found = memory.get("results")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _own(memory: Memory, now: float) -> tuple[float, Memory]:
    since, own = memory.get("since"), memory.get("own")
    began = float(since) if isinstance(since, int | float) else now
    return began, own if isinstance(own, dict) else {}
