"""A home of its own: a service that nobody else uses, and nothing of it left at the end.

For the demonstration and the benchmarks. What belongs to the home is found by what it is (its
working directory, its command line, its ORCHESTRATE_HOME), and ended by pid.
"""

import os
import select
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from orchestrate.cli import home as places
from orchestrate.core.errors import PermanentError

LONGEST_HOME = places.LONGEST_SOCKET - len("/run/api.sock") - 1
GONE_S = 10.0
ROUNDS = 10
ELSEWHERE = (
    "ORCHESTRATE_URL",
    "ORCHESTRATE_TOKEN",
    "ORCHESTRATE_ENV",
    "ORCHESTRATE_DATABASE_URL",
    "ORCHESTRATE_NO_AUTOSTART",
)
"""Settings that would lead away from the home."""


class Process(NamedTuple):
    """A process that is alive, by its command line."""

    pid: int
    command: str


@contextmanager
def own_home(keep: bool = False) -> Iterator[str]:
    """ORCHESTRATE_HOME is a new and private directory; with its end, all that runs in it ends too,
    and it is removed. With `keep` both stay when nothing went wrong."""
    home = _make()
    before = {name: os.environ.pop(name, None) for name in (*ELSEWHERE, "ORCHESTRATE_HOME")}
    os.environ["ORCHESTRATE_HOME"] = home
    try:
        yield home
    except BaseException:
        keep = False
        raise
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        if not keep:
            end_all(home)
            shutil.rmtree(home, ignore_errors=True)


def end_all(home: str) -> None:
    """End every process of `home` and wait until it is gone.

    The service first and then the supervisors, which would start again what is ended before them.
    """
    for _ in range(ROUNDS):
        running = processes(home)
        if not running:
            return
        first = [p for p in running if "orchestrate" in p.command and " serve" in p.command]
        first = first or [p for p in running if "/processes/launch.py" in p.command]
        _kill([p.pid for p in first or running])
    raise PermanentError(
        "some processes could not be ended",
        why=[f"{p.pid} {p.command}" for p in processes(home)],
        fix=["end them by hand: kill -9 PID"],
    )


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def processes(home: str) -> list[Process]:
    """What is alive and belongs to `home`."""
    ours = {os.getpid(), os.getppid()}
    found = []
    for name in os.listdir("/proc"):
        # A process may end while it is looked at, or be another user's.
        with suppress(OSError):
            if name.isdecimal() and int(name) not in ours and _belongs(name, home):
                found.append(Process(int(name), _command(name)))
    return found


def _make() -> str:
    for parent in (tempfile.gettempdir(), "/tmp"):
        if len(os.fsencode(parent)) + len("/orc-12345678") <= LONGEST_HOME:
            return os.path.realpath(tempfile.mkdtemp(prefix="orc-", dir=parent))
    raise PermanentError(
        f"{tempfile.gettempdir()} is too long a path for a socket, and there is no /tmp",
        fix=["set TMPDIR to a shorter one"],
    )


def _belongs(pid: str, home: str) -> bool:
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        # The name before it is in brackets and may hold any character, brackets too.
        if file.read().rpartition(")")[2].split()[0] in "ZX":
            return False
    inside = f"{home}/"
    if f"{os.readlink(f'/proc/{pid}/cwd').removesuffix(' (deleted)')}/".startswith(inside):
        return True
    if any(f"{word}/".startswith(inside) or f"={inside}" in word for word in _words(pid)):
        return True
    with open(f"/proc/{pid}/environ", "rb") as environ:
        return f"ORCHESTRATE_HOME={home}".encode() in environ.read().split(b"\0")


def _words(pid: str) -> list[str]:
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return [os.fsdecode(word) for word in file.read().split(b"\0") if word]


def _command(pid: str) -> str:
    return " ".join(_words(pid))


def _kill(pids: list[int]) -> None:
    """Kill them all, then wait for each: nobody is being served any more."""
    held = []
    for pid in pids:
        with suppress(ProcessLookupError):
            held.append((pid, os.pidfd_open(pid)))
    for _, handle in held:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    for pid, handle in held:
        select.select([handle], [], [], GONE_S)
        os.close(handle)
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
