"""What the checks after a change are asked about, and how they answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from orchestrate.core.check import CheckResult
from orchestrate.core.protocols import LiveState, Provider, Replica
from orchestrate.core.revision import Ref, Revision

Memory = Mapping[str, JsonValue]


@dataclass(frozen=True)
class Logged:
    """What a revision logged: how many lines were read, and the errors among them by kind."""

    lines: int
    kinds: Mapping[str, int]
    whole: bool = True
    """Whether it was read from its first line on."""


@dataclass(frozen=True)
class Observed:
    """A new revision as it runs now."""

    ref: Ref
    revision: Revision
    baseline: Ref | None
    """The revision it replaces, where one does."""
    provider: Provider
    seen: LiveState
    replicas: int
    """How many must answer."""
    percent: int
    """Of the traffic: 0 before the first request of a user, 100 after the switch."""
    host: str | None = None
    """The front door's name, where the edge tells environments apart by it."""
    url: str | None = None
    """The environment's url, as it is configured."""
    directory: str | None = None
    """Where configured commands run."""
    fresh: bool = True
    """This deployment started it: what its counters say, they say of now."""
    watched_s: float = 0.0
    """Time for which this check has been looking."""
    now: float = 0.0
    left_s: float = 3600.0
    """Time until the deployment's deadline."""
    beginning: Logged | None = None
    """What the baseline logged when it was verified itself, where that was recorded."""
    promoted: bool = False
    """A person said that it shall go on without an answer that cannot be had."""

    def running(self) -> list[Replica]:
        """Its replicas that run."""
        found = self.seen.replicas(self.ref.key)
        return [r for r in found if r.state == "running" and r.number < self.replicas]

    def addresses(self) -> list[tuple[str, str, str | None]]:
        """Whom to ask, as name, address and host: every replica that can be asked by itself, and
        once it has the traffic the front door."""
        found: list[tuple[str, str, str | None]] = [
            (f"replica {r.number}", r.address, None) for r in self.running() if r.address
        ]
        return found + self.front_door()

    def front_door(self) -> list[tuple[str, str, str | None]]:
        if self.percent == 0 or self.seen.address is None:
            return []
        return [("front door", self.seen.address, self.host)]

    def entrance(self) -> tuple[str, str, str | None] | None:
        """Where a user would come in; before there is traffic, the first replica."""
        found = self.front_door() or [a for a in self.addresses() if a[0] != "front door"]
        return found[0] if found else None


@dataclass(frozen=True)
class Found:
    """What a check found at a look. Without a result it is not decided yet."""

    result: CheckResult | None
    text: str = ""
    """How it stands, while it is not decided."""
    memory: dict[str, JsonValue] = field(default_factory=dict)
    """What its next look is given."""
    again_s: float = 0.5
    evidence: dict[str, JsonValue] = field(default_factory=dict)
    """Numbers behind the result, as they are recorded."""
    lines: tuple[str, ...] = ()
    """What the release or the check's program wrote, marked as from outside."""


def passed(name: str, text: str, **evidence: JsonValue) -> Found:
    return Found(CheckResult(name, "pass", text), evidence=evidence)


def skipped(name: str, text: str) -> Found:
    return Found(CheckResult(name, "skipped", text))


def not_yet(name: str) -> Found:
    """Before it has traffic the platform gives no address of a replica; its front door, and the
    environment's url, still lead to the old revision."""
    return skipped(name, "no replica can be asked by itself; it is asked once it has the traffic")


def failed(name: str, text: str, fix: str | None = None, **evidence: JsonValue) -> Found:
    result = CheckResult(name, "fail", text, fix, code="verification_failed")
    return Found(result, evidence=evidence)


def unknown(name: str, text: str, fix: str | None = None) -> Found:
    """It could not be answered, which is never a pass."""
    return Found(CheckResult(name, "error", text, fix, code="verification_failed"))
