"""A real registry on loopback, with a password or without."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from tests.support.docker.engine import Engine
from tests.support.ports import free_port
from tests.support.processes import end
from tests.support.real import need_program
from tests.support.waiting import eventually

# bcrypt of "pa55", since that is the one form the registry takes.
HASHED = "$2y$05$FkWZn6KOkUo2nY1AeGKwsumufp.2wyRoNF/RSDofAJonRexLvHz3e"


@dataclass
class Registry:
    """A registry at `host`. What was pushed there, is asked by digest."""

    host: str
    process: subprocess.Popen[bytes]
    login: tuple[str, str] | None = None

    def push(self, engine: Engine, image: str, repository: str, version: str) -> str:
        """Push an image of the engine and remove its name there; returns the digest."""
        name = f"{self.host}/{repository}"
        engine.api.tag(image, name, version)
        auth = {"username": self.login[0], "password": self.login[1]} if self.login else None
        said = list(engine.api.push(name, version, stream=True, decode=True, auth_config=auth))
        digests = [line["aux"]["Digest"] for line in said if "Digest" in line.get("aux", {})]
        assert digests, said
        engine.remove_images(f"{name}:")
        engine.remove_images(f"{name}@")
        return str(digests[0])

    def delete(self, repository: str, digest: str) -> None:
        connection = HTTPConnection(self.host, timeout=10)
        headers = {}
        if self.login:
            word = base64.b64encode(":".join(self.login).encode()).decode()
            headers["Authorization"] = f"Basic {word}"
        connection.request("DELETE", f"/v2/{repository}/manifests/{digest}", headers=headers)
        assert connection.getresponse().status == 202
        connection.close()

    def end(self) -> None:
        end(self.process.pid)
        self.process.wait(timeout=10)


@contextmanager
def registry(directory: Path, *, locked: bool = False) -> Iterator[Registry]:
    """A registry below `directory`; with `locked`, for user shop with password pa55 alone."""
    program = need_program("docker-registry", "apt-get install docker-registry")
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {
            "filesystem": {"rootdirectory": str(directory / "data")},
            "delete": {"enabled": True},
        },
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    if locked:
        (directory / "users").write_text(f"shop:{HASHED}\n", encoding="ascii")
        config["auth"] = {"htpasswd": {"realm": "tests", "path": str(directory / "users")}}
    (directory / "config.yml").write_text(json.dumps(config), encoding="ascii")
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve", str(directory / "config.yml")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"},
        )
    made = Registry(f"127.0.0.1:{port}", process, ("shop", "pa55") if locked else None)
    try:
        eventually(lambda: _answers(made.host))
        yield made
    finally:
        made.end()


def _answers(host: str) -> bool:
    connection = HTTPConnection(host, timeout=2)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status in (200, 401)
    except OSError:
        return False
    finally:
        connection.close()
