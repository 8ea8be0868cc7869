"""A Vault as far as its KV store of version 2 and its tokens go, over real HTTP.

What it does is what https://developer.hashicorp.com/vault/api-docs says of secret/kv/kv-v2,
auth/token and http status codes: versions are kept (ten, then the oldest goes), deleted ones are
answered 404 with their metadata, destroyed ones likewise, an unknown path 404 with no data, a wrong
or expired token 403, a sealed Vault 503, a quota 429. Tokens have a life and can be renewed.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

MAX_VERSIONS = 10
_NOW = "2026-01-01T00:00:00.000000000Z"


@dataclass
class Token:
    """`paths` may be read; it dies at `expires` (monotonic)."""

    paths: tuple[str, ...]
    creation_ttl: float = 3600.0
    renewable: bool = True
    expires: float = 0.0
    renewed: int = 0

    def __post_init__(self) -> None:
        self.expires = self.expires or time.monotonic() + self.creation_ttl


@dataclass
class Version:
    data: dict[str, object]
    deleted: bool = False
    destroyed: bool = False


@dataclass
class FakeVault:
    """Its state. Tests change it; the handler answers from it."""

    address: str = ""
    namespace: str | None = None
    tokens: dict[str, Token] = field(default_factory=dict)
    secrets: dict[str, dict[int, Version]] = field(default_factory=dict)
    sealed: bool = False
    quota: bool = False
    redirect: str | None = None
    delay_s: float = 0.0
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of each request."""

    def put(self, path: str, **data: object) -> int:
        """A new version; its number."""
        versions = self.secrets.setdefault(path, {})
        number = max(versions, default=0) + 1
        versions[number] = Version(dict(data))
        for old in [n for n in versions if n <= number - MAX_VERSIONS]:
            del versions[old]
        return number

    def delete(self, path: str, number: int) -> None:
        self.secrets[path][number].deleted = True

    def destroy(self, path: str, number: int) -> None:
        version = self.secrets[path][number]
        version.destroyed, version.data = True, {}

    def answer(
        self, method: str, target: str, token: str | None, namespace: str | None
    ) -> tuple[int, dict[str, object]]:
        """Status and body."""
        parts = urlsplit(target)
        path = unquote(parts.path).removeprefix("/v1/")
        self.asked.append((method, path))
        if self.sealed:
            return 503, {"errors": ["Vault is sealed"]}
        if self.quota:
            return 429, {"errors": ["request path: rate limit quota exceeded"]}
        if (namespace or None) != self.namespace:
            return 403, {"errors": ["permission denied"]}
        held = self.tokens.get(token or "")
        if held is None or held.expires <= time.monotonic():
            return 403, {"errors": ["permission denied", "invalid token"]}
        match (method, path):
            case ("GET", "auth/token/lookup-self"):
                left = int(held.expires - time.monotonic())
                return 200, {
                    "data": {
                        "ttl": left,
                        "creation_ttl": int(held.creation_ttl),
                        "renewable": held.renewable,
                        "id": token,
                    }
                }
            case ("POST", "auth/token/renew-self") if held.renewable:
                held.expires = time.monotonic() + held.creation_ttl
                held.renewed += 1
                auth = {"client_token": token, "lease_duration": int(held.creation_ttl)}
                return 200, {"auth": {**auth, "renewable": True}}
            case ("GET", _) if "/data/" in path:
                asked = parse_qs(parts.query).get("version", ["0"])[0]
                return self._read(held, path.replace("/data/", "/", 1), int(asked))
        return 404, {"errors": []}

    def _read(self, token: Token, path: str, number: int) -> tuple[int, dict[str, object]]:
        if not any(path.startswith(allowed) for allowed in token.paths):
            return 403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]}
        versions = self.secrets.get(path, {})
        number = number or max(versions, default=0)
        version = versions.get(number)
        if version is None:
            return 404, {"errors": []}
        metadata = {
            "created_time": _NOW,
            "custom_metadata": None,
            "deletion_time": _NOW if version.deleted else "",
            "destroyed": version.destroyed,
            "version": number,
        }
        if version.deleted or version.destroyed:
            return 404, {"data": {"data": None, "metadata": metadata}}
        return 200, {"data": {"data": version.data, "metadata": metadata}}


@contextmanager
def fake_vault() -> Iterator[FakeVault]:
    """A Vault that listens on loopback, with the token `root-token` for everything."""
    vault = FakeVault(tokens={"root-token": Token(("",))})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            time.sleep(vault.delay_s)
            if vault.redirect is not None:
                self.send_response(307)
                self.send_header("Location", vault.redirect)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            token, namespace = self.headers["X-Vault-Token"], self.headers["X-Vault-Namespace"]
            status, body = vault.answer(self.command, self.path, token, namespace)
            text = json.dumps({"request_id": "1", **body}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = _answer

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    vault.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield vault
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
