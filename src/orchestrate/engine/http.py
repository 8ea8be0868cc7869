"""Asking a release over HTTP: one request, no redirect, no proxy, a bounded answer.

Only paths are configured, never hosts: what is asked is the replica or the front door itself.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import httpx2
from pydantic import JsonValue

from orchestrate.core.untrusted import clean
from orchestrate.engine.revealed import masked

MOST_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Reply:
    """An answer, or why there was none."""

    url: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    took_s: float = 0.0
    problem: str | None = None
    """In one line, with the url; None when there was an answer."""

    def json(self) -> JsonValue:
        """The body as JSON. Raises ValueError."""
        found: JsonValue = json.loads(self.body)
        return found

    @property
    def shown(self) -> str:
        """The beginning of the body, in one line. Untrusted."""
        text = self.body[: 64 * 1024].decode("utf-8", "replace")
        return clean(masked(text)[:400], limit=160)  # masked before it is cut


@cache
def _client() -> httpx2.Client:
    # Replicas and the edge answer on this host; no environment proxy may come between.
    return httpx2.Client(follow_redirects=False, trust_env=False)


def send(
    method: str,
    address: str,
    path: str,
    *,
    host: str | None = None,
    headers: Mapping[str, str] | None = None,
    body: JsonValue = None,
    timeout_s: float = 5.0,
) -> Reply:
    """One request to `address`. Never raises for what comes back, or does not."""
    url = address.rstrip("/") + path
    said = {"user-agent": "orchestrate-verify", "connection": "close"}
    said |= {name.lower(): value for name, value in (headers or {}).items()}
    if host:
        said["host"] = host
    content: bytes | None = None
    if body is not None:
        content = (body if isinstance(body, str) else json.dumps(body)).encode()
        said.setdefault("content-type", "text/plain" if isinstance(body, str) else _JSON)
    began = time.perf_counter()
    try:
        with _client().stream(
            method, url, headers=said, content=content, timeout=timeout_s
        ) as response:
            found = _body(response, began + timeout_s)
            took_s = time.perf_counter() - began
            return Reply(url, response.status_code, dict(response.headers), found, took_s)
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
        said_of_it = clean(str(error) or type(error).__name__, limit=160)
        took_s = time.perf_counter() - began
        return Reply(url, took_s=took_s, problem=f"{method} {url}: {said_of_it}")


_JSON = "application/json"


def _body(response: httpx2.Response, until: float) -> bytes:
    """At most MOST_BYTES of the body, and no longer than the time: a timeout of the client counts
    for each piece of an answer alone."""
    found = bytearray()
    for chunk in response.iter_bytes():
        found += chunk
        if len(found) >= MOST_BYTES:
            break
        if time.perf_counter() > until:
            raise TimeoutError("the answer was not whole in time")
    return bytes(found[:MOST_BYTES])
