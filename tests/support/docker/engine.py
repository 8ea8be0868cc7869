"""One Docker engine for the whole run: the one at DOCKER_HOST or the usual socket, else our own."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import IO

import docker
from docker.errors import ImageNotFound

from orchestrate.core.errors import ProviderUnavailable
from orchestrate.providers.docker.engine import client
from orchestrate.providers.docker.host import Host
from tests.support import processes
from tests.support.docker.rootfs import python_root
from tests.support.ending import at_end
from tests.support.real import need
from tests.support.waiting import eventually

COMMAND = "apt-get install docker.io, then start dockerd or be root"
USUAL = "unix:///var/run/docker.sock"
OURS = Path(f"/tmp/orchestrate-tests-docker-{os.geteuid()}")
CURRENT = OURS / "current"
WITHIN: tuple[str, ...] = ()
"""What runs the engine somewhere else than here, such as in another network namespace."""
_started: list[subprocess.Popen[bytes]] = []
BASE = "orchestrate-tests/python"


@dataclass(frozen=True)
class Engine:
    """An engine that answers at `host`."""

    host: str
    api: docker.APIClient

    def base(self) -> str:
        """The image all others are built from: a Python, made once for each engine."""
        name = f"{BASE}:{_tag()}"
        # Of several test processes one makes it: two imports of the same layer at once spoil it.
        with _locked(fcntl.LOCK_EX, "base"):
            try:
                self.api.inspect_image(name)
            except ImageNotFound:
                repository, _, tag = name.partition(":")
                self.api.import_image_from_data(python_root(), repository=repository, tag=tag)
        return name

    def build(self, name: str, files: dict[str, str], *lines: str) -> str:
        """Build `name` from the base, with `files` in /app and further lines of a Dockerfile."""
        recipe = "\n".join([f"FROM {self.base()}", "COPY . /app/", "WORKDIR /app", *lines])
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w") as tar:
            # Not in the image: it is not copied from the context but read beside it.
            for path, text in {**files, ".dockerignore": "Recipe\n", "Recipe": recipe}.items():
                entry = tarfile.TarInfo(path)
                data = text.encode()
                entry.size, entry.mode = len(data), 0o644
                tar.addfile(entry, io.BytesIO(data))
        said = list(
            self.api.build(
                fileobj=io.BytesIO(context.getvalue()),
                custom_context=True,
                dockerfile="Recipe",
                tag=name,
                rm=True,
                decode=True,
            )
        )
        failed = [line["error"] for line in said if "error" in line]
        assert not failed, failed
        return str(self.api.inspect_image(name)["Id"])

    def remove_images(self, prefix: str) -> None:
        """Remove every image whose name begins so."""
        for image in self.api.images():
            for name in [*(image["RepoTags"] or []), *(image["RepoDigests"] or [])]:
                if name.startswith(prefix):
                    self.api.remove_image(name, force=True)


@cache
def engine() -> Engine:
    """The engine. Skips, or fails under --require-real, where there is none and none can be had."""
    host = os.environ.get("DOCKER_HOST", USUAL)
    found = _answering(host) or (_own() if os.geteuid() == 0 else None)
    need(found is not None, "a Docker engine", COMMAND)
    assert found is not None
    return found


def daemon() -> str | None:
    """The path of `dockerd`, if it is installed."""
    return shutil.which("dockerd") or shutil.which("dockerd", path="/usr/sbin:/sbin")


def _answering(host: str) -> Engine | None:
    try:
        return Engine(host, client(Host(host)))
    except ProviderUnavailable:
        return None


def _own() -> Engine | None:
    """An engine of our own, shared by all test runs of this machine, ended by the last of them."""
    program = daemon()
    if program is None:
        return None
    with _locked(fcntl.LOCK_EX):
        found = _running() or _start(program)
        users = (OURS / "users").open("w")
        fcntl.flock(users, fcntl.LOCK_SH)
    at_end(partial(_leave, users))
    return found


def _running() -> Engine | None:
    room = _room()
    return _answering(_host(room)) if room is not None else None


def _start(program: str) -> Engine:
    """Start one in a directory of its own: what another left, perhaps half removed, spoils it."""
    CURRENT.unlink(missing_ok=True)
    for left in OURS.glob("engine-*"):
        _remove(left)
    room = Path(tempfile.mkdtemp(prefix="engine-", dir=OURS))
    arguments = [
        *(*WITHIN, program),
        *("--host", _host(room), "--data-root", f"{room}/data", "--exec-root", f"{room}/exec"),
        *("--pidfile", f"{room}/pid"),
    ]
    # Not with a home in it: whatever is left of a test is found by that.
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("ORCHESTRATE_", "PYTEST_"))}
    with (room / "log").open("wb") as log:
        process = subprocess.Popen(
            arguments,
            cwd=room,
            env=clean,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _started.append(process)

    def answering() -> Engine | None:
        assert process.poll() is None, (
            f"dockerd ended:\n{(room / 'log').read_text('utf-8')[-2000:]}"
        )
        return _answering(_host(room))

    found = eventually(answering, within_s=60)
    CURRENT.symlink_to(room.name)
    return found


def _leave(users: IO[str]) -> None:
    """End the engine when nobody else uses it."""
    with users, _locked(fcntl.LOCK_EX):
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        room = _room()
        # Before it ends: who comes after a kill in the middle finds no engine, and starts one.
        CURRENT.unlink(missing_ok=True)
        if room is not None:
            _remove(room)


def _room() -> Path | None:
    try:
        return OURS / CURRENT.readlink()
    except FileNotFoundError:
        return None


def _host(room: Path) -> str:
    return f"unix://{room}/d.sock"


def _remove(room: Path) -> None:
    """End the engine of this directory and what it runs, then remove all of it."""
    for left in processes.of_home(room):
        processes.end(left.pid, grace_s=60)
    for line in reversed(Path("/proc/self/mountinfo").read_text("utf-8").splitlines()):
        point = line.split()[4]
        if point.startswith(f"{room}/"):  # an engine that was killed leaves its own
            subprocess.run(["umount", "--lazy", point], check=True, timeout=30)
    shutil.rmtree(room)


@contextmanager
def _locked(how: int, what: str = "lock") -> Iterator[None]:
    OURS.mkdir(mode=0o700, exist_ok=True)
    with (OURS / what).open("w") as lock:
        fcntl.flock(lock, how)
        yield


def _tag() -> str:
    """A new base when what is packed, or how, has changed."""
    source = Path(__file__).with_name("rootfs.py").read_bytes()
    return hashlib.sha256(source + sys.version.encode()).hexdigest()[:12]
