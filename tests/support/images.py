"""Images in a registry, made and signed by hand: every byte of what is there is known."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from http.client import HTTPConnection

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import JsonValue

from orchestrate.providers.artifacts.signatures.cosign import (
    BUNDLE,
    PREDICATE,
    SIMPLE,
    STATEMENT,
    TYPE,
    pae,
)

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
Json = dict[str, JsonValue]


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def canonical(value: Json) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Pair:
    """A key pair as cosign makes them."""

    private: ec.EllipticCurvePrivateKey

    @classmethod
    def new(cls) -> Pair:
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @property
    def pem(self) -> str:
        return (
            self.private.public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            .decode("ascii")
        )

    def sign(self, message: bytes) -> bytes:
        return self.private.sign(message, ec.ECDSA(hashes.SHA256()))


@dataclass(frozen=True)
class Images:
    """Writes to one repository of the registry at `host`."""

    host: str
    repository: str = "team/app"

    def reference(self, tag: str) -> str:
        return f"{self.host}/{self.repository}:{tag}"

    def image(self, tag: str, labels: dict[str, str] | None = None, text: str = "") -> str:
        """Push an image with no layer; its digest."""
        config: Json = {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": []},
            "config": {"Labels": dict(labels or {})},
            "author": text or tag,
        }
        manifest: Json = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._described(
                canonical(config), "application/vnd.oci.image.config.v1+json"
            ),
            "layers": [],
        }
        return self.put(tag, manifest, MANIFEST)

    def index(self, tag: str, *digests: str) -> str:
        """Push an index of images that are there; its digest."""
        listed: list[JsonValue] = [
            {"mediaType": MANIFEST, "digest": each, "size": 1, "platform": {"os": "linux"}}
            for each in digests
        ]
        return self.put(tag, {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}, INDEX)

    def tag_signature(
        self, digest: str, pair: Pair, *, about: str | None = None, log: Json | None = None
    ) -> None:
        """A signature in the older layout, under the tag of `digest`; `about` another digest when
        it is forged."""
        payload = canonical(
            {
                "critical": {
                    "identity": {"docker-reference": f"{self.host}/{self.repository}"},
                    "image": {"docker-manifest-digest": about or digest},
                    "type": TYPE,
                },
                "optional": None,
            }
        )
        self.put_tag_signature(digest, payload, pair.sign(payload), log)

    def put_tag_signature(
        self, digest: str, payload: bytes, signature: bytes, log: Json | None = None
    ) -> None:
        notes: Json = {"dev.cosignproject.cosign/signature": base64.b64encode(signature).decode()}
        if log is not None:
            notes["dev.sigstore.cosign/bundle"] = json.dumps(log)
        manifest: Json = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._described(b"{}", "application/vnd.oci.image.config.v1+json"),
            "layers": [{**self._described(payload, SIMPLE), "annotations": notes}],
        }
        self.put(digest.replace(":", "-") + ".sig", manifest, MANIFEST)

    def attach(self, digest: str, bundle: Json, *, subject: str | None = None) -> None:
        """Attach a bundle to `digest`, and list it under the fallback tag."""
        manifest: Json = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": BUNDLE,
            "config": self._described(b"{}", "application/vnd.oci.empty.v1+json"),
            "layers": [self._described(canonical(bundle), BUNDLE)],
            "subject": {"mediaType": MANIFEST, "digest": subject or digest, "size": 1},
        }
        place = self.put(None, manifest, MANIFEST)
        listed: Json = {"mediaType": MANIFEST, "digest": place, "size": 1, "artifactType": BUNDLE}
        self.put(
            digest.replace(":", "-"),
            {"schemaVersion": 2, "mediaType": INDEX, "manifests": [listed]},
            INDEX,
        )

    def bundle_signature(
        self, digest: str, pair: Pair, *, about: str | None = None, log: Json | None = None
    ) -> None:
        """A signature in the newer layout."""
        self.attach(digest, bundle_of(about or digest, pair, log=log))

    def put(self, reference: str | None, manifest: Json, media_type: str) -> str:
        content = canonical(manifest)
        place = reference or digest_of(content)
        self._call("PUT", f"manifests/{place}", content, media_type, 201)
        return digest_of(content)

    def _described(self, content: bytes, media_type: str) -> Json:
        digest = digest_of(content)
        place = self._call("POST", "blobs/uploads/", b"", "text/plain", 202)
        mark = "&" if "?" in place else "?"
        self._call("PUT", f"{place}{mark}digest={digest}", content, "application/octet-stream", 201)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def _call(self, method: str, path: str, content: bytes, kind: str, expected: int) -> str:
        connection = HTTPConnection(self.host, timeout=20)
        try:
            target = path.removeprefix(f"http://{self.host}")
            if not target.startswith("/"):
                target = f"/v2/{self.repository}/{target}"
            connection.request(method, target, body=content, headers={"Content-Type": kind})
            answer = connection.getresponse()
            said = answer.read()
            assert answer.status == expected, (answer.status, said)
            return answer.headers.get("Location") or ""
        finally:
            connection.close()


def bundle_of(digest: str, pair: Pair, *, log: Json | None = None) -> Json:
    """A sigstore bundle by a key pair about `digest`."""
    statement = canonical(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"digest": {"sha256": digest.removeprefix("sha256:")}}],
            "predicateType": PREDICATE,
            "predicate": {},
        }
    )
    signature = pair.sign(pae(STATEMENT, statement))
    entries: list[JsonValue] = [log] if log is not None else []
    return {
        "mediaType": BUNDLE,
        "verificationMaterial": {"publicKey": {"hint": "x"}, "tlogEntries": entries},
        "dsseEnvelope": {
            "payload": base64.b64encode(statement).decode(),
            "payloadType": STATEMENT,
            "signatures": [{"sig": base64.b64encode(signature).decode()}],
        },
    }


def hashedrekord(payload: bytes, signature: bytes, pem: str) -> Json:
    """The body of a log entry about a signature."""
    return {
        "apiVersion": "0.0.1",
        "kind": "hashedrekord",
        "spec": {
            "data": {"hash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()}},
            "signature": {
                "content": base64.b64encode(signature).decode(),
                "publicKey": {"content": base64.b64encode(pem.encode()).decode()},
            },
        },
    }


def entry_of_tag(body: Json) -> Json:
    return {"SignedEntryTimestamp": "x", "Payload": {"body": _b64(body), "logIndex": 1}}


def entry_of_bundle(body: Json) -> Json:
    return {"logIndex": "1", "canonicalizedBody": _b64(body)}


def _b64(body: Json) -> str:
    return base64.b64encode(canonical(body)).decode()
