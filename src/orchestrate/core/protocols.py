"""What a provider is to the rest of the program.

A provider is made for one environment. It observes first, and each write is idempotent on
`Write.key` and refused with FencedOut when its number is lower than one already carried out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from orchestrate.core.environment import Environment, StrategyName
from orchestrate.core.revision import Artifact, Ref, Revision
from orchestrate.core.secret import Secret
from orchestrate.core.steps import Share

ReplicaState = Literal["starting", "running", "stopping", "exited", "unknown"]
Fallback = Ref | None


@dataclass(frozen=True)
class Capabilities:
    """What a platform can do."""

    strategies: frozenset[StrategyName]
    native_rolling: bool = False
    """It replaces replicas by itself (a Roll step)."""
    counts_requests: bool = False
    """`requests()` answers, so a canary can be analysed."""


@dataclass(frozen=True)
class Write:
    """Permission for one write. `number` only grows within an environment."""

    number: int
    key: str
    """workflow/step/op: the same on every replay."""
    lease: str
    """Token of the worker that holds the environment."""


@dataclass(frozen=True)
class Finding:
    """One thing a probe looked at."""

    name: str
    ok: bool
    text: str
    fix: str | None = None
    code: str | None = None
    """Code of the error a deployment would end with, such as `port_taken`."""


@dataclass(frozen=True)
class Replica:
    """One running copy. `address` is an http url when it takes requests directly."""

    number: int
    state: ReplicaState
    address: str | None = None
    pid: int | None = None
    started_at: str | None = None
    restarts: int = 0
    exit_code: int | None = None
    connections: int | None = None
    """Open connections, None when the platform cannot tell."""
    reason: str | None = None
    """Why it is not running, in one line."""
    artifact: str | None = None
    """Digest of what it really runs, as `Artifact.digest` has it; None when the platform cannot
    tell."""


@dataclass(frozen=True)
class RunningRevision:
    revision: Ref
    wanted: int
    """Replicas asked for."""
    replicas: tuple[Replica, ...]


@dataclass(frozen=True)
class LiveState:
    """What was observed, not what was recorded."""

    running: tuple[RunningRevision, ...] = ()
    shares: tuple[Share, ...] = ()
    """The traffic as it is divided now; empty when nothing is served."""
    fallback: Ref | None = None
    address: str | None = None
    """Where the environment answers."""
    write: int = 0
    """Number of the newest write seen at the target."""

    def replicas(self, key: str) -> tuple[Replica, ...]:
        """Replicas of a revision; none when it does not run."""
        return next((r.replicas for r in self.running if r.revision.key == key), ())

    def percent(self, key: str) -> int:
        """A revision's share of the traffic."""
        return sum(s.percent for s in self.shares if s.revision.key == key)


@dataclass(frozen=True)
class RequestCounts:
    """Requests a revision answered since it started, as counters that only grow."""

    total: int = 0
    failed: int = 0
    """Answered 5xx by the application, or not answered."""
    codes: Mapping[str, int] = field(default_factory=dict)
    latency_buckets: Mapping[float, int] = field(default_factory=dict)
    """Cumulative counts by upper bound in seconds."""


@dataclass(frozen=True)
class Restorable:
    """Whether a revision can be brought back, and what would be missing."""

    ok: bool
    running: bool = False
    lost: tuple[str, ...] = ()


@dataclass(frozen=True)
class LogLine:
    """One line an application wrote. `text` is untrusted."""

    revision: str
    replica: int
    text: str
    at: str | None = None


class Secrets(Protocol):
    """The secrets of one environment, as its provider may read them at the last moment."""

    def get(self, name: str, version: str | None = None) -> Secret:
        """The value of a secret that the environment names: of the version a revision pins, or the
        newest. Raises SecretMissing."""
        ...


class Provider(Protocol):
    """A platform, as seen from one environment."""

    @property
    def capabilities(self) -> Capabilities: ...

    def replicas(self) -> int:
        """Replicas the environment's config asks for."""
        ...

    def probe(self) -> list[Finding]:
        """Look whether the platform can be used: what was tried, as whom, what is missing."""
        ...

    def resolve(self, version: str) -> Artifact:
        """Pin a version. Raises ArtifactMissing or ArtifactInvalid. Changes nothing."""
        ...

    def observe(self) -> LiveState:
        """What runs and what is served now."""
        ...

    def requests(self) -> Mapping[str, RequestCounts]:
        """Counters by revision key; empty where the platform counts nothing."""
        ...

    def start(self, revision: Revision, replicas: int, write: Write) -> None:
        """Have at least `replicas` running. Returns when they were asked for, not when healthy."""
        ...

    def scale(self, revision: Ref, replicas: int, write: Write) -> None:
        """Have at most `replicas` running; the highest numbers go first, gracefully."""
        ...

    def route(self, shares: Sequence[Share], fallback: Ref | None, write: Write) -> None:
        """Divide the traffic; returns once new requests are known to follow it."""
        ...

    def stop(self, revision: Ref, write: Write) -> None:
        """Have none running. Returns when asked for; `observe` shows when they are gone."""
        ...

    def restorable(self, revision: Revision) -> Restorable:
        """Whether the revision could be started again, or still runs."""
        ...

    def logs(self, revision: Ref, tail: int, grep: str | None = None) -> Iterator[LogLine]:
        """The last `tail` lines of each replica, oldest first."""
        ...


@runtime_checkable
class Mending(Protocol):
    """A provider whose platform does not bring back by itself what should run."""

    def ensure(self) -> list[str]:
        """Start again what is wanted and gone; what was done. Cheap when all is well: the service
        asks every few seconds."""
        ...


@runtime_checkable
class Dismantling(Protocol):
    """A provider that keeps more of an environment than its revisions and its traffic."""

    def dismantle(self) -> None:
        """Stop everything of a deleted environment, whatever the number of the last write."""
        ...


class ProviderFactory(Protocol):
    """What the entry-point group `orchestrate.providers` holds: usually the class itself."""

    def __call__(self, environment: Environment, home: str, secrets: Secrets) -> Provider:
        """A provider for `environment`, keeping its state below the directory `home`. Nothing is
        read from `secrets` before a call needs it."""
        ...
