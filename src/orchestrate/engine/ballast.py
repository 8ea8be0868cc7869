"""Ballast: room kept on the disk while there is some, given up so that a full disk is survived.

The service gives it up when it starts on a full disk; a rollback, and a deployment that runs, when
the disk fills up meanwhile. A new deployment never does: it is refused.
"""

import os
from pathlib import Path

BYTES = 16 * 1024 * 1024
NAME = "run/ballast"


def keep(home: Path) -> None:
    """Set the ballast aside where there is room for it; give it up where there is none."""
    room = _free(home)
    if room < BYTES:
        give_up(home)
    elif not (home / NAME).exists() and room > 4 * BYTES:
        part = home / f"{NAME}.part"
        with open(part, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, BYTES)
        part.replace(home / NAME)


def give_up(home: Path) -> bool:
    """Make room. Returns whether there was any to be made."""
    try:
        (home / NAME).unlink()
    except FileNotFoundError:
        return False
    return True


def give_up_when_full(home: Path) -> bool:
    """Make room when the disk is as good as full. Returns whether it was made."""
    return _free(home) < BYTES // 16 and give_up(home)


def _free(home: Path) -> int:
    """Bytes that this user may still write at `home`."""
    found = os.statvfs(home)
    return found.f_bavail * found.f_frsize
