"""Single long requests: a slow POST, a stream of events. Did each finish whole?

Each runs in a thread of the calling process with a socket of its own: they wait, they do not
compute. The load that must not be disturbed by the caller is `Load`.
"""

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from orchestrate.cli.load.tally import UNNAMED, Kind
from orchestrate.cli.load.wire import Address, Answer

SPARE_S = 20.0  # for an answer, beyond what was asked for
LAST_EVENT = b"event: end"


@dataclass(frozen=True)
class Outcome:
    """How a probe ended. Times are `time.monotonic_ns()`.

    `whole` is true when the answer was a 2xx and nothing of it is missing (of a stream: its last
    event came, and the end of the body). Otherwise `kind` says what went wrong, as in a load.
    `events` counts the events of a stream.
    """

    whole: bool
    kind: Kind
    status: int
    version: str
    start_ns: int
    end_ns: int
    events: int


class Probe:
    """One request under way, in a thread. `begun` is set once its answer is being waited for."""

    def __init__(self, ask: Callable[["Probe"], Outcome]) -> None:
        self.begun = threading.Event()
        self._ask = ask
        self._outcome: Outcome | None = None
        self._thread = threading.Thread(target=self._run, name="probe", daemon=True)
        self._thread.start()

    def result(self) -> Outcome:
        """Waits for the end (bounded by what was asked for and 20 s more) and says how it was."""
        self._thread.join()
        assert self._outcome is not None, "the probe's thread has died"
        return self._outcome

    def _run(self) -> None:
        try:
            self._outcome = self._ask(self)
        finally:
            self.begun.set()


def slow_posts(
    url: str, count: int, *, seconds: float = 2.0, path: str = "/slow", host: str | None = None
) -> list[Probe]:
    """Starts `count` POSTs at once, each of which the shop answers after `seconds`."""
    address = Address(url, host)
    request = address.request(f"POST {path}?s={seconds:g}", b'{"work": true}')
    return [_probe(address, request, seconds, stream=False) for _ in range(count)]


def sse_stream(
    url: str, seconds: float = 6.0, *, path: str = "/events", host: str | None = None
) -> Probe:
    """Starts one stream of server-sent events that lasts `seconds` and closes with `event: end`."""
    address = Address(url, host)
    return _probe(address, address.request(f"{path}?for={seconds:g}"), seconds, stream=True)


def _probe(address: Address, request: bytes, seconds: float, *, stream: bool) -> Probe:
    def ask(probe: Probe) -> Outcome:
        answer = Answer(keep=True)
        start = time.monotonic_ns()
        kind = _exchange(probe, address, request, answer, time.monotonic() + seconds + SPARE_S)
        events = bytes(answer.kept).split(b"\n\n") if stream else []
        if stream and not kind and not any(LAST_EVENT in event for event in events):
            kind = "short"
        return Outcome(
            whole=not kind,
            kind=kind,
            status=answer.status,
            version=answer.version or UNNAMED,
            start_ns=start,
            end_ns=time.monotonic_ns(),
            events=sum(bool(event.strip()) for event in events),
        )

    return Probe(ask)


def _exchange(
    probe: Probe, address: Address, request: bytes, answer: Answer, deadline: float
) -> Kind:
    try:
        connection = socket.create_connection((address.host, address.port), timeout=SPARE_S)
    except OSError:
        return "dial"
    with connection:
        try:
            connection.sendall(request)
            probe.begun.set()
            _receive(connection, answer, deadline)
        except TimeoutError:
            return "timeout"
        except OSError:
            return "short" if answer.started else "reset"
    return _judge(answer)


def _receive(connection: socket.socket, answer: Answer, deadline: float) -> None:
    while not (answer.whole or answer.garbled):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        data = connection.recv(65536)
        if not data:
            answer.end()
            return
        answer.feed(data)


def _judge(answer: Answer) -> Kind:
    if answer.garbled:
        return "garbled"
    if not answer.whole:
        return "short" if answer.started else "reset"
    return "5xx" if answer.status >= 500 else "4xx" if answer.status >= 400 else ""
