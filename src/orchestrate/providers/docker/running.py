"""The replicas of one environment's revisions: one container each, kept as many as are wanted."""

import logging
import threading
from collections.abc import Collection, Iterator, Mapping
from functools import partial

from orchestrate.core.environment import Environment, HealthGate
from orchestrate.core.errors import FencedOut, OrchestrateError, PortTaken, StepFailed
from orchestrate.core.protocols import Replica, ReplicaState, RunningRevision, Secrets, Write
from orchestrate.core.revision import Revision
from orchestrate.core.secret_rules import pinned
from orchestrate.providers.docker.containers import Containers
from orchestrate.providers.docker.images import Images
from orchestrate.providers.docker.record import Record, Wanted
from orchestrate.providers.docker.seen import Container
from orchestrate.providers.docker.settings import settings_of
from orchestrate.providers.processes import ports

log = logging.getLogger(__name__)

TRIES = 5
"""Ports tried for a replica, each of which another process may take first."""
_STATES: Mapping[str, ReplicaState] = {
    "created": "starting",
    "running": "running",
    "restarting": "exited",
    "removing": "stopping",
    "exited": "exited",
    "dead": "exited",
}
_ending: set[str] = set()
"""Containers that a thread of this process is stopping."""
_lock = threading.Lock()


class Running:
    """The containers that are there, and the record of those that are wanted."""

    def __init__(
        self,
        containers: Containers,
        images: Images,
        record: Record,
        secrets: Secrets,
        environment: Environment,
    ) -> None:
        self.containers, self.images, self.record = containers, images, record
        self.secrets, self._environment = secrets, environment

    def start(self, revision: Revision, replicas: int, write: Write, held: Collection[int]) -> None:
        """Have at least `replicas`. Ports in `held` are in the edge's document and stay."""
        before = self._wanted(revision.key)
        wanted = max(replicas, before)
        self._wait_ended(revision, before)
        self.record.put(revision, wanted)
        self._bring_up(revision, wanted, write, held)

    def shrink(self, key: str, replicas: int) -> None:
        """Have at most `replicas`; the rest is asked to end, and ends by itself from then on."""
        known = self.record.all().get(key)
        if known is None:
            return
        self.record.put(known.revision, min(known.replicas, replicas))
        self._end_spare(known.revision, min(known.replicas, replicas))

    def ensure(self, held: Collection[int]) -> list[str]:
        """Bring back what is wanted and gone, end what is not wanted. What had to be done."""
        done = []
        for key, wanted in self.record.all().items():
            write = self._last_write(key)
            done += self._bring_up(wanted.revision, wanted.replicas, write, held)
            self._end_spare(wanted.revision, wanted.replicas)
        return done

    def observe(self) -> Iterator[RunningRevision]:
        """Revisions that are wanted or have a container left that runs."""
        there = self.containers.all()
        # By the remote end too when the engine is elsewhere: ports of its machine, seen from here.
        counted = ports.towards({container.port for container in there})
        for key, wanted in self.record.all().items():
            found = {c.number: c for c in there if c.key == key}
            alive = {number for number, c in found.items() if c.alive}
            numbers = sorted(alive | set(range(wanted.replicas)))
            if numbers:
                yield RunningRevision(
                    revision=wanted.revision.ref,
                    wanted=wanted.replicas,
                    replicas=tuple(
                        self._replica(n, found.get(n), wanted, counted) for n in numbers
                    ),
                )

    def of(self, key: str) -> list[Container]:
        """Containers of a revision, stopped ones too."""
        return [c for c in self.containers.all() if c.key == key]

    def addresses(self, key: str, most: int | None = None) -> tuple[str, ...]:
        """Addresses of the first `most` replicas wanted; all of them with None."""
        wanted = self._wanted(key)
        limit = wanted if most is None else min(most, wanted)
        return tuple(c.address for c in self.of(key) if c.number < limit)

    def health(self, key: str) -> HealthGate:
        """The gate a revision was started with."""
        known = self.record.all().get(key)
        return known.revision.health if known else HealthGate()

    def newest_write(self) -> int:
        """The newest write that made a container."""
        return max((c.write for c in self.containers.all()), default=0)

    def refuse_older(self, write: Write) -> None:
        """Raises FencedOut when a container was made by a newer write."""
        newest = max(self.containers.all(), key=lambda c: c.write, default=None)
        if newest is None or write.number > newest.write:
            return
        if write.number < newest.write or write.key != newest.write_key:
            raise FencedOut(
                "a newer change of this environment was made already; this one was not",
                why=[
                    f"write {write.number} ({write.key}) came after"
                    f" {newest.write} ({newest.write_key}), which made a container"
                ],
            )

    def prune(self, keep: set[str], most: int) -> None:
        """Forget what is not in `keep`: of the revisions that once had all the traffic those beyond
        the last `most`, and of the others, which nobody goes back to, likewise. First among the
        ones that stay is what a revision in `keep` came after: what it would be rolled back to."""
        known = self.record.all()
        targets = {known[key].after for key in keep & known.keys()}
        spare = [key for key in known if key not in keep]
        others = [key for key in spare if not known[key].served]
        served = sorted(
            (key for key in spare if known[key].served),
            key=lambda key: (key in targets, str(known[key].served)),
        )
        for kind in (served, others):
            for key in kind[: max(0, len(kind) - most)]:
                try:
                    self.forget(key)
                except OrchestrateError as problem:
                    # What the engine does not let go of now is no reason to undo a deployment that
                    # went well: it is tried again after the next one.
                    log.warning("revision %s was not forgotten: %s", key, problem.message)

    def forget(self, key: str, *, for_good: bool = False) -> None:
        """Remove all there is of a revision that does not run. Its image goes only when it could be
        pulled again, or `for_good`."""
        known = self.record.all()[key]
        for container in self.of(key):
            self.containers.remove(container.id)
        artifact = known.revision.artifact
        if not any(
            other.revision.artifact == artifact
            for name, other in self.record.all().items()
            if name != key
        ) and (for_good or self.images.pullable(artifact)):
            self.images.forget(artifact)
        self.record.forget(key)

    def remove_all(self, grace_s: float) -> None:
        """Stop what runs, all at once, and forget every revision."""
        alive = [container for container in self.containers.all() if container.alive]
        enders = [
            threading.Thread(target=self._stop, args=(container.id, grace_s), daemon=True)
            for container in alive
        ]
        for ender in enders:
            ender.start()
        for ender in enders:
            ender.join()
        for key in list(self.record.all()):
            self.forget(key, for_good=True)
        for container in self.containers.all():
            self.containers.remove(container.id)

    def _wanted(self, key: str) -> int:
        known = self.record.all().get(key)
        return known.replicas if known else 0

    def _last_write(self, key: str) -> Write:
        newest = max(self.of(key), key=lambda c: c.write, default=None)
        return Write(newest.write, newest.write_key, "") if newest else Write(0, "ensure", "")

    def _wait_ended(self, revision: Revision, beyond: int) -> None:
        """What was asked to end must have, before it is started again."""
        grace_s = settings_of(revision.config).grace_s
        for container in self.of(revision.key):
            if container.number >= beyond and container.alive:
                self.containers.stop(container.id, grace_s)

    def _bring_up(
        self, revision: Revision, wanted: int, write: Write, held: Collection[int]
    ) -> list[str]:
        found = {c.number: c for c in self.of(revision.key)}
        done = []
        for number in range(wanted):
            present = found.get(number)
            if present is not None and present.alive:
                continue
            if present is not None and self._start_again(revision, present, held):
                done.append(f"replica {number} of {revision.version} started")
                continue
            self._make(revision, number, write)
            done.append(f"replica {number} of {revision.version} made")
        return done

    def _start_again(self, revision: Revision, present: Container, held: Collection[int]) -> bool:
        """Start a container that has ended. Where its port was taken meanwhile, remove it, unless
        the edge sends requests there: that port is not ours to move alone."""
        try:
            self.containers.start(present.id, settings_of(revision.config).networks)
        except PortTaken:
            if present.port in held:
                raise
            self.containers.remove(present.id)
            return False
        return True

    def _make(self, revision: Revision, number: int, write: Write) -> None:
        settings = settings_of(revision.config)
        image = self.images.ensure(revision.artifact)
        hidden = {
            name: self.secrets.get(name, version).reveal()
            for name, version in pinned(self._environment, revision).items()
        }
        avoid = self.containers.taken_ports()
        for left in reversed(range(TRIES)):
            port = ports.free_port(avoid)
            avoid.add(port)
            make = partial(
                self.containers.create, revision, settings, image, number, port, write, hidden
            )
            try:
                made = make()
            except StepFailed:
                if self.images.present(revision.artifact):
                    raise
                # Another environment of this engine let go of it since it was looked for.
                self.images.ensure(revision.artifact)
                made = make()
            try:
                self.containers.start(made, settings.networks)
            except PortTaken:
                self.containers.remove(made)
                if left == 0:
                    raise
                continue
            return

    def _end_spare(self, revision: Revision, wanted: int) -> None:
        grace_s = settings_of(revision.config).grace_s
        for container in self.of(revision.key):
            if container.number >= wanted and container.alive:
                self._end(container, grace_s)

    def _end(self, container: Container, grace_s: float) -> None:
        """Ask it to end. The engine sees to the end of it, should this process not live so long."""
        with _lock:
            if container.id in _ending:
                return
            _ending.add(container.id)
        threading.Thread(
            target=self._stop, args=(container.id, grace_s), name="docker-stop", daemon=True
        ).start()

    def _stop(self, identity: str, grace_s: float) -> None:
        try:
            self.containers.stop(identity, grace_s)
        except OrchestrateError as problem:
            # Whoever waits for the end sees it still running, and it is tried again.
            log.warning("container %s was not stopped: %s", identity[:12], problem.message)
        finally:
            with _lock:
                _ending.discard(identity)

    def _replica(
        self,
        number: int,
        found: Container | None,
        wanted: Wanted,
        counted: Mapping[int, int] | None,
    ) -> Replica:
        seen = self.containers.look(found) if found is not None else None
        if found is None or seen is None:
            return Replica(number=number, state="starting")
        state = _STATES.get(seen.state, "unknown")
        if number >= wanted.replicas and state == "running":
            state = "stopping"
        elif state == "running" and not seen.ready:
            state = "starting"
        return Replica(
            number=number,
            state=state,
            address=found.address,
            pid=seen.pid if self.containers.host.here else None,
            started_at=seen.started_at,
            restarts=seen.restarts,
            exit_code=seen.exit_code,
            connections=counted.get(found.port) if counted is not None else None,
            reason=seen.reason,
            artifact=seen.image,
        )
