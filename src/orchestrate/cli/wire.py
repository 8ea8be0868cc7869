"""HTTP/1.1 over a connected socket: one request, one answer.

By hand, because `http.client` costs a command 20 ms and the service's socket needs none of what it
knows. Answers are read to the byte: one that is cut short is an error, never a shorter document.
"""

import select
import socket
from typing import NamedTuple

from orchestrate.core.errors import ServiceUnreachable

LONGEST_HEAD = 65536


class Answer(NamedTuple):
    """Status and body of an answer."""

    status: int
    body: bytes


class Exchange:
    """One request on its way. `ready` waits for the answer to begin, `answer` reads it."""

    def __init__(self, link: socket.socket, timeout_s: float) -> None:
        self._link = link
        self._link.settimeout(timeout_s)

    def send(self, method: str, target: str, body: bytes | None) -> None:
        """Send the request. Raises ServiceUnreachable."""
        head = [f"{method} {target} HTTP/1.1", "Host: orchestrate", "Connection: close"]
        if body is not None:
            head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        request = "\r\n".join([*head, "", ""]).encode("ascii") + (body or b"")
        try:
            self._link.sendall(request)
        except OSError as problem:
            raise lost(str(problem)) from problem

    def ready(self, within_s: float) -> bool:
        """Whether the answer has begun, after at most `within_s` seconds."""
        return bool(select.select([self._link], [], [], within_s)[0])

    def answer(self) -> Answer:
        """The whole answer. Raises ServiceUnreachable when there is none, or only a part."""
        try:
            with self._link, self._link.makefile("rb") as file:
                head = _head(file.readline(LONGEST_HEAD))
                length = None
                while line := file.readline(LONGEST_HEAD).strip():
                    name, _, value = line.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                    elif name.lower() == b"transfer-encoding":
                        raise lost("an answer in chunks, which the service does not send")
                body = file.read() if length is None else file.read(length)
        except TimeoutError as problem:
            raise lost("no answer in time") from problem
        except (OSError, ValueError) as problem:
            raise lost(str(problem)) from problem
        if length is not None and len(body) < length:
            raise lost(f"the answer was cut short: {len(body)} of {length} bytes")
        return Answer(head, body)


def lost(why: str) -> ServiceUnreachable:
    """The connection broke in the middle: what was asked may have been done or not."""
    return ServiceUnreachable(
        "the connection to the service was lost",
        why=[why, "running deployments go on; this says nothing about them"],
        fix=["orchestrate deploy status", "orchestrate doctor"],
    )


def _head(line: bytes) -> int:
    parts = line.split(maxsplit=2)
    if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or not parts[1].isdigit():
        raise lost("the service closed it" if not line else f"not HTTP: {line[:60]!r}")
    return int(parts[1])
