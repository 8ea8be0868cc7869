"""A server that does to each request what its script says: the honest and the broken ones."""

import contextlib
import socket
import struct
import threading
from collections.abc import Mapping, Sequence
from typing import Self

GOOD = b"HTTP/1.1 200 OK\r\nX-Version: good\r\nContent-Length: 2\r\n\r\nok"

# What is sent, and whether the server then closes the connection.
ANSWERS: Mapping[str, tuple[bytes, bool]] = {
    "ok": (GOOD, False),
    "ok, then close": (GOOD, True),
    "nothing": (b"", True),
    "503": (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", False),
    "404": (b"HTTP/1.1 404 No\r\nX-Version: good\r\nContent-Length: 0\r\n\r\n", False),
    "half a head": (b"HTTP/1.1 200 OK\r\nX-Vers", True),
    "half a body": (b"HTTP/1.1 200 OK\r\nX-Version: good\r\nContent-Length: 9\r\n\r\nhal", True),
    "half the chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", True),
    "noise": (b"hello\r\n\r\n", False),
    "too much": (GOOD + b"more", False),
    "says close": (GOOD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), True),
}


class Scripted:
    """Listens on a port of its own while the `with` block lasts.

    Request number k (over all connections, from 0) gets `script[k]`: a name in ANSWERS, `reset` (a
    TCP reset), or `hang` (no answer until the client leaves). After the script each gets `ok`.
    `seen` holds the first line of each request, in order.
    """

    def __init__(self, script: Sequence[str] = ()) -> None:
        self.seen: list[str] = []
        self._script = list(script)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept, which close would not
        self._threads[0].join()
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):  # the client was killed: nothing to shut down
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # the listener was shut down
                return
            with self._lock:
                self._open.add(connection)
            self._threads.append(threading.Thread(target=self._converse, args=(connection,)))
            self._threads[-1].start()

    def _converse(self, connection: socket.socket) -> None:
        try:
            while self._answer(connection):
                pass
        except ConnectionError:
            pass  # the client left first
        finally:
            with self._lock:
                self._open.discard(connection)
                connection.close()

    def _answer(self, connection: socket.socket) -> bool:
        """Answers one request; False when the connection is to be closed."""
        head = connection.recv(65536)
        if not head:
            return False
        with self._lock:
            number = len(self.seen)
            self.seen.append(head.split(b"\r\n")[0].decode())
        act = self._script[number] if number < len(self._script) else "ok"
        if act == "hang":
            connection.recv(1)
            return False
        if act == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        answer, close = ANSWERS[act]
        connection.sendall(answer)
        return not close
