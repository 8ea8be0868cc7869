"""The service's REST API: documents in, documents out, errors as the core's own.

Standard library alone. Over the unix socket by `wire`, or to ORCHESTRATE_URL by `remote`.
"""

import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

from orchestrate.cli import home as places
from orchestrate.cli import wire
from orchestrate.core.error_codes import from_dict
from orchestrate.core.errors import OrchestrateError, PermanentError

if TYPE_CHECKING:
    import socket

TIMEOUT_S = 60.0
"""For one answer. The first waits for the service's imports, on a cold and busy machine too."""

Document = dict[str, object]
Query = Mapping[str, str | int | float | None]


class Answer(NamedTuple):
    """A document, and the very bytes it came in: `--json` prints those."""

    document: Document
    body: bytes


class Answered(Exception):
    """Cause of an error that came from the service: `body` holds the document it came in."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.body = body


class Link(Protocol):
    """One request on its way."""

    def send(self, method: str, target: str, body: bytes | None) -> None: ...
    def ready(self, within_s: float) -> bool: ...
    def answer(self) -> wire.Answer: ...


class Client:
    """Asks the service. Every call raises the error that the service answered, as its class, and
    ServiceUnreachable when it cannot be reached."""

    def __init__(self, dial: Callable[[float], Link]) -> None:
        self._dial = dial

    def get(self, path: str, query: Query | None = None) -> Answer:
        return self._ask("GET", path, query, None)

    def post(
        self, path: str, body: Mapping[str, object] | None = None, timeout_s: float = TIMEOUT_S
    ) -> Answer:
        return self._ask("POST", path, None, body or {}, timeout_s)

    def delete(self, path: str, query: Query | None = None) -> Answer:
        return self._ask("DELETE", path, query, None)

    def begin(self, path: str, query: Query | None = None, *, timeout_s: float) -> "Pending":
        """A GET whose answer may take its time; at most `timeout_s` seconds."""
        link = self._dial(timeout_s)
        link.send("GET", path + _encoded(query), None)
        return Pending(link)

    def _ask(
        self,
        method: str,
        path: str,
        query: Query | None,
        body: Mapping[str, object] | None,
        timeout_s: float = TIMEOUT_S,
    ) -> Answer:
        link = self._dial(timeout_s)
        text = None if body is None else json.dumps(body).encode()
        link.send(method, path + _encoded(query), text)
        return _read(link.answer())


class Pending(NamedTuple):
    """An answer that is waited for."""

    link: Link

    def ready(self, within_s: float) -> bool:
        return self.link.ready(within_s)

    def answer(self) -> Answer:
        return _read(self.link.answer())


def default(warn: Callable[[str], None]) -> Client:
    """The client the environment asks for: ORCHESTRATE_URL's, else the local service's, which is
    started when none lives."""
    url = os.environ.get("ORCHESTRATE_URL")
    if url:
        from orchestrate.cli import kept

        return kept.client(url, kept.token_for(url))
    return over_socket(lambda: _reach(warn))


def over_socket(connect: "Callable[[], socket.socket]") -> Client:
    """A client that gets its connections from `connect`."""

    def dial(timeout_s: float) -> Link:
        return wire.Exchange(connect(), timeout_s)

    return Client(dial)


def segment(text: str) -> str:
    """`text` as one part of a path: `shop/production` becomes `shop%2Fproduction`."""
    safe = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
    return "".join(chr(b) if b in safe else f"%{b:02X}" for b in text.encode())


def _reach(warn: Callable[[str], None]) -> "socket.socket":
    from orchestrate.cli import start

    return start.reach(places.home(), places.API, warn=warn)


def _encoded(query: Query | None) -> str:
    given = [(k, v) for k, v in (query or {}).items() if v is not None]
    return "?" + "&".join(f"{k}={segment(str(v))}" for k, v in given) if given else ""


def _read(answer: wire.Answer) -> Answer:
    try:
        document = json.loads(answer.body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise _strange(answer)
    if answer.status < 400:
        return Answer(document, answer.body)
    error = document.get("error")
    if not isinstance(error, dict):
        raise _strange(answer)
    raise from_dict(error) from Answered(answer.body)


def _strange(answer: wire.Answer) -> OrchestrateError:
    return PermanentError(
        f"the answer is not the service's: HTTP {answer.status}",
        why=[f"it begins with {answer.body[:80]!r}"],
        fix=["look at ORCHESTRATE_URL, or: orchestrate doctor"],
    )
