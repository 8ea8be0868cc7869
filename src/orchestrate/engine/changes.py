"""Telling waiting callers that a deployment changed, without their asking the store in a loop."""

import asyncio
from collections import defaultdict

GATHER_S = 0.03
"""Changes come in bursts. Whoever waits is woken once a burst: what it then reads and renders
would take the processor from the very deployment it waits for."""


class Changes:
    """Wakes coroutines of one event loop; may be told from any thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[int, set[asyncio.Future[None]]] = defaultdict(set)

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """The loop whose coroutines wait."""
        self._loop = loop

    def tell(self, seq: int) -> None:
        """Deployment `seq` changed."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake, seq)

    async def wait(self, seq: int, timeout_s: float) -> None:
        """Return at the next change of `seq`, or after `timeout_s` seconds."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[seq].add(future)
        try:
            woken, _ = await asyncio.wait([future], timeout=max(timeout_s, 0))
            if woken:
                await asyncio.sleep(min(GATHER_S, timeout_s))
        finally:
            self._waiting[seq].discard(future)
            if not self._waiting[seq]:
                del self._waiting[seq]

    def _wake(self, seq: int) -> None:
        for future in self._waiting.get(seq, ()):
            if not future.done():
                future.set_result(None)
