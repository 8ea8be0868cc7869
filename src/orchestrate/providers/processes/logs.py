"""What a program printed: one file per replica, rotated where it lies, and read from its end."""

import os
import shutil
from collections.abc import Iterator

from orchestrate.providers.processes.files import remove


def path_of(directory: str, number: int) -> str:
    """The file replica `number` writes to."""
    return os.path.join(directory, "logs", f"{number}.log")


def open_log(directory: str, number: int) -> int:
    """A handle for the replica's output. It appends, so a rotation needs no word to the program."""
    return os.open(
        path_of(directory, number), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
    )


def rotate(path: str, limit: int, keep: int) -> bool:
    """When a log is over `limit` bytes, copy it to `.1` (older ones move up) and empty it.

    Lines written between the copy and the cut are lost; the writer is never stopped. On a full
    disk the oldest go first, and if that is not enough the log is emptied without a copy.
    """
    try:
        if os.stat(path).st_size <= limit:
            return False
    except FileNotFoundError:
        return False
    remove(f"{path}.{keep}")
    for number in range(keep - 1, 0, -1):
        if os.path.exists(f"{path}.{number}"):
            os.replace(f"{path}.{number}", f"{path}.{number + 1}")
    if keep > 0:
        _copy(path, f"{path}.1")
    os.truncate(path, 0)
    return True


def numbers(directory: str) -> list[int]:
    """Numbers of the replicas that have a log."""
    try:
        names = os.listdir(os.path.join(directory, "logs"))
    except FileNotFoundError:
        return []
    return sorted(int(name.removesuffix(".log")) for name in names if name.endswith(".log"))


def tail(directory: str, number: int, lines: int) -> list[str]:
    """The last lines of a replica, rotated files included, oldest first."""
    path = path_of(directory, number)
    found: list[str] = []
    for name in (path, *_older(path)):
        found = [*_last(name, lines - len(found)), *found]
        if len(found) >= lines:
            break
    return found


def _older(path: str) -> Iterator[str]:
    number = 1
    while os.path.exists(f"{path}.{number}"):
        yield f"{path}.{number}"
        number += 1


def _copy(path: str, to: str) -> None:
    try:
        with open(path, "rb") as source, open(to, "xb", opener=_private) as target:
            shutil.copyfileobj(source, target)
    except OSError:
        remove(to)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _last(path: str, lines: int, block: int = 64 << 10) -> list[str]:
    if lines <= 0:
        return []
    try:
        file = open(path, "rb")
    except FileNotFoundError:
        return []
    with file:
        at = file.seek(0, os.SEEK_END)
        data = b""
        while at > 0 and data.count(b"\n") <= lines:
            step = min(block, at)
            at = file.seek(at - step)
            data = file.read(step) + data
    return [line.decode("utf-8", "replace") for line in data.splitlines()[-lines:]]
