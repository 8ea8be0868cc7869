"""The provider `docker`: an application's containers on one engine, behind the edge.

The containers' labels are the record of what runs. Beside them, in
<home>/docker/<app>--<environment>/: `wanted.json` (how much of each revision is wanted) and
`fence.json` (the newest write). Containers outlive the service, and the next one finds them.
"""

import os
from collections.abc import Iterator, Mapping, Sequence

from orchestrate.core.environment import Environment, StrategyName
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
from orchestrate.core.secret import Secret
from orchestrate.core.steps import Share
from orchestrate.providers.docker import probe
from orchestrate.providers.docker.containers import Containers
from orchestrate.providers.docker.host import host_of
from orchestrate.providers.docker.images import Images
from orchestrate.providers.docker.record import Record, owner_of
from orchestrate.providers.docker.running import Running
from orchestrate.providers.docker.settings import settings_of
from orchestrate.providers.edge import Front, slug_of
from orchestrate.providers.processes.fence import Fence

GREPPED = 100_000
"""Lines of each replica that are searched."""


class DockerProvider:
    """See the module. Raises ProviderConfigInvalid at once when `config` or `url` is wrong; that no
    engine answers, only when one is needed."""

    capabilities = Capabilities(strategies=frozenset(StrategyName), counts_requests=True)

    def __init__(self, environment: Environment, home: str, secrets: Secrets) -> None:
        self.secrets = secrets
        home = os.path.abspath(home)
        self.settings = settings_of(environment.config)
        self.slug = slug_of(environment.app, environment.name)
        self.directory = os.path.join(home, "docker", self.slug)
        self.host = host_of(self.settings.host, self.settings.tls, os.environ)
        self.host.refuse_unreached(self.settings.publish)
        self.containers = Containers(
            self.host, owner_of(home), f"{environment.app}/{environment.name}", self.slug
        )
        self.images = Images(self.host, self.settings.credentials, secrets)
        self.record = Record(self.directory, self.containers.all)
        self.running = Running(self.containers, self.images, self.record, secrets, environment)
        self.fence = Fence(self.directory)
        self.front = Front(environment, home, self.running)
        self.edge = self.front.edge

    def replicas(self) -> int:
        return self.settings.replicas

    def probe(self) -> list[Finding]:
        deployed = os.path.exists(self.record.path)
        return [
            *probe.findings(self.settings, self.host, self.containers, self.images, deployed),
            *self.front.findings(),
        ]

    def registry_login(self) -> tuple[str, Secret] | None:
        login = self.images.login()
        return (login["username"], Secret(login["password"])) if login else None

    def resolve(self, version: str) -> Artifact:
        return self.images.pin(self.settings.image, version)

    def observe(self) -> LiveState:
        present = self.front.present()
        newest = self.fence.newest()[0]
        return LiveState(
            running=tuple(self.running.observe()),
            shares=present.shares,
            fallback=present.fallback,
            address=self.edge.place.url,
            write=max(present.number, newest, self.running.newest_write()),
        )

    def requests(self) -> Mapping[str, RequestCounts]:
        return self.edge.counts(self.slug)

    def start(self, revision: Revision, replicas: int, write: Write) -> None:
        self.fence.check(write)
        self.running.refuse_older(write)
        # Before the fence is passed: a pull takes its time, and changes nothing that is observed.
        self.images.ensure(revision.artifact)
        self.edge.ensure()
        with self.fence.passed(write):
            self.running.start(revision, replicas, write, self.front.held_ports())

    def scale(self, revision: Ref, replicas: int, write: Write) -> None:
        self.running.refuse_older(write)
        with self.fence.passed(write):
            self.front.leave(revision.key, replicas, write)
            self.running.shrink(revision.key, replicas)
            self._prune()

    def route(self, shares: Sequence[Share], fallback: Ref | None, write: Write) -> None:
        self.running.refuse_older(write)
        with self.fence.passed(write):
            self.front.route(shares, fallback, write)
            given = [share.revision.key for share in shares if share.percent]
            if len(given) == 1:
                self.record.serves(given[0])

    def stop(self, revision: Ref, write: Write) -> None:
        self.scale(revision, 0, write)

    def restorable(self, revision: Revision) -> Restorable:
        if any(container.alive for container in self.running.of(revision.key)):
            return Restorable(ok=True, running=True)
        settings = settings_of(revision.config)
        lost = [
            f"network {name} is gone"
            for name in self.containers.missing_networks(settings.networks)
        ]
        image = self.images.lost(revision.artifact)
        if image is not None:
            lost.append(image)
        return Restorable(ok=not lost, lost=tuple(lost))

    def logs(self, revision: Ref, tail: int, grep: str | None = None) -> Iterator[LogLine]:
        for container in self.running.of(revision.key):
            lines = self.containers.tail(container, tail if grep is None else GREPPED)
            found = [(at, text) for at, text in lines if grep is None or grep in text]
            for at, text in found[-tail:]:
                yield LogLine(revision=revision.key, replica=container.number, text=text, at=at)

    def ensure(self) -> list[str]:
        """Bring back what is wanted and gone: containers, the edge. What was done.

        For the service's watch loop. Nothing is done while a write is under way.
        """
        with self.fence.unless_busy() as free:
            if not free:
                return []
            done = self.running.ensure(self.front.held_ports())
            if self.front.present().shares or any(w.replicas for w in self.record.all().values()):
                self.edge.ensure()
            return done

    def dismantle(self) -> None:
        """Take this environment from the edge, and stop and remove every container of it, logs and
        pulled images too, whatever the number of the last write; returns when they are gone. For
        an environment that is deleted."""
        with self.fence.passed(Write(self.observe().write + 1, "dismantle", "")):
            self.edge.forget(self.slug)
            self.running.remove_all(self.settings.grace_s)

    def _prune(self) -> None:
        """Forget revisions beyond `keep` that neither run, nor are wanted, nor have traffic."""
        keep = {running.revision.key for running in self.running.observe()}
        keep |= set(self.front.present().addresses)
        self.running.prune(keep, self.settings.keep)
