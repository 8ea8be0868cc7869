"""Another thread that comes at the worst moment: between any two operations of a function."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any, TypeVar

T = TypeVar("T")
WAITED_S = 0.05
"""For the other thread; one that is kept out by a lock has its turn when the function is done."""


def at_each_moment(
    code: CodeType, act: Callable[[], T], other: Callable[[], object]
) -> Iterator[T]:
    """What `act` answers while a thread does `other` once: before the first operation of `code`,
    then, in another call, before the second, and so on to its end."""
    moment = 0
    while True:
        moment += 1
        came, answer = _at(moment, code, act, other)
        yield answer
        if not came:
            return


def _at(
    moment: int, code: CodeType, act: Callable[[], T], other: Callable[[], object]
) -> tuple[bool, T]:
    left = moment
    threads: list[threading.Thread] = []

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if frame.f_code is not code:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left == 0:
                threads.append(threading.Thread(target=other))
                threads[0].start()
                threads[0].join(WAITED_S)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        answer = act()
    finally:
        sys.settrace(before)
        for thread in threads:
            thread.join()
    return bool(threads), answer
