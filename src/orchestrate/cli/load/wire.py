"""HTTP/1.1 as bytes: the requests to send, and one answer taken in as it arrives. No I/O here."""

from typing import Literal
from urllib.parse import urlsplit

from orchestrate.core.errors import InvalidInput

HEAD_LIMIT = 64 * 1024
BODILESS = (204, 304)

Framing = Literal["length", "chunked", "until_close"]
Expected = Literal["size", "data", "data_end", "trailer"]  # of a chunked body


class Address:
    """Where requests go: `http://127.0.0.1:8080`, or `127.0.0.1:8080`.

    A path in the address goes before the path of every request. `name` is what the Host header
    says: by default what the address says.
    """

    def __init__(self, url: str, name: str | None = None) -> None:
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            host, port = parts.hostname, parts.port or 80
        except ValueError as problem:
            raise _unusable(url, str(problem)) from problem
        if parts.scheme != "http" or not host:
            raise _unusable(url, "the load generator speaks plain HTTP/1.1 to one host and port")
        self.host = host
        self.port = port
        self.base = parts.path.rstrip("/")
        self.name = name or parts.netloc

    def request(self, target: str, body: bytes = b"") -> bytes:
        """The bytes of one request. `target` is `PATH` (a GET) or `METHOD PATH`."""
        method, _, path = target.rpartition(" ")
        method = method.strip().upper() or "GET"
        if not path.startswith("/") or not method.isalpha():
            raise InvalidInput(
                f"{target!r} is not a target", fix=["write it like /catalogue or POST /checkout"]
            )
        lines = [f"{method} {self.base}{path} HTTP/1.1", f"Host: {self.name}", "Accept: */*"]
        if method not in ("GET", "HEAD", "DELETE"):
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        else:
            body = b""
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class Answer:
    """One answer. `feed` it every byte, then `end` it if the connection ends first.

    `started` is true from the first byte on, `whole` when nothing is missing. `garbled` means that
    what arrived is not one HTTP/1.1 answer: a broken head, a broken chunk, bytes after the end.
    `kept` holds the body where `keep` asked for it.
    """

    __slots__ = (
        "_expect", "_framing", "_held", "_keep", "_left",
        "garbled", "kept", "reusable", "started", "status", "version", "whole",
    )  # fmt: skip

    def __init__(self, *, keep: bool = False) -> None:
        self.started = self.whole = self.garbled = False
        self.reusable = True
        self.status = 0
        self.version = ""
        self.kept = bytearray()
        self._keep = keep
        self._held = bytearray()
        self._framing: Framing = "until_close"
        self._left = 0
        self._expect: Expected = "size"

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the connection."""
        self.started = True
        self._held += data
        try:
            if self.status or self._take_head():
                self._take_body()
        except ValueError:
            self.garbled = True
        if self.whole and self._held:
            self.garbled = True

    def end(self) -> None:
        """The connection ended. That completes an answer whose length only its end tells."""
        self.reusable = False
        if self.status and self._framing == "until_close" and not self.garbled:
            self.whole = True

    def _take_head(self) -> bool:
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            if len(self._held) > HEAD_LIMIT:
                raise ValueError("the head of the answer is too long")
            return False
        first, *rest = bytes(self._held[:end]).split(b"\r\n")
        del self._held[: end + 4]
        status = _status(first)
        if 100 <= status < 200:
            return self._take_head()
        fields = {
            name.lower(): value.strip() for name, _, value in (x.partition(b":") for x in rest)
        }
        self.status = status
        self.version = fields.get(b"x-version", b"").decode("latin-1")
        self._frame(fields)
        return True

    def _frame(self, fields: dict[bytes, bytes]) -> None:
        if self.status in BODILESS:
            self._framing, self._left = "length", 0
        elif b"chunked" in fields.get(b"transfer-encoding", b"").lower():
            self._framing = "chunked"
        elif b"content-length" in fields:
            self._framing, self._left = "length", _number(fields[b"content-length"], 10)
        if self._framing == "until_close" or b"close" in fields.get(b"connection", b"").lower():
            self.reusable = False

    def _take_body(self) -> None:
        if self._framing == "chunked":
            while not self.whole and self._take_chunk():
                pass
        elif self._framing == "length":
            self._left -= self._take(self._left)
            self.whole = self._left == 0
        else:
            self._take(len(self._held))

    def _take_chunk(self) -> bool:
        """The next piece of a chunked body. False: it has not all arrived."""
        if self._expect == "data":
            self._left -= self._take(self._left)
            self._expect = "data" if self._left else "data_end"
            return not self._left
        line, ended, rest = self._held.partition(b"\r\n")
        if not ended:
            return False
        self._held = rest
        if self._expect == "size":
            self._left = _number(bytes(line).partition(b";")[0].strip(), 16)
            self._expect = "data" if self._left else "trailer"
        elif self._expect == "data_end":
            if line:
                raise ValueError("a chunk is longer than its size")
            self._expect = "size"
        elif not line:
            self.whole = True
        return True

    def _take(self, count: int) -> int:
        taken = min(count, len(self._held))
        if self._keep:
            self.kept += self._held[:taken]
        del self._held[:taken]
        return taken


def _unusable(url: str, why: str) -> InvalidInput:
    return InvalidInput(
        f"{url!r} is not an address for the load generator",
        why=[why],
        fix=["give it like http://127.0.0.1:8080 or 127.0.0.1:8080"],
    )


def _status(line: bytes) -> int:
    protocol, _, rest = line.partition(b" ")
    if not protocol.startswith(b"HTTP/1."):
        raise ValueError("not an HTTP/1 status line")
    status = _number(rest[:3], 10)
    if not 100 <= status <= 599:
        raise ValueError("no such status")
    return status


def _number(text: bytes, base: int) -> int:
    """A size as HTTP writes it: digits alone, where `int` would take a sign and underscores."""
    if not text.isalnum():
        raise ValueError("not a number")
    return int(text, base)
