"""A wire that breaks when told to: HTTP between a provider and its platform, over TCP or a unix
socket. The call with a given number never arrives, or is carried out and its answer is lost."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from tests.support.platform import LOST, How


@dataclass
class Break:
    """The call that is to fail, counted from the moment this was made."""

    call: int
    how: How
    reached: bool = False


class Between:
    """Forwards to `target`: `host:port`, or the path of a unix socket. `address` is where to call,
    of the same kind. `calls` are the first lines of those that came, newest last."""

    def __init__(self, target: str, path: Path | None = None) -> None:
        self.target = target
        self.calls: list[str] = []
        self._broken: Break | None = None
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"between": self})
        self._server = _Unix(str(path), handler) if path else _Tcp(("127.0.0.1", 0), handler)
        self.address = str(path) if path else f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @contextmanager
    def failing(self, call: int, how: How) -> Iterator[Break]:
        """Let one call fail, of those made in the block."""
        broken = Break(call, how)
        with self._lock:
            self._broken = broken
        try:
            yield broken
        finally:
            with self._lock:
                self._broken = None

    def count(self, line: str) -> How | None:
        """Take note of a call, and say how it is to fail."""
        with self._lock:
            self.calls.append(line)
            broken = self._broken
            if broken is None or broken.reached:
                return None
            broken.call -= 1
            if broken.call > 0:
                return None
            broken.reached = True
            return broken.how

    def open(self) -> http.client.HTTPConnection:
        """A connection to the platform."""
        if "/" not in self.target:
            return http.client.HTTPConnection(self.target, timeout=60)
        connection = http.client.HTTPConnection("localhost", timeout=60)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.target)
        return connection


class _Handler(BaseHTTPRequestHandler):
    between: Between

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.close_connection = True
        how = self.between.count(self.requestline)
        if how == LOST:
            return
        upstream = self.between.open()
        try:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():  # a name may be there more than once
                if name.lower() != "connection":
                    upstream.putheader(name, value)
            upstream.putheader("Connection", "close")
            upstream.endheaders(body or None)
            answer = upstream.getresponse()
            if how is not None:
                answer.read()
                return
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            while part := answer.read1(65536):
                self.wfile.write(part)
        except (BrokenPipeError, ConnectionResetError):
            return  # the client left first
        finally:
            upstream.close()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = forward

    def address_string(self) -> str:
        return "client"

    def log_message(self, *arguments: object) -> None:
        pass


class _Tcp(ThreadingHTTPServer):
    daemon_threads = True


class _Unix(_Tcp):
    address_family = socket.AF_UNIX

    def __init__(self, path: str, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(path, handler)  # type: ignore[arg-type]  # typed for internet addresses

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)
