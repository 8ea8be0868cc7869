"""The door for other machines: REST over HTTP, with tokens.

Every request, whatever its path, passes the same three questions before anything is routed or
read: is it for us (Host), does it come from a page of somebody else (Origin), who asks (token).
"""

import asyncio
import ipaddress
from dataclasses import dataclass
from typing import NoReturn

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from orchestrate.core.errors import Forbidden, Misdirected, OrchestrateError
from orchestrate.core.identity import Principal
from orchestrate.engine.credentials import Credentials, nobody
from orchestrate.server.calling import THREADS
from orchestrate.server.problems import problem

PRINCIPAL = "orchestrate.principal"
"""In a request's scope: who asks, as this door established it."""
TARGET = "orchestrate.target"
"""In its state: the target as it was sent, before anybody took it apart."""
LOOK_AGAIN_S = 2.0
"""How soon a request that is being answered loses a token that was revoked."""
HEAD_S, BODY_S = 10.0, 30.0
"""How long a client may take to send the head of a request, and its body."""
MOST_HEADERS, LONGEST_HEAD = 100, 32 * 1024
CONNECTIONS = 256


@dataclass(frozen=True)
class Names:
    """What the door is called: hosts that requests may name, with the port or without."""

    hosts: frozenset[str]
    port: int
    secure: bool

    def is_host(self, text: str) -> bool:
        """Whether a Host header means this door."""
        host, port = _split(text)
        standard = 443 if self.secure else 80
        return host in self.hosts and (port or standard) in (self.port, standard)

    def is_origin(self, text: str) -> bool:
        """Whether an Origin header is this door's own."""
        scheme, _, rest = text.partition("://")
        return scheme == ("https" if self.secure else "http") and self.is_host(rest)


class HttpDoor:
    """The application behind the three questions."""

    def __init__(self, app: ASGIApp, names: Names, credentials: Credentials) -> None:
        self._app = app
        self._names = names
        self._credentials = credentials

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            self._refuse_strangers(scope)
            if scope["path"] == "/healthz" and scope["raw_path"] == b"/healthz":
                return await self._app(scope, receive, send)
            principal = await self._principal(scope)
        except OrchestrateError as error:
            return await _refuse(error, scope, receive, send)
        scope[PRINCIPAL] = principal
        await self._while_good(principal, scope, receive, send)

    def _refuse_strangers(self, scope: Scope) -> None:
        """Against pages that make a browser ask (DNS rebinding, CSRF)."""
        hosts, origins = _values(scope, b"host"), _values(scope, b"origin")
        absolute = not scope["state"].get(TARGET, b"").startswith(b"/")
        if len(hosts) != 1 or absolute or not self._names.is_host(hosts[0]):
            raise Misdirected(
                "this service is not called so",
                why=["the Host of a request must be one of its own names"],
                fix=["use the address that it was started with: orchestrate serve --http, --name"],
            )
        if len(origins) > 1 or (origins and not self._names.is_origin(origins[0])):
            raise Forbidden(
                "a page of another origin asks",
                why=["browsers are answered for pages of this service alone"],
                fix=["call it from a program, with a token"],
            )

    async def _principal(self, scope: Scope) -> Principal:
        given = _values(scope, b"authorization")
        scheme, _, text = given[0].partition(" ") if len(given) == 1 else ("", "", "")
        if scheme.lower() != "bearer":
            raise nobody()
        source = str((scope.get("client") or ("?",))[0])
        bearer = self._credentials.bearer
        return await anyio.to_thread.run_sync(bearer, text.strip(), source, limiter=THREADS)

    async def _while_good(
        self, principal: Principal, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer as long as the token is good: a request may be held open for most of a minute."""
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        answer = asyncio.create_task(_run(self._app, scope, receive, sending))
        try:
            while not (await asyncio.wait([answer], timeout=LOOK_AGAIN_S))[0]:
                good = self._credentials.good
                if not await anyio.to_thread.run_sync(good, principal.credential, limiter=THREADS):
                    break
            else:
                return await answer
        finally:
            answer.cancel()
        await asyncio.wait([answer])
        if not started:
            await _refuse(nobody(), scope, receive, send)


class GuardedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with limits: on the head of a request, and on the time a client may take."""

    _timer: asyncio.TimerHandle | None = None
    _head = 0
    _in_head = True
    _received = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # uvicorn narrows the parameter to a type of its own; ours is what asyncio passes.
        super().connection_made(transport)
        self._await(HEAD_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._head = self._received = 0
        self._in_head = True
        self._await(HEAD_S)
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._grow(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._grow(len(name) + len(value) + 4)
        if len(self.headers) >= MOST_HEADERS:
            _too_much()
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._await(BODY_S)
        self._in_head = False
        self.scope["state"][TARGET] = self.url
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._arrived()
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._received += len(data)
        super().data_received(data)
        if self._in_head and self._received > LONGEST_HEAD:
            # One line without an end calls none of the above.
            self._give_up()

    def _grow(self, size: int) -> None:
        self._head += size
        if self._head > LONGEST_HEAD:
            _too_much()

    def _await(self, seconds: float) -> None:
        self._arrived()
        self._timer = self.loop.call_later(seconds, self._give_up)

    def _arrived(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()


def names_of(host: str, port: int, given: tuple[str, ...], secure: bool) -> Names:
    """What a door that listens on `host` is called."""
    own = {name.lower() for name in given}
    if ipaddress.ip_address(host).is_loopback:
        own |= {"localhost", "127.0.0.1", "[::1]"}
    elif not ipaddress.ip_address(host).is_unspecified:
        own.add(f"[{host}]" if ":" in host else host)
    return Names(frozenset(own), port, secure)


async def _run(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)


async def _refuse(error: OrchestrateError, scope: Scope, receive: Receive, send: Send) -> None:
    response = problem(error)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after_s:
        response.headers["Retry-After"] = str(max(1, round(error.retry_after_s)))
    # What it sends besides is not read: the connection ends.
    response.headers["Connection"] = "close"
    await response(scope, receive, send)


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for each, value in scope["headers"] if each == name]


def _split(text: str) -> tuple[str, int | None]:
    """Host and port of a Host header; what is none of that is no host we have."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return text.lower(), None
    if not (port.isascii() and port.isdecimal() and len(port) <= 5):
        return "", None
    return host.lower(), int(port)


def _too_much() -> NoReturn:
    """The parser turns it into a 400, and the connection ends."""
    raise ValueError("the head of the request is too large")
