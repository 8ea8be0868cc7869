"""A service that only pretends: a real unix socket, HTTP by hand, and documents from a table."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

WITHIN_S = 30.0


class Request(NamedTuple):
    method: str
    path: str
    query: str
    body: dict[str, Any]


class Reply(NamedTuple):
    """An answer. `cut` sends only so many bytes of the body; `hang` sends nothing and waits until
    the client leaves or the service ends."""

    document: Mapping[str, Any]
    status: int = 200
    cut: int | None = None
    hang: bool = False


Answer = Reply | Callable[[Request], Reply]


class Pretend:
    """Answers each `METHOD /path` with what `answers` holds for it: one reply, or several of which
    each is given once and the last for ever. Everything else is a 404 that names the request."""

    def __init__(self, home: Path, answers: Mapping[str, Answer | list[Answer]]) -> None:
        self.requests: list[Request] = []
        self.path = home / "run" / "api.sock"
        self._answers = {k: list(v) if isinstance(v, list) else [v] for k, v in answers.items()}
        self._lock = threading.Lock()
        self._asked = threading.Condition(self._lock)
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self._ending = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.end()

    def start(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        listener.listen()
        self._listener = listener
        self._ending = False
        self._spawn(self._accept, listener)

    def end(self) -> None:
        """Stop listening and break every open connection, as a kill would."""
        if self._listener is None:
            return
        self.path.unlink(missing_ok=True)
        _shut(self._listener)
        with self._lock:
            self._ending = True
            for link in self._open:
                _shut(link)
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        self._listener.close()
        self._listener = None

    def asked(self, method: str, path: str) -> list[Request]:
        return [r for r in self.requests if (r.method, r.path) == (method, path)]

    def wait_until_asked(self, method: str, path: str, times: int) -> None:
        """Until a request was made so many times."""
        with self._asked:
            done = self._asked.wait_for(lambda: len(self.asked(method, path)) >= times, WITHIN_S)
        assert done, f"{method} {path} was asked {len(self.asked(method, path))} times only"

    def _spawn(self, act: Callable[..., None], *given: socket.socket) -> None:
        thread = threading.Thread(target=act, args=given)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:  # the listener was shut down
                return
            with self._lock:
                if self._ending:
                    link.close()
                    return
                self._open.add(link)
            self._spawn(self._serve, link)

    def _serve(self, link: socket.socket) -> None:
        try:
            request = _read(link)
            if request is not None:
                with self._asked:
                    self.requests.append(request)
                    answer = self._next(request)
                    self._asked.notify_all()
                self._send(link, answer(request) if callable(answer) else answer)
        except (ConnectionError, TimeoutError):
            pass  # the client left first
        finally:
            with self._lock:
                self._open.discard(link)
                link.close()

    def _next(self, request: Request) -> Answer:
        waiting = self._answers.get(f"{request.method} {request.path}")
        if not waiting:
            name = f"{request.method} {request.path}"
            message = {"code": "not_expected", "message": f"the test does not expect {name}"}
            return Reply({"schema": "orchestrate.error.v1", "error": message}, 404)
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    def _send(self, link: socket.socket, reply: Reply) -> None:
        if reply.hang:
            link.recv(1)
            return
        body = json.dumps(reply.document, separators=(",", ":")).encode()
        head = (
            f"HTTP/1.1 {reply.status} X\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        link.sendall(head.encode() + (body if reply.cut is None else body[: reply.cut]))


def _read(link: socket.socket) -> Request | None:
    with link.makefile("rb") as file:
        first = file.readline().split()
        if not first:
            return None
        length = 0
        while line := file.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body = file.read(length)
    path, _, query = first[1].decode().partition("?")
    return Request(first[0].decode(), path, query, json.loads(body) if body else {})


def _shut(link: socket.socket) -> None:
    try:
        link.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other end had closed it
