"""The processes of one environment's revisions: one supervised program per revision."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace as changed

from orchestrate.core.environment import HealthGate
from orchestrate.core.errors import ProviderConfigInvalid, SecretMissing
from orchestrate.core.protocols import Replica, ReplicaState, RunningRevision, Secrets, Write
from orchestrate.core.revision import Ref, Revision
from orchestrate.providers.local.settings import settings_of
from orchestrate.providers.processes import ports
from orchestrate.providers.processes.files import private_directory
from orchestrate.providers.processes.program import Program
from orchestrate.providers.processes.spec import Seen, Spec, Stamp
from orchestrate.providers.settings import variables_of

_STATES: Mapping[str, ReplicaState] = {
    "running": "running",
    "stopping": "stopping",
    "exited": "exited",
}


class Running:
    """The directory `run/` of an environment: `run/<revision key>/` each."""

    def __init__(
        self,
        directory: str,
        home: str,
        secrets: Secrets | None = None,
        withheld: Collection[str] = (),
    ) -> None:
        """`withheld` are the secrets that no revision is given, whatever it pins."""
        self.directory, self.home, self._secrets = directory, home, secrets
        self._withheld = withheld

    def keys(self) -> list[str]:
        """Revisions that were ever started here, and not yet pruned."""
        try:
            return sorted(os.listdir(self.directory))
        except FileNotFoundError:
            return []

    def program(self, key: str) -> Program:
        """The program of a revision; its supervisor is started with the secrets it pins."""
        return Program(os.path.join(self.directory, key), lambda: self._hidden(key))

    def spec(self, key: str) -> Spec | None:
        return self.program(key).spec()

    def ref(self, key: str) -> Ref | None:
        """The revision of that key, None when it was never started here."""
        spec = self.spec(key)
        return Ref(key=key, version=spec.labels.get("version", "")) if spec else None

    def start(
        self, revision: Revision, replicas: int, files: str, write: Write, held: Collection[int]
    ) -> None:
        """Have at least `replicas`. Ports in `held` are in the edge's document and stay."""
        settings = settings_of(revision.config)
        directory = os.path.join(self.directory, revision.key)
        for name in ("home", "tmp"):
            private_directory(os.path.join(directory, name))
        command = resolved(settings.command, files)
        pinned = {n: v for n, v in revision.secret_versions.items() if n not in self._withheld}

        def change(present: Spec | None) -> Spec:
            wanted = max(replicas, present.wanted if present else 0)
            return Spec(
                wanted=wanted,
                command=command,
                cwd=files,
                environment=_environment(revision, directory),
                ports=self._ports(revision.key, present, wanted, held),
                port_variable=settings.port_variable,
                replica_variable="ORCHESTRATE_REPLICA",
                write=Stamp(write.number, write.key, write.lease),
                grace_s=settings.grace_s,
                log_bytes=settings.log_bytes,
                log_files=settings.log_files,
                labels={
                    "version": revision.version,
                    "health": revision.health.model_dump_json(),
                    "secrets": json.dumps(pinned),
                },
            )

        for name, version in pinned.items():
            self._secret(name, version)  # refused before anything is asked for
        self.program(revision.key).ask(change)

    def shrink(self, key: str, replicas: int, write: Write) -> None:
        """Have at most `replicas`; none of a revision that was never started is fine."""
        stamp = Stamp(write.number, write.key, write.lease)

        def change(present: Spec | None) -> Spec | None:
            if present is None:
                return None
            return changed(present, wanted=min(present.wanted, replicas), write=stamp)

        self.program(key).ask(change)

    def ensure(self, held: Collection[int]) -> list[str]:
        """Supervisors of all that is wanted live, else they are started. What had to be done."""
        done = []
        for key in self.keys():
            spec = self.spec(key)
            if spec is None:
                continue
            moved = self._ports(key, spec, spec.wanted, held)
            if moved != spec.ports:
                self.program(key).ask(_with_ports(moved))
                done.append(f"{key} moved to other ports")
            if self.program(key).ensure():
                done.append(f"supervisor of {key} started")
        return done

    def observe(self) -> Iterator[RunningRevision]:
        """Revisions that are wanted or have a process left."""
        found = {key: self.spec(key) for key in self.keys()}
        counted = ports.established({p for s in found.values() if s for p in s.ports.values()})
        for key, spec in found.items():
            if spec is None:
                continue
            seen = {s.number: s for s in self.program(key).replicas()}
            numbers = sorted(
                {n for n, s in seen.items() if s.state != "exited"} | set(range(spec.wanted))
            )
            if numbers:
                yield RunningRevision(
                    revision=Ref(key=key, version=spec.labels.get("version", "")),
                    wanted=spec.wanted,
                    replicas=tuple(_replica(n, seen.get(n), spec, counted) for n in numbers),
                )

    def addresses(self, key: str, most: int | None = None) -> tuple[str, ...]:
        """Addresses of the first `most` replicas wanted; all of them with None."""
        spec = self.spec(key)
        if spec is None:
            return ()
        numbers = range(spec.wanted if most is None else min(most, spec.wanted))
        return tuple(_address(spec.ports[n]) for n in numbers if n in spec.ports)

    def health(self, key: str) -> HealthGate:
        """The gate a revision was started with."""
        spec = self.spec(key)
        return HealthGate.model_validate_json(spec.labels["health"]) if spec else HealthGate()

    def remove(self, key: str) -> None:
        """Forget a revision that does not run: its logs too."""
        if not self.program(key).supervised():
            shutil.rmtree(os.path.join(self.directory, key), ignore_errors=False)

    def _hidden(self, key: str) -> dict[str, str]:
        """The secrets of a revision, in the versions it was started with."""
        spec = self.spec(key)
        pinned = json.loads(spec.labels.get("secrets", "{}")) if spec else {}
        return {name: self._secret(name, version) for name, version in pinned.items()}

    def _secret(self, name: str, version: str) -> str:
        if self._secrets is None:
            raise SecretMissing(f"there is no secret {name} here")
        return self._secrets.get(name, version).reveal()

    def _ports(
        self, key: str, present: Spec | None, wanted: int, held: Collection[int]
    ) -> Mapping[int, int]:
        """A port for each replica: the one it had, unless another process took it meanwhile.

        A port that the edge sends requests to stays, whoever has it: it is not ours to move alone.
        """
        found = dict(present.ports) if present else {}
        alive = {s.number for s in self.program(key).alive()}
        for number in range(wanted):
            port = found.get(number)
            if port is None or (
                number not in alive and port not in held and ports.is_listened(port)
            ):
                found[number] = ports.free_port({*found.values(), *self._known_ports()})
        return found

    def _known_ports(self) -> set[int]:
        """Ports remembered by any environment of this home, running or not."""
        found: set[int] = set()
        above = os.path.dirname(os.path.dirname(self.directory))
        for environment in os.scandir(above):
            if environment.is_dir():
                other = Running(os.path.join(environment.path, "run"), self.home)
                for key in other.keys():
                    spec = other.spec(key)
                    found.update(spec.ports.values() if spec else ())
        return found


def _with_ports(moved: Mapping[int, int]) -> Callable[[Spec | None], Spec | None]:
    return lambda present: changed(present, ports=moved) if present else None


def resolved(command: tuple[str, ...], files: str) -> tuple[str, ...]:
    """The command with its program as an absolute path. Raises ProviderConfigInvalid."""
    words = tuple(word.replace("{python}", sys.executable) for word in command)
    program = words[0]
    if os.path.isabs(program):
        found = program if os.access(program, os.X_OK) else None
    elif "/" in program:
        path = os.path.normpath(os.path.join(files, program))
        inside = path.startswith(files + os.sep)
        found = path if inside and os.access(path, os.X_OK) and os.path.isfile(path) else None
    else:
        found = shutil.which(program)
    if found is not None:
        return (found, *words[1:])
    where = f"in {files}" if "/" in program else "on the PATH of the service"
    raise ProviderConfigInvalid(
        f"command {program!r} was not found",
        why=[f"there is no such program {where}"],
        fix=["correct `command` in config, or install it", "{python} stands for this Python"],
    )


def _environment(revision: Revision, directory: str) -> dict[str, str]:
    """What the processes see: nothing of the service's own but PATH, LANG and TZ."""
    found = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "HOME": os.path.join(directory, "home"),
        "TMPDIR": os.path.join(directory, "tmp"),
    }
    if "TZ" in os.environ:
        found["TZ"] = os.environ["TZ"]
    return {**found, **variables_of(revision)}


def _replica(
    number: int, seen: Seen | None, spec: Spec, counted: Mapping[int, int] | None
) -> Replica:
    port = spec.ports.get(number)
    address = _address(port) if port is not None else None
    if seen is None:
        return Replica(number=number, state="starting", address=address)
    reason = seen.reason
    if seen.state == "exited" and port is not None and ports.is_listened(port):
        reason = f"{reason}; port {port} is held by {ports.holder(port) or 'another process'}"
    return Replica(
        number=number,
        state=_STATES.get(seen.state, "unknown"),
        address=address,
        pid=seen.identity.pid if seen.identity else None,
        started_at=seen.started_at,
        restarts=seen.restarts,
        exit_code=seen.exit_code,
        connections=counted.get(port or 0) if counted is not None else None,
        reason=reason,
    )


def _address(port: int) -> str:
    return f"http://127.0.0.1:{port}"
