"""What a look at a running step is given, and what it says."""

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from orchestrate.core.environment import Environment
from orchestrate.core.errors import OrchestrateError, StepFailed
from orchestrate.core.plan import Plan
from orchestrate.core.protocols import MetricSource, Provider, Secrets
from orchestrate.core.revision import Ref, Revision
from orchestrate.core.untrusted import clean

Memory = Mapping[str, JsonValue]
FIX = ("find the cause in its log, then deploy what mends it: that is a new revision",)
LOG_LINES = 50
SLACK_S = 5.0
"""What may pass between two looks besides the pause between them, and still counts."""
LINES_SHOWN = 10
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Scene:
    """Where a step happens. `revision` finds a revision in full; `host` is the front door's name,
    where the edge tells environments apart by it."""

    provider: Provider
    revision: Callable[[str], Revision]
    host: str | None = None
    source: MetricSource | None = None
    """What the steps' metrics are asked of."""
    clock: Callable[[], float] = time.time
    plan: Plan | None = None
    environment: Environment | None = None
    deadline: float = float("inf")
    """Seconds since the epoch."""
    secrets: Secrets | None = None
    logged: Callable[[str], Mapping[str, JsonValue] | None] = lambda key: None
    """What the check of logs recorded of a revision when it was verified, by the revision's key."""


@dataclass(frozen=True)
class Look:
    """How a step stands."""

    done: bool
    text: str
    memory: dict[str, JsonValue] = field(default_factory=dict)
    data: dict[str, JsonValue] = field(default_factory=dict)
    """Recorded with the deployment: `verdict`."""
    again_s: float = 0.5
    """When to look next."""
    error: OrchestrateError | None = None
    """The step has failed, with this; what it recorded is kept."""


def watched(memory: Memory, now: float) -> dict[str, JsonValue]:
    """The memory of a look at `now`, with the time that was watched so far.

    Time counts while somebody looks: after a pause of the service, or of the whole machine, a
    replica is not late because nobody asked it.
    """
    before, last = memory.get("watched"), memory.get("last")
    again = memory.get("again")
    gap = max(now - float(last), 0.0) if isinstance(last, int | float) else 0.0
    longest = 2 * float(again) + SLACK_S if isinstance(again, int | float) else SLACK_S
    so_far = float(before) if isinstance(before, int | float) else 0.0
    return {**memory, "watched": so_far + min(gap, longest), "last": now}


def paced(look: Look, least_s: float) -> Look:
    """The same, with the next look no sooner than the platform likes to be asked."""
    return replace(look, again_s=max(look.again_s, least_s))


def elapsed(memory: Memory) -> float:
    """Seconds for which this step was watched."""
    found = memory.get("watched")
    return float(found) if isinstance(found, int | float) else 0.0


def failed(
    kind: type[StepFailed], message: str, scene: Scene, revision: Ref, *, why: list[str]
) -> OrchestrateError:
    """A failure of a revision, with the last lines it logged."""
    try:
        lines = told_once([line.text for line in scene.provider.logs(revision, LOG_LINES)])
    except OrchestrateError as problem:
        # What went wrong is the news, not that its log cannot be read besides.
        why, lines = [*why, f"its log could not be read: {problem.message}"], []
    if lines:
        why = [*why, "last lines of its log:", *lines[-LINES_SHOWN:]]
    return kind(message, why=why, fix=FIX)


def told_once(lines: list[str]) -> list[str]:
    """Log lines, those that differ in nothing but numbers only once, with how often."""
    last: dict[str, str] = {}
    times: Counter[str] = Counter()
    for line in lines:
        shape = _NUMBER.sub("#", line)
        times[shape] += 1
        last.pop(shape, None)
        last[shape] = line
    return [
        f"untrusted | {clean(line, limit=200)}"
        + (f"  ({times[shape]} times)" if times[shape] > 1 else "")
        for shape, line in last.items()
    ]
