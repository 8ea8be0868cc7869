"""What a provider is to the rest of the program.

A provider is made for one environment. It observes first, and each write is idempotent on
`Write.key` and refused with FencedOut when its number is lower than one already carried out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from pydantic import JsonValue

from orchestrate.core.analysis.counts import Counts
from orchestrate.core.environment import Environment, StrategyName
from orchestrate.core.metrics import MetricQuery
from orchestrate.core.revision import Artifact, Ref, Revision
from orchestrate.core.secret import Secret
from orchestrate.core.steps import Share

ReplicaState = Literal["starting", "running", "stopping", "exited", "unknown"]
Fallback = Ref | None


@dataclass(frozen=True)
class Native:
    """A strategy that the platform carries out whole: one Roll step, its own steps and gates."""

    how: str | None
    """What it will do, in the words of the plan; None: replace one replica after another."""
    takes_s: float = 0.0
    """Time it spends by itself, such as for baking."""


@dataclass(frozen=True)
class Capabilities:
    """What a platform can do."""

    strategies: frozenset[StrategyName]
    native_rolling: bool = False
    """It replaces replicas by itself (a Roll step)."""
    native: Mapping[StrategyName, Native] = field(default_factory=dict)
    """Strategies that are its own, the way back too: nothing can be started beside what runs."""
    missing: Mapping[StrategyName, str] = field(default_factory=dict)
    """What the config would need for a strategy that it cannot do as it is."""
    ask_every_s: float = 0.0
    """Least time between two looks at a platform that does not like to be asked often."""
    stops_within_s: float = 300.0
    """Longest time a replica may take to end, its last requests included."""
    counts_requests: bool = False
    """`requests()` answers, so a canary can be analysed."""
    divides: str = ""
    """By what it divides the traffic, such as `by replicas`, where there is more than one way."""


@dataclass(frozen=True)
class Write:
    """Permission for one write. `number` only grows within an environment."""

    number: int
    key: str
    """workflow/step/op: the same on every replay."""
    lease: str
    """Who holds the environment: the store's id, a dot, and the token of the worker."""


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
    counted_by_platform: bool = False
    """An autoscaler says how many: what a plan stands on must not be their number."""


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
    tolerance: int = 0
    """Percent points a share may differ from what was asked, where the platform cannot divide the
    traffic as finely: by whole replicas."""

    def replicas(self, key: str) -> tuple[Replica, ...]:
        """Replicas of a revision; none when it does not run."""
        return next((r.replicas for r in self.running if r.revision.key == key), ())

    def expected(self, key: str, replicas: int) -> int:
        """Replicas that a revision must have of which `replicas` were asked for: fewer where the
        platform counts them and wants no more."""
        found = next((r for r in self.running if r.revision.key == key), None)
        if found is None or not found.counted_by_platform:
            return replicas
        return min(replicas, max(found.wanted, 1))

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
    secrets: int = 0
    """Secrets that it pins a version of."""
    readable: int = 0
    """Those of them that can be read in that very version."""


@dataclass(frozen=True)
class LogLine:
    """One line an application wrote. `text` is untrusted."""

    revision: str
    replica: int
    text: str
    at: str | None = None


class MetricSource(Protocol):
    """A monitoring system, as one environment asks it."""

    def read(
        self, query: MetricQuery, name: str, revision: Ref, since: float, slots: int, slot_s: float
    ) -> Sequence[Counts | None]:
        """What the metric `name` counted of one revision in each of `slots` spans of `slot_s`
        seconds, the first one beginning at `since` (seconds since the epoch).

        None stands where the source knows nothing, which is not the same as zero. Raises
        MetricsUnavailable, RateLimited or OutboundFailed when asking again may help, also for a
        partial answer; MetricSourceRefused and MetricsInvalid when it will not.
        """
        ...


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


@dataclass(frozen=True)
class Progress:
    """How far a platform has come with a revision, by its own account."""

    done: bool
    text: str
    memory: Mapping[str, JsonValue] = field(default_factory=dict)
    """Handed to the next question: since when something has been wrong, and the like."""


@runtime_checkable
class Rolling(Protocol):
    """A provider whose platform replaces the replicas that serve, itself and in their place."""

    def roll(self, revision: Revision, replicas: int, write: Write) -> None:
        """Replace what serves by `revision`; the traffic follows. The first one of all is started
        and gets the traffic. Returns when it was asked for."""
        ...


@runtime_checkable
class Telling(Protocol):
    """A provider whose platform says itself whether a revision is up, or why it never will be."""

    def progress(
        self,
        revision: Revision,
        replicas: int,
        watched_s: float,
        memory: Mapping[str, JsonValue],
    ) -> Progress:
        """How the platform stands with `replicas` of a revision that it was asked for.

        `watched_s` counts the seconds it was watched so far, `memory` is the last answer's. Raises
        a StepFailed, with the diagnosis, as soon as it is known that it will not come up.
        """
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


@runtime_checkable
class Rendering(Protocol):
    """A provider that may have to run a command of the project to resolve a version."""

    @property
    def renders(self) -> bool:
        """Whether it does, as it is configured."""
        ...


@runtime_checkable
class Registered(Protocol):
    """A provider whose artifacts lie at a registry that asks who reads."""

    def registry_login(self) -> tuple[str, Secret] | None:
        """User and password; None where everybody may read. Raises SecretMissing."""
        ...


class ProviderFactory(Protocol):
    """What the entry-point group `orchestrate.providers` holds: usually the class itself."""

    def __call__(self, environment: Environment, home: str, secrets: Secrets) -> Provider:
        """A provider for `environment`, keeping its state below the directory `home`. Nothing is
        read from `secrets` before a call needs it."""
        ...
