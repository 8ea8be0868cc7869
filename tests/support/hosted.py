"""Hosted monitoring, imitated on real sockets: stateful, late, paged, limited, and failing."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

Point = tuple[float, float]
"""Seconds since the epoch at which a span begins, and what was counted in it."""


@dataclass
class Asked:
    """One request that came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    status: int
    document: object
    headers: dict[str, str] = field(default_factory=dict)


Answers = Callable[[Asked], Reply]


@dataclass
class Hosted:
    """A server with what it was asked; `next_replies` come before its own."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    next_replies: list[Reply] = field(default_factory=list)


@contextmanager
def hosted(answers: Answers) -> Iterator[Hosted]:
    """A server on a free loopback port that answers as `answers` says."""
    found = Hosted()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            asked = Asked(
                self.command,
                parts.path,
                {name: each[-1] for name, each in parse_qs(parts.query).items()},
                {name.lower(): text for name, text in self.headers.items()},
                self.rfile.read(length),
            )
            found.asked.append(asked)
            reply = found.next_replies.pop(0) if found.next_replies else answers(asked)
            body = (
                reply.document
                if isinstance(reply.document, bytes)
                else json.dumps(reply.document).encode()
            )
            self.send_response(reply.status)
            for name, text in reply.headers.items():
                self.send_header(name, text)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    found.url = f"http://127.0.0.1:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield found
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()
