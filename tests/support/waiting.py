"""Waiting for an event, with a bound."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T], *, within_s: float = 20.0, every_s: float = 0.01) -> T:
    """The first truthy answer of `look`. Fails with the last answer when none comes in time."""
    until = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < until, f"not within {within_s:g} s; last seen: {found!r}"
        time.sleep(every_s)
    return found
