"""A platform that shows what a test says, and a clock that goes when it is told to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from orchestrate.core.environment import StrategyName
from orchestrate.core.errors import TemporaryError
from orchestrate.core.protocols import (
    Capabilities,
    Finding,
    LiveState,
    LogLine,
    Replica,
    RequestCounts,
    Restorable,
    RunningRevision,
    Write,
)
from orchestrate.core.revision import Artifact, Ref, Revision
from orchestrate.core.steps import Share, Step
from orchestrate.engine.executors import executor
from orchestrate.engine.executors.look import Look, Scene, watched


@dataclass
class Pretended:
    """A provider without a platform. `asked` is what it was asked to do."""

    replicas_of: dict[str, list[Replica]] = field(default_factory=dict)
    shares: tuple[Share, ...] = ()
    counts: dict[str, RequestCounts] = field(default_factory=dict)
    address: str | None = None
    tolerance: int = 0
    autoscaled: bool = False
    lines: tuple[str, ...] = ()
    unreadable: bool = False
    """Its logs cannot be read."""
    deaf: bool = False
    """It does not carry out a change of the traffic."""
    asked: list[str] = field(default_factory=list)

    capabilities = Capabilities(strategies=frozenset(StrategyName), counts_requests=True)

    def replicas(self) -> int:
        return 1

    def probe(self) -> list[Finding]:
        return []

    def resolve(self, version: str) -> Artifact:
        raise NotImplementedError

    def observe(self) -> LiveState:
        running = tuple(
            RunningRevision(Ref(key=key, version=key), len(found), tuple(found), self.autoscaled)
            for key, found in self.replicas_of.items()
        )
        return LiveState(
            running=running, shares=self.shares, address=self.address, tolerance=self.tolerance
        )

    def requests(self) -> Mapping[str, RequestCounts]:
        return self.counts

    def start(self, revision: Revision, replicas: int, write: Write) -> None:
        self.asked.append(f"start {replicas} of {revision.version} as {write.number}")

    def scale(self, revision: Ref, replicas: int, write: Write) -> None:
        self.asked.append(f"scale {revision.version} to {replicas} as {write.number}")

    def route(self, shares: Sequence[Share], fallback: Ref | None, write: Write) -> None:
        self.asked.append(f"route as {write.number}")
        if not self.deaf:
            self.shares = tuple(shares)

    def stop(self, revision: Ref, write: Write) -> None:
        self.asked.append(f"stop {revision.version} as {write.number}")

    def restorable(self, revision: Revision) -> Restorable:
        return Restorable(ok=True)

    def logs(self, revision: Ref, tail: int, grep: str | None = None) -> Iterator[LogLine]:
        if self.unreadable:
            raise TemporaryError("no log today")
        return (LogLine(revision.key, 0, line) for line in self.lines)


@dataclass
class Watch:
    """One step being looked at again and again, by a clock that a test moves."""

    step: Step
    scene: Scene
    time: float = 1000.0
    memory: dict[str, JsonValue] = field(default_factory=dict)

    def look(self, after_s: float = 0.0) -> Look:
        """The next look, so many seconds after the last."""
        self.time += after_s
        self.memory = watched(self.memory, self.time)
        look = executor(self.step).look
        assert look is not None
        found = look(self.step, self.scene, self.memory)
        clock = {name: self.memory[name] for name in ("watched", "last")}
        self.memory = {**found.memory, **clock, "again": found.again_s}
        if found.error is not None:
            raise found.error
        return found

    def act(self) -> None:
        act = executor(self.step).act
        assert act is not None
        act(self.step, self.scene, Write(7, "d1/0/step", "lease"))
