"""The running Traefik behind an Edge: started, adopted, diagnosed, ended."""

import json
import os
import secrets
import socket
import time
from dataclasses import dataclass
from dataclasses import replace as changed

from orchestrate.core.errors import EdgeFailed, PortTaken, ProviderConfigInvalid
from orchestrate.providers.edge import certificate, traefik
from orchestrate.providers.edge.document import PUBLIC
from orchestrate.providers.edge.place import Place
from orchestrate.providers.edge.wire import Wire
from orchestrate.providers.processes import logs
from orchestrate.providers.processes.disk import told_when_full
from orchestrate.providers.processes.files import (
    locked,
    private_directory,
    read_json,
    replace,
)
from orchestrate.providers.processes.ports import free_port, holder, is_free
from orchestrate.providers.processes.program import Program
from orchestrate.providers.processes.spec import Seen, Spec

START_S = 20.0
ALIVE = "X-Edge"
BASE = "00-edge.yml"
"""The document that is no environment's."""


@dataclass(frozen=True)
class Record:
    """edge.json: what must stay the same when Traefik is started again."""

    address: str
    port: int
    internal_port: int
    """Loopback port of the metrics."""
    token: str
    """Host name of the questions only we can ask."""


class Engine:
    def __init__(self, directory: str, place: Place, cache_directory: str) -> None:
        self.directory, self.place, self.cache_directory = directory, place, cache_directory
        self.program = Program(os.path.join(directory, "run"))

    @property
    def log_path(self) -> str:
        return logs.path_of(self.program.directory, 0)

    def ensure(self) -> None:
        """See `Edge.ensure`. A few file reads when all is well."""
        if self._well():
            return
        for name in ("", "dyn"):
            private_directory(os.path.join(self.directory, name))
        lock = os.path.join(self.directory, "ensure.lock")
        with told_when_full("the edge could not be started"), locked(lock):
            if self._well():
                return
            if not self._asked_for():
                self._start()
            self.program.ensure()
            self._await_answer()

    def stop(self) -> None:
        """End Traefik and its supervisor; returns when they are gone. It is kept from starting."""
        private_directory(self.directory)
        with locked(os.path.join(self.directory, "ensure.lock")):
            self._end()

    def _end(self) -> None:
        self.program.ask(lambda spec: changed(spec, wanted=0) if spec else None)
        self.program.wait_gone()

    def refuse_taken(self) -> None:
        """Raises PortTaken when another program has the port."""
        if not self._asked_for() and not is_free(self.place.port, self.place.address):
            raise self._taken()

    def record(self) -> Record:
        """What edge.json says. Raises EdgeFailed before the first `ensure`."""
        found = self._read_record()
        if found is None:
            raise EdgeFailed(f"there is no edge on port {self.place.port} yet")
        return found

    @property
    def known(self) -> bool:
        """Whether there was an `ensure` before."""
        return self._read_record() is not None

    def process(self) -> Seen | None:
        """Traefik's process, None when it does not run."""
        return next(iter(self.program.alive()), None)

    def last_words(self) -> list[str]:
        """The last lines of Traefik's log."""
        return self.program.tail(0, 5) or ["its log is empty"]

    def _well(self) -> bool:
        return (
            self._read_record() is not None
            and self.process() is not None
            and self.program.supervised()
        )

    def _asked_for(self) -> bool:
        spec = self.program.spec()
        return spec is not None and spec.wanted > 0 and self._read_record() is not None

    def _start(self) -> None:
        self.refuse_taken()
        executable = traefik.find(self.cache_directory)
        record = self._read_record() or Record(
            self.place.address, self.place.port, 0, f"{secrets.token_hex(16)}.edge.invalid"
        )
        internal = record.internal_port
        if internal == 0 or not is_free(internal):
            internal = free_port(avoid=(self.place.port,))
        self._configure(changed(record, internal_port=internal))
        self.program.ask(lambda _: self._spec(executable))

    def _configure(self, record: Record) -> None:
        dynamic = os.path.join(self.directory, "dyn")
        crt, key = certificate.ensure(self.directory)
        base = json.dumps(_base_document(record.token, crt, key), indent=1)
        static = traefik.static_configuration(self.place, record.internal_port, dynamic)
        replace(os.path.join(dynamic, BASE), base, through=self.directory)
        replace(os.path.join(self.directory, "traefik.yml"), static)
        replace(os.path.join(self.directory, "edge.json"), json.dumps(vars(record)))

    def _spec(self, executable: str) -> Spec:
        return Spec(
            wanted=1,
            command=(
                executable,
                f"--configFile={os.path.join(self.directory, 'traefik.yml')}",
            ),
            cwd=self.directory,
            environment={"HOME": self.directory, "LANG": "C.UTF-8"},
            grace_s=START_S + 5,
            restart_first_s=0.2,
            restart_most_s=5.0,
        )

    def _await_answer(self) -> None:
        wire, until = Wire(self.place.dial, self.place.port), time.monotonic() + START_S
        try:
            while time.monotonic() < until:
                headers = wire.headers("/", self.record().token)
                if headers is not None and headers.get(ALIVE) == str(self.place.port):
                    return
                self._diagnose()
                time.sleep(0.01)
        finally:
            wire.close()
        raise EdgeFailed(
            f"Traefik does not answer on port {self.place.port}",
            why=self.last_words(),
            fix=[f"read {self.log_path}"],
        )

    def _diagnose(self) -> None:
        """When Traefik ended by itself, because of a port, say so or take another."""
        seen = next(iter(self.program.replicas()), None)
        if seen is None or seen.state != "exited" or (seen.exit_code or 0) <= 0:
            return
        if not is_free(self.place.port, self.place.address):
            self._end()
            raise self._taken()
        if not is_free(self.record().internal_port):
            self._end()
            self._start()

    def _taken(self) -> PortTaken:
        address, port = self.place.address, self.place.port
        who = holder(port)
        return PortTaken(
            f"port {port} on {address} cannot be used",
            why=[f"held by {who}" if who else _obstacle(address, port)],
            fix=["end that process, or give the environment another port in its url"],
        )

    def _read_record(self) -> Record | None:
        data = read_json(os.path.join(self.directory, "edge.json"))
        if data is None:
            return None
        found = Record(
            str(data["address"]),
            int(str(data["port"])),
            int(str(data["internal_port"])),
            str(data["token"]),
        )
        if found.address != self.place.address:
            raise ProviderConfigInvalid(
                f"port {self.place.port} is served on {found.address} already",
                why=[f"this environment wants it on {self.place.address}"],
                fix=["use the same address in both urls, or another port"],
            )
        return found


def _obstacle(address: str, port: int) -> str:
    """What the system says to somebody who wants to listen there."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((address, port))
        except OSError as problem:
            return problem.strerror or str(problem)
    return "it was in use a moment ago"


def _base_document(token: str, crt: str, key: str) -> dict[str, object]:
    """The default certificate, and an answer that shows whose Traefik this is."""
    port = os.path.basename(os.path.dirname(crt))
    return {
        "tls": {"stores": {"default": {"defaultCertificate": {"certFile": crt, "keyFile": key}}}},
        "http": {
            "routers": {
                "edge-alive": {
                    "entryPoints": [PUBLIC],
                    "rule": f"Host(`{token}`) && Path(`/`)",
                    "priority": 1_000_000,
                    "service": "ping@internal",
                    "middlewares": ["edge-alive"],
                }
            },
            "middlewares": {"edge-alive": {"headers": {"customResponseHeaders": {ALIVE: port}}}},
        },
    }
