"""A small application and an environment for it on this machine, for tests of real processes."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from pydantic import JsonValue

from orchestrate.core.environment import Environment, EnvironmentType, HealthGate
from orchestrate.core.protocols import Write
from orchestrate.core.revision import Revision, snapshot
from orchestrate.core.steps import Share
from orchestrate.providers.local import LocalProvider
from tests.support.platform import Ability, Failing, How
from tests.support.ports import free_port
from tests.support.secrets import GivenSecrets, versions
from tests.support.waiting import eventually

APP = """
import http.server, json, os, sys, time

FAILING = {failing}

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self):
        what, _, value = self.path.strip("/").partition("/")
        if what == "slow":
            time.sleep(float(value))
        if what == "exit":
            os._exit(int(value))
        if what == "print":
            print(value, flush=True)
        status = int(value) if what == "status" else 200
        seen = dict(version="{version}", pid=os.getpid(), cwd=os.getcwd(), env=dict(os.environ),
                    host=self.headers["Host"])
        body = json.dumps(seen).encode()
        self.send_response(503 if FAILING else status)
        self.send_header("X-Version", "{version}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass

print("serving {version}", flush=True)
http.server.ThreadingHTTPServer.daemon_threads = True
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@dataclass(frozen=True)
class Answer:
    status: int
    version: str | None
    body: dict[str, JsonValue]


def ask(url: str, path: str = "/", host: str | None = None, timeout: float = 10.0) -> Answer:
    """One request over a connection of its own."""
    address = url.removeprefix("http://")
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Host": host} if host else {})
        answer = connection.getresponse()
        text = answer.read()
        body = json.loads(text) if text.startswith(b"{") else {}
        return Answer(answer.status, answer.headers.get("X-Version"), body)
    finally:
        connection.close()


ROLLS = "replicas are replaced one by one by the engine, in steps of the plan"


@dataclass
class Local:
    """An app with versions as directories, and an environment `dev` that deploys it: a Platform."""

    home: Path
    root: Path
    name: str = "dev"
    url: str | None = None
    config: dict[str, JsonValue] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    health: HealthGate = field(default_factory=lambda: HealthGate(interval_s=0.1))
    number: int = 0

    cannot: ClassVar[Mapping[Ability, str]] = {
        "calls_fail": "its platform is the kernel of this machine: no call can be lost on the way",
        "rolls": ROLLS,
    }

    def __post_init__(self) -> None:
        self.url = self.url or f"http://127.0.0.1:{free_port()}"
        self.provider = self.another()

    @property
    def environment(self) -> Environment:
        return Environment(
            app="shop",
            name=self.name,
            type=EnvironmentType.DEV,
            provider="local",
            url=self.url,
            variables=self.variables,
            secrets=tuple(self.secrets),
            health=self.health,
            config={
                "root": str(self.root),
                "command": ["{python}", "-I", "-S", "app.py"],
                "artifact": "releases/{version}",
                "replicas": 2,
                "grace": "2s",
                **self.config,
            },
        )

    def another(self) -> LocalProvider:
        """A second provider of the same environment, as another process would have it."""
        return LocalProvider(self.environment, str(self.home), GivenSecrets(**self.secrets))

    def release(self, version: str, text: str = APP, *, failing: bool = False) -> Revision:
        """Put a version there and pin it."""
        directory = self.root / "releases" / version
        directory.mkdir(parents=True, exist_ok=True)
        source = text.replace("{version}", version).replace("{failing}", str(failing))
        (directory / "app.py").write_text(source, encoding="utf-8")
        return self.pinned(version)

    def pinned(self, version: str) -> Revision:
        found = self.provider.resolve(version)
        return snapshot(self.environment, version, found, versions(self.environment))

    def write(self, key: str | None = None) -> Write:
        """Permission for the next write."""
        self.number += 1
        return Write(self.number, key or f"d1/step-{self.number}/op", "lease-1")

    def up(self, revision: Revision, replicas: int = 2) -> Revision:
        """Start a revision and wait until all of it answers."""
        self.provider.start(revision, replicas, self.write())
        self.await_answering(revision, replicas)
        return revision

    def await_answering(self, revision: Revision, replicas: int) -> None:
        def answering() -> bool:
            found = self.provider.observe().replicas(revision.key)
            return len(found) >= replicas and all(_answers(r.address) for r in found)

        eventually(answering)

    def route(self, *parts: tuple[Revision, int], fallback: Revision | None = None) -> None:
        shares = [Share(revision=revision.ref, percent=percent) for revision, percent in parts]
        self.provider.route(shares, fallback.ref if fallback else None, self.write())

    def live(self, version: str = "1.0.0", replicas: int = 2) -> Revision:
        """Have a version with all the traffic."""
        revision = self.up(self.release(version), replicas)
        self.route((revision, 100))
        return revision

    def ask(self, path: str = "/", host: str | None = None) -> Answer:
        return ask(self.provider.edge.place.url, path, host)

    def pids(self, revision: Revision) -> list[int]:
        return [r.pid for r in self.provider.observe().replicas(revision.key) if r.pid]

    def copies(self, revision: Revision) -> list[str]:
        return [str(pid) for pid in self.pids(revision)]

    def served(self) -> set[str]:
        answers = [self.ask() for _ in range(20)]
        return {answer.version for answer in answers if answer.version is not None}

    def effects(self, revision: Revision) -> list[str]:
        return [str(line["what"]) for line in self.journal(revision)]

    def journal(self, revision: Revision) -> list[dict[str, JsonValue]]:
        """What the supervisor of a revision started and saw end."""
        path = self.home / "local" / self.provider.slug / "run" / revision.key / "effects.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def changes(self) -> int:
        return len(self.applied())

    @contextmanager
    def failing(self, call: int, how: How) -> Iterator[Failing]:
        raise NotImplementedError(self.cannot["calls_fail"])
        yield

    def applied(self) -> list[dict[str, JsonValue]]:
        """Documents that the edge really wrote."""
        path = Path(self.provider.edge.directory) / "applied.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]


def _answers(address: str | None) -> bool:
    try:
        return address is not None and ask(address).status in (200, 503)
    except OSError:
        return False
