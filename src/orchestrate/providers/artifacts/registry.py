"""Reading from an OCI registry: manifests, configs and what is attached to them, by digest.

Whatever comes is hashed here: a registry that answers other bytes for a digest is caught.
"""

import base64
import hashlib
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from pydantic import JsonValue

from orchestrate.core.errors import (
    ArtifactInvalid,
    ArtifactMissing,
    ProviderUnavailable,
    TemporaryError,
)
from orchestrate.core.secret import Secret
from orchestrate.providers.outbound import Answer, Outbound

Json = dict[str, JsonValue]
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
REVISION_LABEL = "org.opencontainers.image.revision"
MOST_BYTES = 4 << 20
HUB = "docker.io"
"""Docker Hub by the name that people write; the registry answers at a name of its own."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CHALLENGE = re.compile(r'([a-z]+)="([^"]*)"')
_PATH = re.compile(r"[a-z0-9]+([._/-]+[a-z0-9]+)*")


@dataclass(frozen=True)
class Login:
    username: str
    password: Secret


@dataclass(frozen=True)
class Manifest:
    """A manifest, with the digest of its very bytes."""

    digest: str
    media_type: str
    body: Json
    size: int


class Registry:
    """One repository at its registry. `reference` is such as `host:5000/team/shop:1.4.2`."""

    def __init__(self, reference: str, outbound: Outbound, login: Login | None = None) -> None:
        self.host, self.repository = _split(reference)
        scheme = "http" if _is_here(self.host) else "https"  # as the engines do it
        answering = f"registry-1.{HUB}" if self.host == HUB else self.host
        self._base = f"{scheme}://{answering}/v2/{self.repository}"
        self._outbound, self._login = outbound, login
        self._token: Secret | None = None

    @property
    def name(self) -> str:
        return f"{self.host}/{self.repository}"

    def manifest(self, reference: str) -> Manifest | None:
        """The manifest of a tag or a digest, None when there is none."""
        path = f"/manifests/{quote(reference, safe=':')}"
        answer = self._get(path, {"accept": ", ".join(MANIFESTS)})
        if answer.status == 404:
            return None
        self._expect(answer, f"{self.name}@{reference}")
        found = _hash(answer.body)
        if _DIGEST.fullmatch(reference) and found != reference:
            raise self._other_bytes(reference)
        body = _object(answer.body)
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip()
        return Manifest(found, media_type, body, len(answer.body))

    def tags(self) -> list[str]:
        """The tags of the repository; none when there is no such repository."""
        answer = self._get("/tags/list", {})
        if answer.status == 404:
            return []
        self._expect(answer, f"the tags of {self.name}")
        found = _object(answer.body).get("tags")
        return [str(tag) for tag in found] if isinstance(found, list) else []

    def blob(self, digest: str) -> bytes:
        """A small blob. Raises ArtifactMissing, and ArtifactInvalid when its bytes are others."""
        if not _DIGEST.fullmatch(digest):
            raise ArtifactInvalid(f"{self.name} names the blob {digest[:80]!r}, which is no digest")
        answer = self._get(f"/blobs/{digest}", {}, redirects=3)
        if answer.status == 404:
            raise ArtifactMissing(f"{self.name}@{digest[:19]} is not at its registry")
        self._expect(answer, f"{self.name}@{digest[:19]}")
        if _hash(answer.body) != digest:
            raise self._other_bytes(digest)
        return answer.body

    def referrers(self, digest: str, artifact_type: str) -> list[Json]:
        """Descriptors of what is attached to `digest`: by the API, or by its tag where the registry
        has none."""
        query = urlencode({"artifactType": artifact_type})
        answer = self._get(f"/referrers/{digest}?{query}", {})
        if answer.ok:
            index = _object(answer.body)
        elif answer.status == 404:
            fallback = self.manifest(digest.replace(":", "-"))
            index = fallback.body if fallback else {}
        else:
            self._expect(answer, f"what is attached to {self.name}@{digest[:19]}")
        found = index.get("manifests")
        listed = (
            [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
        )
        return [each for each in listed if each.get("artifactType") == artifact_type]

    def labels(self, digest: str) -> Mapping[str, str]:
        """The labels of an image; of an index those of its first image. Raises ArtifactMissing."""
        manifest = self.manifest(digest)
        if manifest is None:
            raise ArtifactMissing(f"{self.name}@{digest[:19]} is not at its registry")
        children = manifest.body.get("manifests")
        if isinstance(children, list):
            images = [each for each in children if isinstance(each, dict) and not _is_proof(each)]
            return self.labels(str(images[0].get("digest"))) if images else {}
        config = manifest.body.get("config")
        place = str(config.get("digest")) if isinstance(config, dict) else ""
        inner = _object(self.blob(place)).get("config")
        labels = inner.get("Labels") if isinstance(inner, dict) else None
        return {k: str(v) for k, v in labels.items()} if isinstance(labels, dict) else {}

    def _get(self, path: str, headers: Mapping[str, str], redirects: int = 0) -> Answer:
        answer = self._ask(path, headers, redirects)
        if answer.status == 401 and self._token is None:
            self._token = self._log_in(answer.headers.get("www-authenticate", ""))
            answer = self._ask(path, headers, redirects)
        if answer.status in (401, 403):
            raise ProviderUnavailable(
                f"the registry refuses {self.name}",
                why=[f"it {answer.said}"],
                fix=["give the environment credentials that may read it"],
            )
        return answer

    def _ask(self, path: str, headers: Mapping[str, str], redirects: int) -> Answer:
        given: dict[str, str | Secret] = dict(headers)
        if self._token is not None:
            given["authorization"] = self._token
        return self._outbound.send(
            "GET", self._base + path, headers=given, most_bytes=MOST_BYTES, redirects=redirects
        )

    def _log_in(self, challenge: str) -> Secret:
        """What to send as Authorization from now on."""
        kind, _, rest = challenge.partition(" ")
        if kind.lower() == "basic":
            if self._login is None:
                raise ProviderUnavailable(
                    f"the registry of {self.name} asks for a password",
                    fix=["give the environment credentials that may read it"],
                )
            return self._basic(self._login)
        said = dict(_CHALLENGE.findall(rest))
        realm = said.get("realm", "")
        if kind.lower() != "bearer" or not realm:
            raise ProviderUnavailable(f"the registry of {self.name} asks in an unknown way")
        scope = {k: said[k] for k in ("service", "scope") if k in said}
        headers = {"authorization": self._basic(self._login)} if self._login else {}
        url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(scope)}"
        answer = self._outbound.send("GET", url, headers=headers, most_bytes=MOST_BYTES)
        self._expect(answer, f"a token for {self.name}")
        body = _object(answer.body)
        token = body.get("token") or body.get("access_token")
        if not isinstance(token, str):
            raise ProviderUnavailable(f"the registry of {self.name} gave no token")
        return Secret(f"Bearer {token}")

    @staticmethod
    def _basic(login: Login) -> Secret:
        pair = f"{login.username}:{login.password.reveal()}".encode()
        return Secret(f"Basic {base64.b64encode(pair).decode('ascii')}")

    def _expect(self, answer: Answer, what: str) -> None:
        if answer.ok:
            return
        raise TemporaryError(
            f"the registry did not give {what}", why=[f"it {answer.said}"], retry_after_s=5.0
        )

    def _other_bytes(self, digest: str) -> ArtifactInvalid:
        return ArtifactInvalid(
            f"the registry answers other bytes for {self.name}@{digest[:19]}",
            why=["what was received does not have the digest it was asked by"],
            fix=["do not use this registry until somebody has looked at it"],
        )


def has_host(reference: str) -> bool:
    """Whether an image's name begins with a registry's host."""
    first, slash, _ = reference.partition("/")
    return bool(slash) and ("." in first or ":" in first or first == "localhost")


def _split(reference: str) -> tuple[str, str]:
    host, _, path = reference.partition("/")
    path = path.partition("@")[0].partition(":")[0]
    if not has_host(reference) or not _PATH.fullmatch(path):
        raise ArtifactInvalid(
            f"{reference[:100]!r} names no registry",
            why=["what the engine alone has can be neither signed nor looked up"],
            fix=["push it to a registry, and name it as host/repository:tag"],
        )
    if host == HUB and "/" not in path:
        path = f"library/{path}"  # an official image, as the engines do it
    return host, path


def _is_here(host: str) -> bool:
    name = host.rsplit(":", 1)[0].strip("[]")
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _hash(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _object(content: bytes) -> Json:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as problem:
        raise ArtifactInvalid("the registry answered something that is no JSON") from problem
    if not isinstance(found, dict):
        raise ArtifactInvalid("the registry answered JSON of another form")
    return found


def _is_proof(descriptor: Json) -> bool:
    """Attestations stand in an index beside the images."""
    notes = descriptor.get("annotations")
    return isinstance(notes, dict) and "vnd.docker.reference.type" in notes
