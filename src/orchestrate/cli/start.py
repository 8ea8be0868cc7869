"""Reach the service, and start it when none lives, as docker, adb and Gradle users expect.

The service binds and listens before its heavy imports, so a connection is enough: what is asked on
it is answered as soon as it can be. Several started at once are fine: all but one end with 0.
"""

import os
import socket
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from orchestrate import __version__
from orchestrate.cli import home as places
from orchestrate.core.errors import ServiceUnreachable

if TYPE_CHECKING:
    from subprocess import Popen

WITHIN_S = 30.0
EVERY_S = 0.015
AGAIN_S = 0.3
"""After a start that found the lock held: the holder serves by then, or is gone."""
IDLE_EXIT_S = 600
# -P: nothing in the directory a client happens to be in can stand in for our own modules.
SERVICE = [sys.executable, "-P", "-m", "orchestrate", "serve", "--idle-exit", str(IDLE_EXIT_S)]
LOG_LINES = 10
LOG_BYTES = 1 << 20
OUT_OF_TIME = 255

Warn = Callable[[str], None]


def reach(directory: str, name: str = places.API, *, warn: Warn) -> socket.socket:
    """A connection to the door `name` of the service in `directory`, of this version if it can be.

    Raises ServiceUnreachable when it cannot be started within 30 s or may not be
    (ORCHESTRATE_NO_AUTOSTART), InvalidInput when the path is too long for a socket.
    """
    path = places.socket_path(directory, name)
    found = connect(path)
    if found is None:
        return _start(directory, path)
    if _is_ours(found, directory):
        return found
    found.close()
    if _retire(directory, warn):
        _wait_until_gone(path, directory)
    return connect(path) or _start(directory, path)


def connect(path: str) -> socket.socket | None:
    """A connection to the socket at `path`; None when nobody listens there.

    Raises ServiceUnreachable when it is there and not ours to use.
    """
    found = socket.socket(socket.AF_UNIX)
    try:
        found.connect(path)
    except (FileNotFoundError, ConnectionRefusedError):
        found.close()
        return None
    except OSError as problem:
        found.close()
        raise ServiceUnreachable(
            "cannot connect to the service",
            why=[f"{path}: {problem.strerror}"],
            fix=["set ORCHESTRATE_HOME to a directory of your own"],
        ) from problem
    _refuse_rogue(found, path)
    return found


def _refuse_rogue(found: socket.socket, path: str) -> None:
    """Speak to nobody but the owner of the directory, who is ourselves: another user may have put
    a socket where ours is looked for. Root may speak to anybody's service."""
    owner, peer, own = os.stat(os.path.dirname(path)).st_uid, _peer_uid(found), os.geteuid()
    if peer is None or (owner == peer and own in (0, owner)):
        return
    found.close()
    raise ServiceUnreachable(
        "what listens there is not your service",
        why=[
            f"the directory of {path} belongs to user {owner}, and user {peer} listens",
            f"you are user {own}",
        ],
        fix=["set ORCHESTRATE_HOME to a directory of your own"],
    )


def _peer_uid(found: socket.socket) -> int | None:
    """User that listens; None where the platform does not tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    said = found.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(said[4:8], sys.byteorder)


def _start(directory: str, path: str) -> socket.socket:
    """Start a service and connect to whichever comes to listen."""
    if os.environ.get("ORCHESTRATE_NO_AUTOSTART") == "1":
        raise ServiceUnreachable(
            "no service runs, and none may be started",
            why=[f"nobody listens on {path}", "ORCHESTRATE_NO_AUTOSTART=1 forbids starting one"],
            fix=["orchestrate serve"],
        )
    log = _prepare(directory)
    mark = os.stat(log).st_size
    status = _in_a_child(lambda: _until_it_listens(directory, path, log))
    found = connect(path)
    if found is None:
        _give_up(log, mark, path, status)
    return found


def _in_a_child(act: Callable[[], int]) -> int:
    """The exit code of `act`, carried out by a child of ours.

    The service is to be nobody's child: a shim that lives on for days would otherwise keep it as
    a zombie after it has ended.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = OUT_OF_TIME
    try:
        status = act()
    finally:
        os._exit(status)


def _until_it_listens(directory: str, path: str, log: str) -> int:
    """0 once somebody listens, else the exit code of the service, or OUT_OF_TIME."""
    deadline = time.monotonic() + WITHIN_S
    child, again_at = _spawn(directory, log), deadline
    while time.monotonic() < deadline:
        found = connect(path)
        if found is not None:
            found.close()
            return 0
        status = child.poll()
        if status:
            return status % 256
        if status == 0 and again_at == deadline:
            again_at = time.monotonic() + AGAIN_S
        if time.monotonic() >= again_at:
            child, again_at = _spawn(directory, log), deadline
        time.sleep(EVERY_S)
    return OUT_OF_TIME


def _spawn(directory: str, log: str) -> "Popen[bytes]":
    import subprocess

    with open(log, "ab") as out:
        return subprocess.Popen(
            SERVICE,
            cwd=directory,
            env={**os.environ, "ORCHESTRATE_HOME": directory, "PYTHONSAFEPATH": "1"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


def _prepare(directory: str) -> str:
    """The home, made private where there is none, and service.log in it, which is begun anew when
    it has grown. A home that is there is for the service to judge."""
    log = os.path.join(directory, "service.log")
    try:
        os.makedirs(os.path.dirname(directory), exist_ok=True)
        try:
            os.mkdir(directory, 0o700)
        except FileExistsError:
            pass
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            if os.fstat(out).st_size > LOG_BYTES:
                _begin_anew(log, out)
        finally:
            os.close(out)
    except OSError as problem:
        raise ServiceUnreachable(
            "the service has no place for its state",
            why=[f"{problem.filename}: {problem.strerror}"],
            fix=["set ORCHESTRATE_HOME to a directory you can write"],
        ) from problem
    return log


def _begin_anew(log: str, grown: int) -> None:
    """Put the log that `grown` is open on aside, unless another client just did: it would be
    replaced by the new one, which is empty."""
    import fcntl

    fcntl.flock(grown, fcntl.LOCK_EX)
    if os.path.samestat(os.stat(log), os.fstat(grown)):
        os.replace(log, f"{log}.1")
        os.close(os.open(log, os.O_WRONLY | os.O_CREAT, 0o600))


def _give_up(log: str, mark: int, path: str, status: int) -> NoReturn:
    with open(log, "rb") as file:
        file.seek(mark)
        said = file.read().decode(errors="replace").splitlines()[-LOG_LINES:]
    what = {
        0: "it listened, and was gone a moment later",
        OUT_OF_TIME: f"it did not listen on {path} within {WITHIN_S:.0f}s",
    }.get(status, f"it ended with exit code {status}")
    raise ServiceUnreachable(
        "cannot start the service",
        why=[what, *(["its last words:", *said] if said else ["it said nothing"])],
        fix=["orchestrate doctor", f"all it said is in {log}"],
    )


def _is_ours(found: socket.socket, directory: str) -> bool:
    """Whether the service at the other end is of this version, by what service.json says of it.

    A file that another process wrote says nothing: the service that listens has yet to write it.
    """
    said = places.service_text(directory)
    if places.is_ours(said, __version__):
        return True
    import json

    return bool(json.loads(said).get("pid") != _peer(found))


def _peer(found: socket.socket) -> int | None:
    """Pid of the process that listens; None where the platform does not tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    said = found.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int.from_bytes(said[:4], sys.byteorder, signed=True)


def _retire(directory: str, warn: Warn) -> bool:
    """Ask a service of another version to end once idle; False when it goes on for now."""
    from orchestrate.cli.client import over_socket

    link = connect(places.socket_path(directory, places.API))
    if link is None:
        return True
    try:
        answer = over_socket(lambda: link).post("/api/service/retire", {"version": __version__})
    except ServiceUnreachable:
        return True  # it ended while it was asked
    if answer.document.get("retired") is True:
        return True
    warn(
        f"the service is of another version than this program ({__version__}); "
        "it is renewed once no deployment runs"
    )
    return False


def _wait_until_gone(path: str, directory: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        found = connect(path)
        if found is None:
            return
        ours = _is_ours(found, directory)
        found.close()
        if ours:
            return
        time.sleep(EVERY_S)
    raise ServiceUnreachable(
        "the service of the earlier version does not end",
        why=[f"it was asked to, and still listens on {path} after {WITHIN_S:.0f}s"],
        fix=["orchestrate stop"],
    )
