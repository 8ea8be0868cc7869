"""Requests that take their time, as uploads, reports and live views do. In every release alike."""

import asyncio
from collections.abc import AsyncIterator

from web import Refused, Reply, Request, in_json

TICK_S = 0.2


async def slow(request: Request) -> Reply:
    """Work that takes its time: 2 s, or `s` seconds."""
    seconds = _seconds(request, "s", 2.0)
    await asyncio.sleep(seconds)
    return in_json({"worked_s": seconds, "received_bytes": len(request.body)})


async def events(request: Request) -> Reply:
    """A tick every 0.2 s for `for` seconds, then `event: end`."""
    return Reply(_ticks(round(_seconds(request, "for", 6.0) / TICK_S)), type="text/event-stream")


async def _ticks(count: int) -> AsyncIterator[bytes]:
    for number in range(count):
        yield b'event: tick\ndata: {"number": %d}\n\n' % number
        await asyncio.sleep(TICK_S)
    yield b"event: end\ndata: {}\n\n"


def _seconds(request: Request, name: str, usual: float) -> float:
    try:
        seconds = float(request.query.get(name, usual))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 60:
        raise Refused(400, f"{name} is a number of seconds, 0 to 60")
    return seconds
