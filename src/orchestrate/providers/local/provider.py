"""The provider `local`: an application's processes on this machine, behind the edge.

State of an environment is in <home>/local/<app>--<environment>/: `versions/` (unpacked, read-only),
`run/<revision>/` (processes, logs, effects.jsonl) and `fence.json` (the newest write).
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from orchestrate.core.environment import Environment, StrategyName
from orchestrate.core.errors import ArtifactInvalid, ArtifactMissing
from orchestrate.core.protocols import (
    Capabilities,
    Finding,
    LiveState,
    LogLine,
    RequestCounts,
    Restorable,
    Secrets,
    Write,
)
from orchestrate.core.revision import Artifact, Ref, Revision
from orchestrate.core.secret_rules import for_platform
from orchestrate.core.steps import Share
from orchestrate.providers.edge import Front, slug_of
from orchestrate.providers.local import artifact as artifacts
from orchestrate.providers.local import probe
from orchestrate.providers.local.running import Running
from orchestrate.providers.local.settings import settings_of
from orchestrate.providers.local.versions import Versions
from orchestrate.providers.processes.disk import told_when_full
from orchestrate.providers.processes.fence import Fence

GREPPED = 100_000
"""Lines of each replica that are searched."""


class LocalProvider:
    """See the module. Raises ProviderConfigInvalid at once when `config` or `url` is wrong."""

    capabilities = Capabilities(strategies=frozenset(StrategyName), counts_requests=True)

    def __init__(self, environment: Environment, home: str, secrets: Secrets) -> None:
        self.environment = environment
        self.secrets = secrets
        self.home = os.path.abspath(home)
        self.settings = settings_of(environment.config)
        self.slug = slug_of(environment.app, environment.name)
        self.directory = os.path.join(self.home, "local", self.slug)
        self.versions = Versions(os.path.join(self.directory, "versions"))
        withheld = for_platform(environment)
        self.running = Running(os.path.join(self.directory, "run"), self.home, secrets, withheld)
        self.fence = Fence(self.directory)
        self.front = Front(environment, self.home, self.running)
        self.edge = self.front.edge

    def replicas(self) -> int:
        return self.settings.replicas

    def probe(self) -> list[Finding]:
        return [*self.front.findings(), *probe.findings(self.settings)]

    def resolve(self, version: str) -> Artifact:
        return artifacts.pin(self.settings, version)

    def observe(self) -> LiveState:
        present = self.front.present()
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
            self.running.start(revision, replicas, files, write, self.front.held_ports())

    def scale(self, revision: Ref, replicas: int, write: Write) -> None:
        with self._writing(write):
            self.front.leave(revision.key, replicas, write)
            self.running.shrink(revision.key, replicas, write)
            self._prune()

    def route(self, shares: Sequence[Share], fallback: Ref | None, write: Write) -> None:
        with self._writing(write):
            self.front.route(shares, fallback, write)

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
            done = self.running.ensure(self.front.held_ports())
            if self.front.present().shares or any(self.running.observe()):
                self.edge.ensure()
            return done

    def dismantle(self) -> None:
        """Take this environment from the edge and stop every process of it, whatever the number
        of the last write; returns when they are gone. For an environment that is deleted: its logs
        and its unpacked versions go too, its newest write stays, and refuses who is late."""
        write = Write(self.observe().write + 1, "dismantle", "")
        with self.fence.passed(write):
            self.edge.forget(self.slug)
            for key in self.running.keys():
                self.running.shrink(key, 0, write)
            for key in self.running.keys():
                self.running.program(key).wait_gone()
                self.running.remove(key)
            self.versions.prune(set(), 0)

    @contextmanager
    def _writing(self, write: Write) -> Iterator[None]:
        with told_when_full("the change was not carried out"), self.fence.passed(write):
            yield

    def _prune(self) -> None:
        """Forget the oldest versions beyond `keep` that neither run nor are named by the edge."""
        keep = {r.revision.key for r in self.running.observe()}
        keep |= set(self.front.present().addresses)
        for key in self.versions.prune(keep, self.settings.keep):
            self.running.remove(key)
