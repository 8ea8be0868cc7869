"""A disk that is full: a small one of its own, or the error that a full one gives."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[None]:
    """A tmpfs of `size` (`4m`) at `path`, ours alone.

    Skips where none can be mounted, under --require-real too: a container may forbid it to root.
    The same outcomes are tested everywhere with `no_space`.
    """
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    options = f"size={size},mode=700,uid={os.geteuid()},gid={os.getegid()}"
    mount = [*sudo, "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)]
    if sudo and shutil.which("sudo") is None:
        pytest.skip("only root can mount a tmpfs")
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run([*sudo, "umount", str(path)], check=True)


def fill(directory: Path) -> Path:
    """Takes all the space that is left; removing the file it returns gives it back."""
    path = directory / "filler"
    with suppress(OSError), open(path, "wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    return path


@contextmanager
def no_space(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within the block, everything this process forces to disk fails as on a full one."""

    def refuse(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refuse)
        yield
