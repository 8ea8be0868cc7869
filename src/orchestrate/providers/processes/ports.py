"""TCP ports of this machine: free ones, who holds one, and how many connections one has."""

import json
import os
import random
import socket
import stat
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress

from orchestrate.core.errors import StepFailed
from orchestrate.providers.processes import diag, files
from orchestrate.providers.processes.identity import name_of

FIRST = 20000
RESERVED_S = 60.0
SHARED = "/dev/shm"
"""What all processes of this machine see, in memory: nothing is left on a disk. Linux has it."""
_LISTEN, _ESTABLISHED = "0A", "01"
_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


def free_port(avoid: Collection[int] = (), address: str = "127.0.0.1") -> int:
    """A port nothing listens on.

    Below the range the system takes for outgoing connections, so that none of those can hold it
    while a process that had it is being started again. Whoever asks within the next RESERVED_S,
    in whatever process of this user and for whatever home, gets another one: until its program
    listens there, it looks free to all.
    """
    last = min(_first_outgoing(), 61000) - 1
    with _reservations() as reserved:
        for port in random.sample(range(FIRST, max(last, FIRST + 1000)), 200):
            if port not in avoid and port not in reserved and is_free(port, address):
                reserved[port] = time.time()
                return port
    raise StepFailed("no free port was found", why=[f"200 ports from {FIRST} to {last} were tried"])


@contextmanager
def _reservations() -> Iterator[dict[int, float]]:
    """When each port was given, of those that were lately; what is added is told to the others.
    Where they cannot be kept there are none, and two may get the same port at the same moment."""
    place = os.path.join(SHARED, f"orchestrate-ports-{os.getuid()}")
    try:
        with suppress(FileExistsError):
            os.mkdir(place, 0o700)
        found = os.lstat(place)
        ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    except OSError:
        ours = False
    if not ours or found.st_mode & 0o077:
        yield {}
        return
    path = os.path.join(place, "given.json")
    with files.locked(os.path.join(place, "lock")):
        after = time.time() - RESERVED_S
        given = (files.read_json(path) or {}).items()
        kept = {int(port): at for port, at in given if isinstance(at, float) and at > after}
        yield kept
        with suppress(OSError):  # a full disk costs the reservation and not the port
            files.replace(path, json.dumps(kept), durable=False)


def is_free(port: int, address: str = "127.0.0.1") -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def holder(port: int) -> str | None:
    """Who listens on a port: `python3 (pid 44)`, or None where that cannot be seen."""
    inodes = {row[9] for row in _rows() if row[3] == _LISTEN and _port(row[1]) == port}
    if not inodes:
        return None
    for pid in _pids():
        if inodes & _sockets(pid):
            return f"{name_of(pid)} (pid {pid})"
    return "a process of another user"


def is_listened(port: int) -> bool:
    """Whether something listens there now. Looks only, where it can: a bind may be in the way."""
    if not os.path.exists(_TABLES[0]):
        return not is_free(port)
    return any(row[3] == _LISTEN and _port(row[1]) == port for row in _rows())


def established(ports: Collection[int]) -> Mapping[int, int] | None:
    """Open connections to each port, the server's side counted; None where that is not known."""
    return _counted(ports, 0)


def towards(ports: Collection[int]) -> Mapping[int, int] | None:
    """Open connections from this machine to each port, the client's side counted: it is seen here
    whoever forwards the port, and wherever to. None where that is not known."""
    return _counted(ports, 1)


def _counted(ports: Collection[int], side: int) -> Mapping[int, int] | None:
    found = dict.fromkeys(ports, 0)
    try:
        for ends in _open_ends():
            if ends[side] in found:
                found[ends[side]] += 1
    except OSError:
        return None
    return found


def _open_ends() -> list[tuple[int, int]]:
    """Local and remote port of every established connection. Raises OSError where not known."""
    if not sys.platform.startswith("linux"):
        raise OSError("only Linux tells")
    try:
        return list(diag.ports())
    except OSError:  # a kernel without it, or a sandbox that forbids it
        os.stat(_TABLES[0])
        return [(_port(r[1]), _port(r[2])) for r in _rows() if r[3] == _ESTABLISHED]


def _rows() -> Iterable[list[str]]:
    for table in _TABLES:
        try:
            with open(table, encoding="ascii") as file:
                next(file, None)
                yield from (line.split() for line in file)
        except FileNotFoundError:
            continue


def _port(address: str) -> int:
    return int(address.rsplit(":", 1)[1], 16)


def _pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _sockets(pid: int) -> set[str]:
    found = set()
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            target = os.readlink(f"/proc/{pid}/fd/{name}")
            if target.startswith("socket:["):
                found.add(target[8:-1])
    except OSError:
        return found
    return found


def _first_outgoing() -> int:
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
            return int(file.read().split()[0])
    except (OSError, ValueError, IndexError):
        return 32768
