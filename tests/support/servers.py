"""HTTP servers inside the test: addresses for an edge to divide requests between."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Server:
    """Answers each request with its name; unhealthy, with 503."""

    name: str
    url: str
    healthy: bool = True
    paths: tuple[str, ...] = ()
    go_on: threading.Event = field(default_factory=threading.Event)
    """Until it is set nobody gets an answer at /slow."""


@contextmanager
def serving(name: str) -> Iterator[Server]:
    """A server on a free loopback port."""
    server = Server(name, "")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self) -> None:
            server.paths = (*server.paths[-20:], self.path)
            if self.path == "/slow":
                server.go_on.wait(60)
            self.send_response(200 if server.healthy else 503)
            self.send_header("X-Version", name)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    server.url = f"http://127.0.0.1:{listener.server_port}"
    thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()
