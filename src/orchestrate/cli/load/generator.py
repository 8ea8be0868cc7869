"""The generator itself: an open loop of requests over raw keep-alive connections.

Open loop: request number k is due at k/rate seconds, whatever became of the ones before it. A
request goes to the connection that has been idle longest, so that every connection stays in use.
A connection that the other side closed while idle is replaced before it is used, as browsers and
HTTP libraries do; a request once handed to the kernel is never sent again.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass

from orchestrate.cli.load.tally import Kind, Tally
from orchestrate.cli.load.wire import Address, Answer

OVERDUE_S = 1.0  # a request that found no free connection for so long is dropped as `unsent`
SWEEP_S = 0.1


@dataclass(frozen=True)
class Aim:
    """What to send: `requests` in turn, `rate` a second, over at most `connections`."""

    address: Address
    requests: tuple[bytes, ...]
    rate: float
    connections: int
    timeout_s: float


class Generator:
    """Runs one load; results go into `tally` as they come. `stop` may be called from the start."""

    def __init__(self, aim: Aim, tally: Tally) -> None:
        self.tally = tally
        self._aim = aim
        self._loop = asyncio.get_running_loop()
        self._idle: deque[Line | None] = deque([None] * aim.connections)  # None: never connected
        self._busy: set[Line] = set()
        self._dials: set[asyncio.Task[None]] = set()
        self._began = self._loop.time()
        self._issued = 0
        self._stopping = False
        self._settled = asyncio.Event()

    async def run(self) -> None:
        """Sends until `stop`, then until the last request in flight has ended."""
        self._began = self._loop.time()
        self._pump()
        while not (self._stopping and self.tally.in_flight == 0):
            self._settled.clear()
            await self._wait_briefly()
            self._expire()
        self._close()

    def stop(self) -> None:
        """Sends nothing more."""
        self._stopping = True
        self._settled.set()

    def _pump(self) -> None:
        """Sends what is due, and comes back when the next is."""
        if self._stopping:
            return
        now = self._loop.time()
        while (due := self._due(self._issued)) <= now:
            if not self._idle:
                if now - due <= OVERDUE_S:
                    break
                self.tally.unsent += 1
            else:
                self.tally.lag_s = max(self.tally.lag_s, now - due)
                self._send(self._aim.requests[self._issued % len(self._aim.requests)])
            self._issued += 1
        # With every connection busy there is nothing to do before one is free, or 10 ms passed.
        self._loop.call_at(max(due, now + 0.01) if not self._idle else due, self._pump)

    def _due(self, number: int) -> float:
        return self._began + number / self._aim.rate

    def _send(self, request: bytes) -> None:
        self.tally.in_flight += 1
        line = self._idle.popleft()
        if line is None or line.closed:
            dial = self._loop.create_task(self._dial_and_send(request))
            self._dials.add(dial)
            dial.add_done_callback(self._dials.discard)
        else:
            self._busy.add(line)
            line.send(request)

    async def _dial_and_send(self, request: bytes) -> None:
        began = time.monotonic_ns()
        address = self._aim.address
        try:
            async with asyncio.timeout(self._aim.timeout_s):
                _, line = await self._loop.create_connection(
                    lambda: Line(self), address.host, address.port
                )
        except OSError:  # TimeoutError is one
            self._end(None, began, "dial", None)
            return
        self._busy.add(line)
        line.send(request)

    def ended(self, line: "Line", kind: Kind) -> None:
        """The line's request has ended; called by the line, once a request."""
        self._busy.discard(line)
        self._end(line, line.start_ns, kind, line.answer)

    def _end(self, line: "Line | None", start_ns: int, kind: Kind, answer: Answer | None) -> None:
        status, version = (answer.status, answer.version) if answer else (0, "")
        self.tally.record(start_ns, time.monotonic_ns(), version, status, kind)
        self.tally.in_flight -= 1
        self._idle.append(line)
        if self._stopping and self.tally.in_flight == 0:
            self._settled.set()

    async def _wait_briefly(self) -> None:
        try:
            async with asyncio.timeout(SWEEP_S):
                await self._settled.wait()
        except TimeoutError:
            return

    def _expire(self) -> None:
        oldest = time.monotonic_ns() - int(self._aim.timeout_s * 1e9)
        for line in [line for line in self._busy if line.start_ns < oldest]:
            line.give_up()

    def _close(self) -> None:
        for line in self._idle:
            if line is not None:
                line.close()


class Line(asyncio.Protocol):
    """One TCP connection, and the request that is under way on it, if any."""

    def __init__(self, owner: Generator) -> None:
        self.closed = False
        self.start_ns = 0
        self.answer: Answer | None = None
        self._waiting = False
        self._owner = owner
        self._served = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, request: bytes) -> None:
        """Sends a request and waits for its answer; the owner is told when it has ended."""
        assert self._transport is not None
        self.answer = Answer()
        self._waiting = True
        self.start_ns = time.monotonic_ns()
        if self.closed:  # between the dial and here
            self._end("reset")
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if not self._waiting or self.answer is None:
            self.close()  # an answer to nothing: the connection cannot be trusted with a request
            return
        self.answer.feed(data)
        if self.answer.garbled:
            self.close()
            self._end("garbled")
        elif self.answer.whole:
            self._finish(self.answer)

    def eof_received(self) -> None:
        self._gone()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone()
        if not self._waiting or self.answer is None:
            return
        if exc is None:
            self.answer.end()
        if self.answer.whole:
            self._finish(self.answer)
        else:
            self._end(self._how_lost(self.answer))

    def give_up(self) -> None:
        """The time for this request is over."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()
        self._end("timeout")

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.close()

    def _gone(self) -> None:
        if not self.closed:
            self.closed = True
            self._owner.tally.idle_closed += not self._waiting

    def _how_lost(self, answer: Answer) -> Kind:
        if answer.started:
            return "short"
        return "stale" if self._served else "reset"

    def _finish(self, answer: Answer) -> None:
        if not answer.reusable:
            self.close()
        self._end("5xx" if answer.status >= 500 else "4xx" if answer.status >= 400 else "")

    def _end(self, kind: Kind) -> None:
        self._waiting = False
        self._served += 1
        self._owner.ended(self, kind)
