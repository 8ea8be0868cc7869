"""Small files that several processes read and write: whole or not at all, private, locked."""

import errno
import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

AGAIN_S = 3600.0
Json = dict[str, object]


def private_directory(path: str) -> str:
    """Make `path` (0700), and its parents; returns it."""
    os.makedirs(path, mode=0o700, exist_ok=True)
    os.chmod(path, 0o700)
    return path


def replace(path: str, text: str, *, durable: bool = True, through: str | None = None) -> None:
    """Put `text` at `path` in one step (0600). `through`: directory for the temporary file, which
    belongs to this thread alone: others may put the same file there at the same moment."""
    own = f".{os.path.basename(path)}.{os.getpid()}.{threading.get_ident()}"
    temporary = os.path.join(through or os.path.dirname(path), own)
    handle = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
    )
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        remove(temporary)
        raise


def read_json(path: str) -> Json | None:
    """The object in a file; None when there is none, or it was cut by a power loss."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def append_line(path: str, record: Json, *, limit: int = 1 << 20) -> None:
    """Add one JSON line (0600) in a single write. Past `limit` bytes the file becomes `.1`."""
    line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(handle).st_size
        os.write(handle, line)
    finally:
        os.close(handle)
    if size + len(line) > limit:
        os.replace(path, f"{path}.1")


class Complaints:
    """What goes wrong at each look, said once and then again every hour: looks are many, and the
    supervisor's log is not cut."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said: dict[str, float] = {}

    def say(self, text: str) -> None:
        now = self._clock()
        self._said = {known: at for known, at in self._said.items() if now - at < AGAIN_S}
        if text not in self._said:
            self._said[text] = now
            say(text)


def say(text: str) -> None:
    """A line in the supervisor's own log. On a full disk there is nowhere left to say it."""
    with suppress(OSError):
        print(text, flush=True)


def remove(path: str) -> None:
    """Remove a file that may be gone already."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


@contextmanager
def locked(path: str) -> Iterator[None]:
    """Hold the lock at `path`; waits for it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def try_lock(path: str, *, shared: bool = False) -> int | None:
    """A handle that holds the lock at `path` until it is closed; None when another has it.
    `shared`: beside others that hold it so, for whoever only looks."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as problem:
        os.close(handle)
        if problem.errno in (errno.EAGAIN, errno.EACCES):
            return None
        raise
    return handle
