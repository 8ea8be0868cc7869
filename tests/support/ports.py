"""Ports for tests: below those that a service or the kernel gives away by itself, each test process
with its own.

A port that is free now and used a while later may be another's by then: with several test processes
on one machine that happens. A process holds a block of ports for as long as it lives.
"""

from __future__ import annotations

import fcntl
import os
import socket
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import IO

FIRST, SIZE, BLOCKS = 10_200, 200, 48
"""A service's own begin at 20000, the kernel's at 32768."""
_held: list[IO[str]] = []


def free_port() -> int:
    """A port of this process's block that nobody listens on; each other one comes first."""
    for _ in range(SIZE):
        port = next(_block())
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"none of {SIZE} ports is free")


@cache
def _block() -> cycle[int]:
    directory = Path(f"/tmp/orchestrate-tests-ports-{os.geteuid()}")
    directory.mkdir(mode=0o700, exist_ok=True)
    for number in range(BLOCKS):
        lock = (directory / str(number)).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        _held.append(lock)
        first = FIRST + number * SIZE
        return cycle(range(first, first + SIZE))
    raise AssertionError("every block of ports is held by a test process")
