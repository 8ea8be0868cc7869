"""HashiCorp Vault: the KV store of version 2, over its HTTP API.

https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2 and .../api-docs/auth/token. The
token is read anew for each call, so that the file which Vault Agent keeps fresh can be named.
"""

import ipaddress
import json
import logging
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx2

from orchestrate.core.environment import BackendSettings, SecretSource
from orchestrate.core.errors import OrchestrateError, SecretSourceDenied, SecretSourceDown
from orchestrate.core.secret import Secret
from orchestrate.core.secret_rules import is_services_own
from orchestrate.providers.secrets.missing import missing

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
LONGEST = 1 << 20
"""Bytes of an answer; Vault's own limit for a secret is half of it."""
_BUSY = (412, 429, 472, 473, 500, 502, 503, 504)
_renewed: dict[int, float] = {}
"""When (monotonic) a token is next asked how long it lives, by the hash of where and what it is."""


class Vault:
    """One Vault, as one environment reaches it."""

    def __init__(self, settings: BackendSettings, environ: Mapping[str, str]) -> None:
        self._settings, self._environ = settings, environ

    def newest(self, source: SecretSource) -> str:
        found = self._read(source, None)
        self._member(source, found)
        return str(found["metadata"]["version"])

    def value(self, source: SecretSource, number: str) -> Secret:
        found = self._read(source, number)
        if str(found["metadata"]["version"]) != number:
            raise self._strange("it answered with another version than was asked for")
        return self._member(source, found)

    def _read(self, source: SecretSource, number: str | None) -> "_Version":
        path = f"{self._settings.mount.strip('/')}/data/{quote(source.name.strip('/'))}"
        query = {"version": number} if number else {}
        token = self._token()
        self._keep_alive(token)
        status, body = self._ask("GET", path, token, query)
        data = body.get("data")
        if status == 404:
            raise self._gone(source, number, data)
        self._refuse(status, source.text)
        if not isinstance(data, dict):
            raise self._strange("its answer has no data; is the mount a KV store of version 2?")
        values, metadata = data.get("data"), data.get("metadata")
        if not isinstance(values, dict) or not isinstance(metadata, dict):
            raise self._strange("its answer has no versions; is the mount a KV store of version 2?")
        return _Version(data=values, metadata=metadata)

    def _member(self, source: SecretSource, found: "_Version") -> Secret:
        value = found["data"].get(source.key or "")
        if isinstance(value, str):
            return Secret(value)
        raise SecretSourceDenied(
            f"{source.text} cannot be read",
            why=[f"{source.name} has no text called {source.key}"],
            fix=["correct `key` in orchestrate.yaml, or what is kept in Vault"],
        )

    def _keep_alive(self, token: Secret) -> None:
        """Renew a token that has less than half of its life left. One that may not ask about
        itself is used as it is."""
        mark = hash((self._address(), self._settings.namespace, token.reveal()))
        if time.monotonic() < _renewed.get(mark, 0.0):
            return
        status, body = self._ask("GET", "auth/token/lookup-self", token, {})
        data = body.get("data")
        if status != 200 or not isinstance(data, dict):
            _renewed[mark] = time.monotonic() + 60
            return
        left, whole = _seconds(data, "ttl"), _seconds(data, "creation_ttl")
        if data.get("renewable") is True and 0 < left < whole / 2:
            status, body = self._ask("POST", "auth/token/renew-self", token, {})
            if status != 200:
                log.warning("the token for Vault was not renewed: HTTP %s", status)
            auth = body.get("auth")
            left = _seconds(auth, "lease_duration") if isinstance(auth, dict) else left
        _renewed[mark] = time.monotonic() + (min(left / 4, 3600) if left else 3600)

    def _ask(
        self, method: str, path: str, token: Secret, query: Mapping[str, str]
    ) -> tuple[int, dict[str, object]]:
        """Status and body. Redirects are not followed: the token would go with them."""
        headers = {"X-Vault-Token": token.reveal(), "X-Vault-Request": "true"}
        if self._settings.namespace:
            headers["X-Vault-Namespace"] = self._settings.namespace.strip("/")
        url = f"{self._address()}/v1/{path}"
        try:
            with (
                httpx2.Client(verify=self._tls(), timeout=TIMEOUT_S, trust_env=False) as client,
                client.stream(method, url, headers=headers, params=dict(query)) as answer,
            ):
                text = b""
                for part in answer.iter_bytes():
                    text += part
                    if len(text) > LONGEST:
                        raise self._strange("its answer is too long")
                return answer.status_code, _object(text)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            # Only the kind: the text of some errors repeats the request.
            raise self._down(type(error).__name__) from None

    def _refuse(self, status: int, what: str) -> None:
        if status == 200:
            return
        if status in _BUSY:
            known = {503: "it is sealed or starting", 429: "it limits the rate of requests"}
            raise self._down(known.get(status, f"HTTP {status}"))
        if 300 <= status < 400:
            raise self._strange("it answered with a redirect; name the active node's address")
        raise SecretSourceDenied(
            f"Vault does not give {what}: HTTP {status}",
            why=[
                f"asked {self._address()} with the token from {self._settings.token}",
                "the token has expired, or its policy does not allow it",
            ],
            fix=[f'allow it: path "{self._settings.mount}/data/..." {{ capabilities = ["read"] }}'],
        )

    def _gone(self, source: SecretSource, number: str | None, data: object) -> OrchestrateError:
        metadata = data.get("metadata") if isinstance(data, dict) else None
        if isinstance(metadata, dict) and metadata.get("destroyed") is True:
            why = "that version was destroyed"
        elif isinstance(metadata, dict):
            why = "that version was deleted; it can be undeleted"
        else:
            why = "Vault knows no such path or version"
        return missing(source, number, why, f"vault kv put {source.name} ..., or undelete it")

    def _token(self) -> Secret:
        kind, _, place = self._settings.token.partition(":")
        if kind == "env" and is_services_own(place) and not place.startswith("VAULT_"):
            # It would be sent to whatever address the environment names.
            raise self._no_token(f"{place} is the service's own, and nothing of Vault's")
        try:
            text = self._environ.get(place) if kind == "env" else Path(place).read_text("utf-8")
        except OSError as error:
            raise self._no_token(f"{place}: {error.strerror}") from None
        if not text or not text.strip():
            raise self._no_token(f"{self._settings.token} is empty or not set")
        return Secret(text.strip())

    def _address(self) -> str:
        """Where it is; unencrypted only on this machine: the token travels with each request."""
        address = self._settings.address or self._environ.get("VAULT_ADDR", "")
        parts = urlsplit(address)
        if parts.scheme == "https" or (parts.scheme == "http" and _is_here(parts.hostname)):
            return address.rstrip("/")
        raise SecretSourceDenied(
            "Vault cannot be asked",
            why=[
                "its address is http, and the token would be readable on the way"
                if parts.scheme == "http"
                else "no address is set"
            ],
            fix=["secret_backends: {vault: {address: https://...}} in orchestrate.yaml"],
        )

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self._environ.get("VAULT_CACERT") or None)

    def _down(self, what: str) -> OrchestrateError:
        return SecretSourceDown(
            f"Vault does not answer: {what}",
            why=[f"asked {self._address()}", "nothing is used in its place; what runs goes on"],
            fix=["do it again, or unseal it"],
            retry_after_s=5,
        )

    def _strange(self, what: str) -> OrchestrateError:
        return SecretSourceDenied(
            "Vault's answer cannot be used",
            why=[what, f"asked {self._address()}"],
            fix=["correct `secret_backends` in orchestrate.yaml"],
        )

    def _no_token(self, why: str) -> OrchestrateError:
        return SecretSourceDenied(
            "there is no token for Vault",
            why=[why],
            fix=["start the service with VAULT_TOKEN, or name a file: token: file:/path"],
        )


class _Version(dict[str, dict[str, object]]):
    """`data` and `metadata` of one version."""


def _object(text: bytes) -> dict[str, object]:
    try:
        found = json.loads(text or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(data: Mapping[str, object], name: str) -> float:
    found = data.get(name)
    return float(found) if isinstance(found, int | float) else 0.0


def _is_here(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
