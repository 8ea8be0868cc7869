"""A webhook's receiver and a mail server, real ones, that fail and recover as they are told."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.ports import free_port


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw)
        return found


@dataclass
class Hook:
    """A webhook's receiver. `answers` are given one by one, then 204 for ever."""

    port: int = 0
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    got: list[Received] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/T0/B1/token-in-the-path"

    def next_answer(self) -> tuple[int, dict[str, str]]:
        return self.answers.pop(0) if self.answers else (204, {})

    def wait(self, count: int, within_s: float = 60.0) -> list[Received]:
        """The first `count` requests, once they are there."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.got) >= count, within_s), (
                f"{len(self.got)} of {count} requests came"
            )
        return self.got


@contextmanager
def hook() -> Iterator[Hook]:
    """A receiver that lives as long as the block."""
    state = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with state.changed:
                state.got.append(Received(self.path, headers, raw))
                state.changed.notify_all()
            status, more = state.next_answer()
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on the tests' output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class Post:
    """A mail server. `replies` are given to DATA one by one, then 250 for ever."""

    port: int = 0
    user: str = "orchestrate"
    password: str = ""
    replies: list[str] = field(default_factory=list)
    refused: frozenset[str] = frozenset()
    got: list[Message] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    """Of each mail in `got`."""
    changed: threading.Condition = field(default_factory=threading.Condition)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.replies:
            return self.replies.pop(0)
        assert isinstance(envelope.content, bytes)
        with self.changed:
            self.recipients.append(list(envelope.rcpt_tos))
            self.got.append(message_from_bytes(envelope.content, policy=default))
            self.changed.notify_all()
        return "250 OK"

    def check(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        right = (data.login.decode(), data.password.decode()) == (self.user, self.password)
        return AuthResult(success=right, handled=right)

    def wait(self, count: int, within_s: float = 60.0) -> list[Message]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.got) >= count, within_s), (
                f"{len(self.got)} of {count} mails came"
            )
        return self.got


@contextmanager
def post(tls: ssl.SSLContext | None = None, password: str = "") -> Iterator[Post]:
    """A server on loopback; with `tls` it demands STARTTLS, with `password` a login."""
    state = Post(password=password)
    controller = Controller(
        state,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=tls,
        require_starttls=tls is not None,
        authenticator=state.check if password else None,
        auth_required=bool(password),
        auth_require_tls=tls is not None,
    )
    controller.start()
    state.port = controller.port
    try:
        yield state
    finally:
        controller.stop()
