"""A full disk, told as such wherever it is met."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrate.core.errors import DiskFull

WATERMARK_MB = 256


def watermark() -> int:
    """Bytes that must stay free for a new deployment: ORCHESTRATE_MIN_FREE_MB, or 256 MB."""
    return int(float(os.environ.get("ORCHESTRATE_MIN_FREE_MB", WATERMARK_MB)) * 1024 * 1024)


@contextmanager
def told_when_full(what: str) -> Iterator[None]:
    """Raises DiskFull in the place of an OSError that means a full disk or quota."""
    try:
        yield
    except OSError as problem:
        if problem.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFull(
            f"the disk is full: {what}",
            why=[str(problem)],
            fix=["free some space, then try again; what runs and serves was not touched"],
        ) from problem


def free_bytes(directory: str) -> int:
    """Bytes that can still be written below a directory."""
    return shutil.disk_usage(directory).free
