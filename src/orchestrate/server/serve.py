"""The service: one process that owns the store, the credentials and the running deployments.

It listens before it imports anything heavy, so that a client that has just started it can connect
at once and waits in the socket's queue rather than in a retry loop.
"""

import fcntl
import ipaddress
import json
import logging
import logging.handlers
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrate import __version__
from orchestrate.core.errors import StoreUnreachable, UsageProblem
from orchestrate.engine import ballast
from orchestrate.engine.revealed import MaskingFormatter
from orchestrate.providers.processes.dump import undumpable
from orchestrate.server import private

LONGEST_SOCKET_PATH = 100
WAITING = "run/waiting"
"""In the home: why the service that holds it waits for its database, while it does."""
LOG_BYTES, LOG_FILES = 5 * 1024 * 1024, 3


@dataclass(frozen=True)
class Doors:
    """The listening sockets."""

    api: socket.socket
    mcp: socket.socket
    http: socket.socket | None = None


@dataclass(frozen=True)
class Options:
    """How the service is to serve."""

    idle_exit_s: float | None = None
    """End after so long without work; None: never."""
    read_only: bool = False
    """Change nothing on anybody's behalf; what runs already goes on."""
    http: str | None = None
    """`127.0.0.1:8700`: where to serve REST with tokens besides."""
    tls_cert: str | None = None
    tls_key: str | None = None
    names: tuple[str, ...] = ()
    """Hosts that requests to `http` may name, besides its own address."""


def serve(home: str, options: Options = Options(), replace: bool = False) -> None:
    """Run the service until it is stopped, or was idle for as long as the options say.

    Returns at once when a service lives already, unless `replace` asks to end that one first.
    Where the store is lost it waits for it and begins again, as a new process.
    Raises UsageProblem where that one would not be as the options say, and StoreUnreachable where
    it, or this one, has no database.
    """
    os.umask(0o077)
    undumpable()
    place = _make_home(Path(home))
    with _only_one(place, replace) as alone:
        if not alone:
            _refuse_silent(place)
            _refuse_unheard(place, options)
            return
        (place / WAITING).unlink(missing_ok=True)
        ballast.keep(place)
        doors = _open_doors(place, options)
        _write_card(place)
        _log_to(place)
        try:
            from orchestrate.server.run import run

            lost = run(place, doors, options)
        finally:
            _close_doors(place, doors)
        if lost:
            from orchestrate.server.again import begin_again

            begin_again(place)


def _refuse_silent(home: Path) -> None:
    """One that waits for its database answers nobody, so whoever asks for a service is told why."""
    try:
        why = (home / WAITING).read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    raise StoreUnreachable(
        "the service waits for its database, and begins again once that answers",
        why=[why],
        fix=["see that it runs; what serves is not affected, and deployments go on by themselves"],
    )


def _refuse_unheard(home: Path, options: Options) -> None:
    """Whoever asks for a service that only reads, or for a door, must not take another for it."""
    asked = ["--read-only"] if options.read_only else []
    asked += ["--http"] if options.http is not None else []
    if asked:
        raise UsageProblem(
            f"a service lives in {home} already, and it was not asked for {' and '.join(asked)}",
            why=["what it was started with goes on to hold"],
            fix=["orchestrate stop, and start it once that has ended", "or add --replace"],
        )


def _make_home(home: Path) -> Path:
    for directory in (home, home / "run"):
        private.directory(directory)
    return home


@contextmanager
def _only_one(home: Path, replace: bool) -> Iterator[bool]:
    """Hold the service's lock; the kernel lets go of it when this process ends."""
    handle = open(os.open(home / "run" / "service.lock", os.O_RDWR | os.O_CREAT, 0o600), "r+")
    try:
        if replace:
            _end_holder(home)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        handle.close()


def _end_holder(home: Path) -> None:
    """Kill the service that holds this home, frozen or not, and wait until it is gone.

    Its process is held by a pidfd while its start time is compared, so that no other process with
    a reused number can be hit; once it is gone none of its writes can come late.
    """
    try:
        card = json.loads((home / "service.json").read_text(encoding="utf-8"))
        holder = os.pidfd_open(int(card["pid"]))
    except (OSError, ValueError, KeyError):
        return
    try:
        if start_ticks(int(card["pid"])) == card["start"]:
            signal.pidfd_send_signal(holder, signal.SIGKILL)
            select.select([holder], [], [], 10)
    finally:
        os.close(holder)


def start_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; with the pid it names one process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    return int(text.rsplit(")", 1)[1].split()[19])


def _open_doors(home: Path, options: Options) -> Doors:
    """Bind both sockets, 0600, and listen: from here on clients can connect."""
    http = _listen_http(options) if options.http is not None else None
    return Doors(_listen(home / "run" / "api.sock"), _listen(home / "run" / "mcp.sock"), http)


def _listen_http(options: Options) -> socket.socket:
    """Bind the address of --http. Raises UsageProblem for one that would be open to others
    without TLS."""
    host, port = _address(options.http or "")
    if not host.is_loopback:
        _refuse_open(host, options)
    _check_tls(options)
    family = socket.AF_INET6 if host.version == 6 else socket.AF_INET
    door = socket.socket(family, socket.SOCK_STREAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((str(host), port))
    except OSError as error:
        door.close()
        raise UsageProblem(
            f"cannot listen on {options.http}", why=[str(error.strerror)], fix=["choose another"]
        ) from error
    door.listen(256)
    return door


def _address(text: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    host, _, port = text.rpartition(":")
    try:
        found = ipaddress.ip_address(host.strip("[]"))
        if not (port.isascii() and port.isdecimal() and int(port) < 65536):
            raise ValueError
    except ValueError:
        raise UsageProblem(
            f"--http {text[:60]!r} is not an address and a port",
            why=["a name may mean other addresses tomorrow, so an address is needed"],
            fix=["write one such as 127.0.0.1:8700"],
        ) from None
    return found, int(port)


def _check_tls(options: Options) -> None:
    if options.tls_cert is None and options.tls_key is None:
        return
    import ssl

    try:
        if options.tls_cert is None or options.tls_key is None:
            raise ValueError("--tls-cert and --tls-key belong together")
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(options.tls_cert, options.tls_key)
    except (OSError, ValueError) as error:
        raise UsageProblem(
            "the certificate or its key cannot be used",
            why=[str(error)],
            fix=["give --tls-cert a chain in PEM and --tls-key its private key, without password"],
        ) from error


def _refuse_open(host: ipaddress.IPv4Address | ipaddress.IPv6Address, options: Options) -> None:
    missing = []
    if not (options.tls_cert and options.tls_key):
        missing.append("--tls-cert and --tls-key: tokens would cross the network in the clear")
    if host.is_unspecified and not options.names:
        missing.append("--name: which host requests may name, since it listens on all addresses")
    if missing:
        raise UsageProblem(
            f"--http {options.http} is open to other machines",
            why=[f"there is no {each}" for each in missing],
            fix=[
                "for this machine alone: --http 127.0.0.1:8700",
                "for others: --tls-cert FILE --tls-key FILE --name deploy.example.com",
            ],
        )


def _listen(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > LONGEST_SOCKET_PATH:
        raise UsageProblem(
            f"the path of the service's socket is too long: {path}",
            why=[f"sockets take {LONGEST_SOCKET_PATH} bytes at most"],
            fix=["set ORCHESTRATE_HOME to a shorter directory"],
        )
    path.unlink(missing_ok=True)
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)  # 0600 from the first moment on
    try:
        door.bind(str(path))
    finally:
        os.umask(mask)
    door.listen(256)
    return door


def _close_doors(home: Path, doors: Doors) -> None:
    """Take the names away first, so that no client finds a door that nobody will open."""
    for name in ("run/api.sock", "run/mcp.sock", "service.json"):
        (home / name).unlink(missing_ok=True)
    doors.api.close()
    doors.mcp.close()
    if doors.http is not None:
        doors.http.close()


def _write_card(home: Path) -> None:
    """Who serves here, for clients of another version and for `--replace`."""
    card = {
        "version": __version__,
        "pid": os.getpid(),
        "start": start_ticks(os.getpid()),
        "started_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    part = home / "run" / "service.json.part"
    part.write_text(json.dumps(card), encoding="utf-8")
    part.chmod(0o600)
    part.replace(home / "service.json")


def _log_to(home: Path) -> None:
    """Log to a file that does not grow without end; to the terminal too, when there is one."""
    handlers: list[logging.Handler] = [
        logging.handlers.RotatingFileHandler(
            home / "service.log", maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8"
        )
    ]
    if sys.stderr is not None and sys.stderr.isatty():
        handlers.append(logging.StreamHandler())
    for handler in handlers:
        handler.setFormatter(MaskingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    for noisy in ("httpx2", "httpcore2", "alembic", "mcp"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
