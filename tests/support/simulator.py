"""A platform in memory that carries out steps and refuses what would lose a request."""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrate.core.protocols import LiveState, Replica, RunningRevision
from orchestrate.core.revision import Ref
from orchestrate.core.steps import (
    AwaitHealthy,
    Drain,
    Roll,
    Route,
    Share,
    Start,
    Step,
    Stop,
    Switch,
)


class Lost(AssertionError):
    """A step that would lose requests."""


@dataclass
class Platform:
    """Replicas by revision key, how many of them are known to be healthy, and who has traffic.

    `hot` is how many replicas of a revision may hold requests that are not answered yet.
    """

    gap_allowed: bool = False
    """Recreate: the old revision is stopped while it still has the traffic."""
    running: dict[str, int] = field(default_factory=dict)
    healthy: dict[str, int] = field(default_factory=dict)
    hot: dict[str, int] = field(default_factory=dict)
    refs: dict[str, Ref] = field(default_factory=dict)
    shares: tuple[Share, ...] = ()
    fallback: str | None = None

    def put(self, ref: Ref, replicas: int) -> None:
        """Have a revision that runs, and was healthy when it was looked at last."""
        self.refs[ref.key] = ref
        self.running[ref.key] = self.healthy[ref.key] = replicas

    def copy(self) -> Platform:
        return Platform(
            self.gap_allowed,
            dict(self.running),
            dict(self.healthy),
            dict(self.hot),
            dict(self.refs),
            self.shares,
            self.fallback,
        )

    def observe(self) -> LiveState:
        """As a provider would see it."""
        running = tuple(
            RunningRevision(
                self.refs[key], count, tuple(Replica(n, "running") for n in range(count))
            )
            for key, count in self.running.items()
            if count
        )
        return LiveState(running=running, shares=self.shares)

    def traffic(self) -> dict[str, int]:
        """Percent by revision key."""
        return {share.revision.key: share.percent for share in self.shares if share.percent}

    def serving(self) -> int:
        """Replicas that take traffic."""
        return sum(self._taking(share) for share in self.shares if share.percent)

    def apply(self, step: Step) -> None:
        match step:
            case Start():
                self._start(step.revision, step.replicas)
            case AwaitHealthy():
                self._await(step.revision.key, step.replicas)
            case Route():
                self._route(step.shares, step.fallback)
            case Switch():
                self._route((Share(revision=step.to, percent=100),), step.fallback)
            case Drain():
                self._drain(step.revision.key, step.beyond)
            case Stop() if step.after_s == 0:
                self._stop(step.revision.key, step.keep)
            case Roll():
                self._roll(step.revision, step.replicas)

    def _start(self, ref: Ref, replicas: int) -> None:
        self.refs[ref.key] = ref
        self.running[ref.key] = max(self.running.get(ref.key, 0), replicas)

    def _await(self, key: str, replicas: int) -> None:
        if self.running.get(key, 0) < replicas:
            raise Lost(f"waits for {replicas} of {key}, which were never started")
        self.healthy[key] = max(self.healthy.get(key, 0), replicas)

    def _route(self, shares: tuple[Share, ...], fallback: Ref | None) -> None:
        if shares and sum(share.percent for share in shares) != 100:
            raise Lost("the shares are not the whole traffic")
        self.shares = shares
        self.fallback = fallback.key if fallback else None
        if fallback and not self.healthy.get(fallback.key):
            raise Lost(f"the fallback {fallback.key} is not healthy")
        for share in shares:
            key, count = share.revision.key, self._taking(share)
            if share.percent and not 0 < count <= self.healthy.get(key, 0):
                raise Lost(f"traffic to {count} of {key}, {self.healthy.get(key, 0)} are healthy")
            self.hot[key] = max(self.hot.get(key, 0), count)
        if self.fallback:
            self.hot[self.fallback] = self.running.get(self.fallback, 0)

    def _drain(self, key: str, beyond: int) -> None:
        if self.fallback == key or self._exposed(key) > beyond:
            raise Lost(f"waits until {key} is idle beyond {beyond}, while it has traffic")
        self.hot[key] = min(self.hot.get(key, 0), beyond)

    def _stop(self, key: str, keep: int) -> None:
        if not self.gap_allowed:
            if self.fallback == key or self._exposed(key) > keep:
                raise Lost(f"stops {key} down to {keep} while it has traffic")
            if self.hot.get(key, 0) > keep:
                raise Lost(f"stops {key} down to {keep} with requests in flight")
        for counts in (self.running, self.healthy, self.hot):
            counts[key] = min(counts.get(key, 0), keep)

    def _roll(self, ref: Ref, replicas: int) -> None:
        self._start(ref, replicas)
        self.running = {ref.key: replicas}
        self.healthy, self.hot = dict(self.running), dict(self.running)
        self.shares, self.fallback = (Share(revision=ref, percent=100),), None

    def _taking(self, share: Share) -> int:
        running = self.running.get(share.revision.key, 0)
        return running if share.replicas is None else min(running, share.replicas)

    def _exposed(self, key: str) -> int:
        """The number of the highest replica with traffic, counted from 1."""
        return max(
            (self._taking(s) for s in self.shares if s.revision.key == key and s.percent),
            default=0,
        )
