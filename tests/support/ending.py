"""What is shared by a whole run ends before its process is told to.

Not with `atexit`: pytest-xdist kills a worker that takes longer than ten seconds over its exit
(EXIT_TIMEOUT in xdist/workermanage.py), in the middle of whatever it does, and a Docker engine
with a load of images takes that long. It waits for the end of a session without a limit.
"""

from __future__ import annotations

from collections.abc import Callable

_all: list[Callable[[], None]] = []


def at_end(what: Callable[[], None]) -> None:
    """Call it when this process's tests are over, the last one named first."""
    _all.append(what)


def end_all() -> None:
    """Call them all, each of them once, whatever another raised."""
    failed = []
    while _all:
        try:
            _all.pop()()
        except Exception as error:  # the others end all the same
            failed.append(error)
    if failed:
        raise ExceptionGroup("not ended with the run", failed)
