"""The service for tests: a real one in a home of its own, a client of it, and an end to everything.

`Service` starts `python -m orchestrate serve` and ends it; `Api` speaks to its socket with the
standard library; `World` is a home with both, with releases to deploy, and nothing left after.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import JsonValue

from tests.support import processes
from tests.support.api import Api, Deployment, Json
from tests.support.local import APP, Answer, ask
from tests.support.ports import free_port
from tests.support.repository import ROOT, SOURCE
from tests.support.waiting import eventually

SHOP = ROOT / "examples" / "shop"
START_S = 30.0


@dataclass
class Service:
    """A service of `home`, as the command line starts it."""

    home: Path
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        """Start it and wait until its socket answers."""
        self._spawn(options)
        api = Api(self.home)
        try:
            eventually(lambda: self._answers(api), within_s=START_S, every_s=0.02)
        except AssertionError as error:
            raise AssertionError(f"the service did not start:\n{self.complaints()}") from error

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start it, and wait for nothing."""
        return self._spawn(())

    def start_and_wait(self) -> int:
        """Start one that ends by itself; its exit code."""
        return self._spawn(()).wait(timeout=START_S)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, and wait until it is gone."""
        self._end(signal.SIGTERM)

    @property
    def pid(self) -> int:
        """The process that holds the home now."""
        return int(json.loads((self.home / "service.json").read_text(encoding="utf-8"))["pid"])

    def complaints(self) -> str:
        found = [self.home / "stderr.log", self.home / "service.log"]
        return "\n".join(p.read_text("utf-8", "replace")[-3000:] for p in found if p.exists())

    def surroundings(self) -> dict[str, str]:
        """This process's, without what tests set; modules come from this checkout."""
        found = {
            k: v for k, v in os.environ.items() if not k.startswith(("ORCHESTRATE_", "PYTEST"))
        }
        path = [str(SOURCE.parent), self.environment.get("PYTHONPATH", "")]
        return {
            **found,
            **self.environment,
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
            "ORCHESTRATE_HOME": str(self.home),
        }

    def _spawn(self, options: tuple[str, ...]) -> subprocess.Popen[bytes]:
        with (self.home / "stderr.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "orchestrate", "serve", *self.options, *options],
                env=self.surroundings(),
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self.process

    def _answers(self, api: Api) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "it ended"
        return api.alive()

    def _end(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        self.process.send_signal(number)
        self.process.wait(timeout=30)
        self.process = None


@dataclass
class World:
    """A home with a service, and releases to deploy."""

    home: Path
    service: Service
    api: Api
    root: Path
    sites: dict[str, Site] = field(default_factory=dict)
    """Its environments by name."""

    def release(self, version: str, text: str = APP, *, failing: bool = False) -> None:
        """Put a version of the small application there."""
        directory = self.root / "releases" / version
        directory.mkdir(parents=True, exist_ok=True)
        source = text.replace("{version}", version).replace("{failing}", str(failing))
        (directory / "app.py").write_text(source, encoding="utf-8")

    def small(self, name: str, *, strategy: Mapping[str, object], **more: object) -> Site:
        """An environment `name` for the small application: one replica, quick gates."""
        config = {"command": ["{python}", "-I", "-S", "app.py"], "replicas": 1, "grace": "2s"}
        return self._site(name, self.root, config, strategy, more)

    def shop(self, name: str, *, strategy: Mapping[str, object], **more: object) -> Site:
        """An environment `name` for examples/shop."""
        config = {"command": ["{python}", "-E", "-s", "-B", "shop.py"], "replicas": 2}
        return self._site(name, SHOP, {**config, "grace": "10s"}, strategy, more)

    def _site(
        self,
        name: str,
        root: Path,
        config: Mapping[str, object],
        strategy: Mapping[str, object],
        more: Mapping[str, object],
    ) -> Site:
        own = more.get("config")
        url = str(more.get("url") or f"http://127.0.0.1:{free_port()}")
        health = {"version_header": "X-Version", "healthy_after": 1, "interval_s": 0.05}
        given = more.get("health")
        settings: dict[str, object] = {
            "app": "shop",
            "name": name,
            "type": "dev",
            "provider": "local",
            "strategy": {"drain_s": 5, **strategy},
            **more,
            "url": url,
            "health": {**health, **(given if isinstance(given, dict) else {})},
            "config": {
                "root": str(root),
                "artifact": "releases/{version}",
                **config,
                **(own if isinstance(own, dict) else {}),
            },
        }
        self.api.set(settings)
        self.sites[name] = Site(self, name, url, settings)
        return self.sites[name]


@dataclass
class Site:
    """One environment of a world."""

    world: World
    name: str
    url: str
    settings: dict[str, object]

    @property
    def api(self) -> Api:
        return self.world.api

    def change(self, **settings: object) -> None:
        """Set the environment anew, with these settings changed."""
        self.settings = {**self.settings, **settings}
        self.api.set(self.settings)

    def begin(self, version: str, **more: object) -> Deployment:
        return self.api.begin(self.name, version, **more)

    def deploy(self, version: str, **more: object) -> Deployment:
        return self.api.deploy(self.name, version, **more)

    def live(self, version: str) -> None:
        """Have a version with all the traffic."""
        done = self.deploy(version)
        assert done.phase == "succeeded", done

    def ask(self, path: str = "/") -> Answer:
        return ask(self.url, path)

    def serves(self) -> str | None:
        """Version in an answer of the front door."""
        return self.ask().version

    def weights(self) -> Json:
        """Percent by version, as observed."""
        found = self.api.environment(self.name)["weights_percent"]
        assert isinstance(found, dict)
        return found

    def live_version(self) -> JsonValue:
        """As recorded."""
        found = self.api.environment(self.name)["live"]
        return found["version"] if isinstance(found, dict) else None

    @property
    def directory(self) -> Path:
        """The provider's state."""
        return self.world.home / "local" / f"shop--{self.name}"

    def running(self) -> dict[str, int]:
        """Processes of the application that live now, by version."""
        found: dict[str, int] = {}
        for left in processes.of_home(self.directory / "versions"):
            version = version_of(left.pid)
            found[version] = found.get(version, 0) + 1
        return found

    def effects(self) -> list[Json]:
        """What the supervisors of all revisions started and saw end."""
        return [
            {**entry, "revision": path.parent.name}
            for path in sorted((self.directory / "run").glob("*/effects.jsonl"))
            for entry in read_lines(path)
        ]

    def applied(self) -> list[Json]:
        """Documents that the edge really wrote."""
        port = self.url.rpartition(":")[2]
        return read_lines(self.world.home / "edge" / port / "applied.jsonl")


@contextmanager
def world(*options: str, **environment: str) -> Iterator[World]:
    """A home with a running service; whatever runs in it is ended at the end."""
    home = Path(tempfile.mkdtemp(prefix="orc-", dir="/tmp")).resolve()
    try:
        with world_at(home, *options, **environment) as found:
            yield found
    finally:
        shutil.rmtree(home)


@contextmanager
def world_at(home: Path, *options: str, **environment: str) -> Iterator[World]:
    """The same in a directory that is there, and stays."""
    found = World(home, Service(home, options, environment), Api(home), home / "source")
    try:
        found.service.start()
        yield found
    finally:
        end_all(home, found.service)


def end_all(home: Path, service: Service | None = None) -> None:
    """End the service, then supervisors, then what they supervised, by pid."""
    if service is not None:
        service.kill()
    while left := processes.of_home(home):
        # A supervisor would start again what is ended before it.
        first = [p for p in left if "processes/launch.py" in p.command or "serve" in p.command]
        for process in first or left:
            kill(process.pid)


def kill(pid: int) -> None:
    """kill -9, and wait until it is gone. One that is gone already is fine."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        select.select([handle], [], [], 10)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def read_lines(path: Path) -> list[Json]:
    """The objects of a file with one JSON object a line; none when there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def version_of(pid: int) -> str:
    """The version in the directory a process was started in, through the supervisor's record."""
    try:
        environ = Path(f"/proc/{pid}/environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return "?"  # ended while we looked
    for part in environ.split(b"\0"):
        if part.startswith(b"ORCHESTRATE_VERSION="):
            return part.partition(b"=")[2].decode()
    return "?"
