"""A registry of images by its HTTP API: which digest a name has, and which tags there are.

Nothing is pulled. Credentials go to the registry itself, and to the token service it names, over
TLS; without TLS only to this machine.
"""

import base64
import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote, urlsplit

import httpx2

from orchestrate.core.errors import ProviderUnavailable, RateLimited, TemporaryError
from orchestrate.core.secret import Secret
from orchestrate.core.untrusted import clean

TIMEOUT_S = 15.0
MOST_BYTES = 4 << 20
ACCEPT = ", ".join(
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)
HUB = "registry-1.docker.io"
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Login:
    """Who asks a registry."""

    username: Secret
    password: Secret

    def basic(self) -> str:
        pair = f"{self.username.reveal()}:{self.password.reveal()}"
        return "Basic " + base64.b64encode(pair.encode()).decode()


@dataclass(frozen=True)
class Name:
    """`host/repository:tag` or `host/repository@digest`, taken apart."""

    host: str
    repository: str
    reference: str

    @property
    def pinned(self) -> str:
        return f"{self.host}/{self.repository}"


def name_of(image: str) -> Name:
    """The parts of an image's name; one without a tag has `latest`."""
    host, _, rest = image.partition("/")
    if "@" in rest:
        repository, _, reference = rest.partition("@")
        return Name(host, repository.partition(":")[0], reference)
    repository, _, tag = rest.partition(":")
    return Name(host, repository, tag or "latest")


class Registry:
    """The registry at `host`, asked as `login` or as nobody."""

    def __init__(self, host: str, login: Login | None = None) -> None:
        self.host, self.login = host, login
        at = HUB if host in ("docker.io", "index.docker.io") else host
        self.url = f"{'http' if _loopback(at) else 'https'}://{at}"

    def digest(self, name: Name) -> str | None:
        """The digest of a tag, or of a digest itself; None when there is no such image.

        Raises ProviderUnavailable when the registry refuses, TemporaryError when it cannot answer.
        """
        path = f"/v2/{name.repository}/manifests/{name.reference}"
        found = self._ask("HEAD", path, name.repository)
        if found is None:
            return None
        told = found.headers.get("docker-content-digest", "")
        if _DIGEST.fullmatch(told):
            return str(told)
        # A registry need not say it with HEAD; the digest is that of the manifest's bytes.
        whole = self._ask("GET", path, name.repository)
        return f"sha256:{hashlib.sha256(whole.content).hexdigest()}" if whole else None

    def tags(self, repository: str) -> list[str]:
        """The tags of a repository; none when there is no such repository."""
        found = self._ask("GET", f"/v2/{repository}/tags/list", repository)
        tags = found.json().get("tags") if found is not None else None
        return [str(tag) for tag in tags] if isinstance(tags, list) else []

    def _ask(self, method: str, path: str, repository: str) -> httpx2.Response | None:
        """An answer; None for 404."""
        response = self._send(method, self.url + path, {})
        if response.status_code == 401:
            granted = self._grant(response.headers.get("www-authenticate", ""), repository)
            response = self._send(method, self.url + path, {"authorization": granted})
        said = clean(response.text[:400]) if method != "HEAD" else f"HTTP {response.status_code}"
        match response.status_code:
            case 200:
                return response
            case 404:
                return None
            case 401 | 403:
                raise ProviderUnavailable(
                    f"the registry {self.host} refuses {repository}",
                    why=[said, f"asked as {'the given user' if self.login else 'nobody'}"],
                    fix=["name secrets with user and password as `credentials` in config"],
                )
            case 429:
                raise RateLimited(
                    f"the registry {self.host} asks for patience",
                    retry_after_s=_seconds(response.headers.get("retry-after")),
                )
        raise TemporaryError(f"the registry {self.host} does not answer well", why=[said])

    def _grant(self, challenge: str, repository: str) -> str:
        """The authorization that a 401 asks for."""
        kind, _, rest = challenge.partition(" ")
        told: Mapping[str, str] = dict(_PARAMETER.findall(rest))
        if kind.lower() == "basic" and self.login is not None:
            return self.login.basic()
        realm = told.get("realm", "")
        if kind.lower() != "bearer" or not _safe(realm):
            raise ProviderUnavailable(
                f"the registry {self.host} refuses {repository}",
                why=[f"it asks for {clean(challenge, limit=200) or 'something unknown'}"],
                fix=["name secrets with user and password as `credentials` in config"],
            )
        scope = told.get("scope") or f"repository:{repository}:pull"
        query = f"scope={quote(scope)}&service={quote(told.get('service', ''))}"
        headers = {"authorization": self.login.basic()} if self.login else {}
        response = self._send("GET", f"{realm}?{query}", headers)
        if response.status_code != 200:
            raise ProviderUnavailable(
                f"the registry {self.host} grants no access to {repository}",
                why=[f"{urlsplit(realm).netloc} answered {response.status_code}"],
                fix=["check user and password, named as `credentials` in config"],
            )
        answer = response.json()
        return f"Bearer {answer.get('token') or answer.get('access_token')}"

    def _send(self, method: str, url: str, headers: Mapping[str, str]) -> httpx2.Response:
        sent = {"accept": ACCEPT, "user-agent": "orchestrate", **headers}
        try:
            here = _loopback(urlsplit(url).netloc)
            response = _client(here).request(method, url, headers=sent, timeout=TIMEOUT_S)
        except httpx2.HTTPError as problem:
            raise TemporaryError(
                f"the registry {self.host} does not answer",
                why=[clean(str(problem), limit=200) or type(problem).__name__],
                retry_after_s=5.0,
            ) from problem
        if len(response.content) > MOST_BYTES:
            raise TemporaryError(f"the registry {self.host} answers with too much")
        return response


@cache
def _client(here: bool) -> httpx2.Client:
    # A proxy of the service's environment may lead to other machines, and never to this one.
    return httpx2.Client(follow_redirects=False, trust_env=not here)


def _loopback(host: str) -> bool:
    name = host.rsplit(":", 1)[0].strip("[]")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _safe(realm: str) -> bool:
    """Whether a password may be sent there."""
    parts = urlsplit(realm)
    if parts.scheme == "https":
        return bool(parts.hostname)
    return parts.scheme == "http" and _loopback(parts.netloc)


def _seconds(value: str | None) -> float | None:
    return float(value) if value and value.isdigit() else None
