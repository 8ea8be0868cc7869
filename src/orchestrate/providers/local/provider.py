"""The provider `local`: an application's processes on this machine, behind the edge.

State of an environment is in <home>/local/<app>--<environment>/: `versions/` (unpacked, read-only),
`run/<revision>/` (processes, logs, effects.jsonl) and `fence.json` (the newest write).
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from orchestrate.core.environment import Environment, StrategyName
from orchestrate.core.errors import (
    ArtifactInvalid,
    ArtifactMissing,
    StepFailed,
)
from orchestrate.core.protocols import (
    Capabilities,
    Finding,
    LiveState,
    LogLine,
    RequestCounts,
    Restorable,
    Write,
)
from orchestrate.core.revision import Artifact, Ref, Revision
from orchestrate.core.steps import Share
from orchestrate.providers.edge import Backend, Edge, Traffic, own_place, place_of, slug_of
from orchestrate.providers.local import artifact as artifacts
from orchestrate.providers.local import probe
from orchestrate.providers.local.fence import Fence
from orchestrate.providers.local.running import Running
from orchestrate.providers.local.settings import settings_of
from orchestrate.providers.local.versions import Versions
from orchestrate.providers.processes import ports
from orchestrate.providers.processes.disk import told_when_full

NO_LIMIT: Mapping[str, int] = {}
GREPPED = 100_000
"""Lines of each replica that are searched."""
LET_GO_S = 3.0
"""The edge gives up an idle connection after 2 s."""


class LocalProvider:
    """See the module. Raises ProviderConfigInvalid at once when `config` or `url` is wrong."""

    capabilities = Capabilities(strategies=frozenset(StrategyName), counts_requests=True)

    def __init__(self, environment: Environment, home: str) -> None:
        self.environment = environment
        self.home = os.path.abspath(home)
        self.settings = settings_of(environment.config)
        self.slug = slug_of(environment.app, environment.name)
        self.directory = os.path.join(self.home, "local", self.slug)
        self.versions = Versions(os.path.join(self.directory, "versions"))
        self.running = Running(os.path.join(self.directory, "run"), self.home)
        self.fence = Fence(self.directory)
        self.edge = Edge(self.home, own_place(self.home, self.slug, place_of(environment.url)))

    def replicas(self) -> int:
        return self.settings.replicas

    def probe(self) -> list[Finding]:
        return probe.findings(self.settings, self.edge, self.slug, self.directory)

    def resolve(self, version: str) -> Artifact:
        return artifacts.pin(self.settings, version)

    def observe(self) -> LiveState:
        present = self.edge.present(self.slug)
        return LiveState(
            running=tuple(self.running.observe()),
            shares=present.shares,
            fallback=present.fallback,
            address=self.edge.place.url,
            write=max(present.number, self.fence.newest()[0]),
        )

    def requests(self) -> Mapping[str, RequestCounts]:
        return self.edge.counts(self.slug)

    def start(self, revision: Revision, replicas: int, write: Write) -> None:
        self.fence.check(write)
        settings = settings_of(revision.config)
        with told_when_full("the revision could not be started"):
            self.versions.ensure(revision, settings)
        self.edge.ensure()
        with self._writing(write):
            files = self.versions.ensure(revision, settings)
            self.running.start(revision, replicas, files, write, self._held_ports())

    def scale(self, revision: Ref, replicas: int, write: Write) -> None:
        with self._writing(write):
            self._leave_traffic(revision.key, replicas, write)
            self.running.shrink(revision.key, replicas, write)
            self._prune()

    def route(self, shares: Sequence[Share], fallback: Ref | None, write: Write) -> None:
        with self._writing(write):
            self.edge.apply(self.slug, self._traffic(shares, fallback), write)
            self.edge.leave_other_ports(self.slug)

    def stop(self, revision: Ref, write: Write) -> None:
        self.scale(revision, 0, write)

    def restorable(self, revision: Revision) -> Restorable:
        running = bool(self.running.program(revision.key).alive())
        if running or self.versions.has(revision.key, revision.artifact):
            return Restorable(ok=True, running=running)
        try:
            found = artifacts.pin(settings_of(revision.config), revision.version)
        except (ArtifactMissing, ArtifactInvalid) as problem:
            return Restorable(ok=False, lost=(problem.message,))
        if found.digest == revision.artifact.digest:
            return Restorable(ok=True)
        return Restorable(ok=False, lost=(f"{found.reference} is not what it was then",))

    def logs(self, revision: Ref, tail: int, grep: str | None = None) -> Iterator[LogLine]:
        program = self.running.program(revision.key)
        for number in program.logged():
            lines = program.tail(number, tail if grep is None else GREPPED)
            found = [line for line in lines if grep is None or grep in line]
            for text in found[-tail:]:
                yield LogLine(revision=revision.key, replica=number, text=text)

    def ensure(self) -> list[str]:
        """Bring back what is wanted and gone: supervisors, replicas, the edge. What was done.

        For the service's watch loop; also what recovers an environment after a reboot. Leaves the
        environment alone while a write is under way.
        """
        with self.fence.unless_busy() as free:
            if not free:
                return []
            done = self.running.ensure(self._held_ports())
            if self.edge.present(self.slug).shares or any(self.running.observe()):
                self.edge.ensure()
            return done

    def dismantle(self) -> None:
        """Take this environment from the edge and stop every process of it, whatever the number
        of the last write; returns when they are gone. For an environment that is deleted: its logs
        stay, its unpacked versions go."""
        write = Write(self.observe().write + 1, "dismantle", "")
        with self.fence.passed(write):
            self.edge.forget(self.slug)
            for key in self.running.keys():
                self.running.shrink(key, 0, write)
            for key in self.running.keys():
                self.running.program(key).wait_gone()
            self.versions.prune(set(), 0)

    @contextmanager
    def _writing(self, write: Write) -> Iterator[None]:
        with told_when_full("the change was not carried out"), self.fence.passed(write):
            yield

    def _traffic(
        self, shares: Sequence[Share], fallback: Ref | None, most: Mapping[str, int] = NO_LIMIT
    ) -> Traffic:
        """`most`: replicas of a revision, by key, that may take requests at all."""
        spare = None
        if fallback is not None and self.running.addresses(fallback.key):
            spare = self._backend(fallback, 0, None, most)
        return Traffic(
            rule=self.edge.place.rule,
            backends=tuple(
                self._backend(s.revision, s.percent, s.replicas, most) for s in shares if s.percent
            ),
            fallback=spare,
        )

    def _backend(
        self, revision: Ref, percent: int, replicas: int | None, most: Mapping[str, int]
    ) -> Backend:
        limits = [n for n in (replicas, most.get(revision.key)) if n is not None]
        addresses = self.running.addresses(revision.key, min(limits, default=None))
        if not addresses:
            raise StepFailed(
                f"no replica of {revision.version} ({revision.key}) runs to take requests",
                fix=["start it first"],
            )
        health = self.running.health(revision.key)
        return Backend(revision, addresses, health, percent, replicas)

    def _leave_traffic(self, key: str, replicas: int, write: Write) -> None:
        """Take the replicas that are about to stop out of the traffic before they do."""
        present = self.edge.present(self.slug)
        leaving = present.addresses.get(key, ())[replicas:]
        if not leaving:
            return
        shares, fallback = present.shares, present.fallback
        if replicas == 0:
            shares = _without(shares, key)
            fallback = None if fallback and fallback.key == key else fallback
        self.edge.apply(self.slug, self._traffic(shares, fallback, {key: replicas}), write)
        self._let_go({_port(address) for address in leaving})

    def _let_go(self, leaving: set[int]) -> None:
        """Wait, within reason, until the edge has no connection left to these ports."""
        until = time.monotonic() + LET_GO_S
        while time.monotonic() < until:
            left = ports.established(leaving)
            if left is None or not any(left.values()):
                return
            time.sleep(0.02)

    def _held_ports(self) -> set[int]:
        present = self.edge.present(self.slug)
        return {_port(address) for found in present.addresses.values() for address in found}

    def _prune(self) -> None:
        """Forget the oldest versions beyond `keep` that neither run nor are named by the edge."""
        keep = {r.revision.key for r in self.running.observe()}
        keep |= set(self.edge.present(self.slug).addresses)
        for key in self.versions.prune(keep, self.settings.keep):
            self.running.remove(key)


def _without(shares: Sequence[Share], key: str) -> tuple[Share, ...]:
    """The shares without a revision, the others grown in proportion to 100 percent."""
    kept = [share for share in shares if share.revision.key != key and share.percent]
    total, given, found = sum(share.percent for share in kept), 0, []
    for count, share in enumerate(kept, 1):
        percent = 100 - given if count == len(kept) else round(100 * share.percent / total)
        found.append(share.model_copy(update={"percent": percent}))
        given += percent
    return tuple(found)


def _port(address: str) -> int:
    return int(address.rsplit(":", 1)[1])
