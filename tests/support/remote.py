"""The HTTP door as somebody from elsewhere reaches it: with a token, or with raw bytes."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from tests.support.api import Json


@dataclass(frozen=True)
class Answer:
    status: int
    document: Json
    headers: Mapping[str, str]

    @property
    def code(self) -> JsonValue:
        found = self.document.get("error")
        return found["code"] if isinstance(found, dict) else None

    @property
    def told(self) -> Json:
        """The error without the number of its request."""
        found = self.document["error"]
        assert isinstance(found, dict)
        return {key: value for key, value in found.items() if key != "request_id"}


@dataclass(frozen=True)
class Remote:
    """The door at a port of this machine, for the holder of `token`."""

    port: int
    token: str | None = None

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | bytes | None = None,
        timeout_s: float = 60.0,
        **headers: str,
    ) -> Answer:
        """One request; names of headers are written with `_`."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token is not None:
            given.setdefault("authorization", f"Bearer {self.token}")
        raw = json.dumps(body).encode() if isinstance(body, Mapping) else body
        try:
            link.request(method, path, raw, given)
            found = link.getresponse()
            return Answer(found.status, json.loads(found.read()), found.headers)
        finally:
            link.close()

    def raw(self, sent: bytes, timeout_s: float = 30.0) -> bytes:
        """What comes back for these bytes, to the end of the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s) as link:
            try:
                link.sendall(sent)
            except (BrokenPipeError, ConnectionResetError):
                pass
            return read_all(link)

    def status(self, sent: bytes) -> int:
        """The status of the answer to these bytes; 0 where the connection just ended."""
        found = self.raw(sent)
        return int(found.split(b" ", 2)[1]) if found.startswith(b"HTTP/1.1 ") else 0


def read_all(link: socket.socket) -> bytes:
    found = b""
    while True:
        try:
            part = link.recv(65536)
        except ConnectionResetError:
            return found
        if not part:
            return found
        found += part
