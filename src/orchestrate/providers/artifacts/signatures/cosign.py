"""Signatures of images that cosign makes with a key pair, in both layouts.

The older one is a manifest under the tag `sha256-<digest>.sig` (SIGNATURE_SPEC.md), the newer one a
sigstore bundle that is attached to the image (BUNDLE_SPEC.md). Several signatures may be there; one
by the trusted key is enough.
"""

import base64
import binascii
import hashlib
import json

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from pydantic import JsonValue

from orchestrate.core.errors import SignatureInvalid, Unsigned
from orchestrate.providers.artifacts.registry import Json, Registry
from orchestrate.providers.artifacts.signatures import Signed, log

SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
STATEMENT = "application/vnd.in-toto+json"
PREDICATE = "https://sigstore.dev/cosign/sign/v1"
TYPE = "cosign container image signature"
_SIGNATURE = "dev.cosignproject.cosign/signature"
_LOG = "dev.sigstore.cosign/bundle"
MOST = 50
"""Signatures that are looked at."""

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey


class _Bad(Exception):
    """Why one signature does not hold."""


def verify(registry: Registry, digest: str, pem: str) -> Signed:
    """That the key in `pem` signed the image `digest`. Raises Unsigned, SignatureInvalid."""
    key = load_key(pem)
    bad: list[str] = []
    for layout, check in (("signature tag", _tagged), ("bundle", _attached)):
        for place, found in check(registry, digest, key):
            if not isinstance(found, _Bad):
                facts: dict[str, JsonValue] = {
                    "layout": layout, "place": place, "key": fingerprint(key), "log": found,
                }  # fmt: skip
                return Signed(who=fingerprint(key)[:19], facts=facts)
            bad.append(f"{layout} {place}: {found}")
    if not bad:
        raise Unsigned(
            f"{registry.name}@{digest[:19]} is not signed",
            why=["neither a signature tag nor an attached bundle is there"],
            fix=["sign it: cosign sign --key KEY " + f"{registry.name}@{digest}"],
        )
    raise SignatureInvalid(
        f"no signature of {registry.name}@{digest[:19]} is by the key it should be by",
        why=bad[:5],
        fix=["sign it with the right key, or find out who signed it"],
    )


def load_key(pem: str) -> PublicKey:
    """A public key. Raises SignatureInvalid for what is none."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as problem:
        raise SignatureInvalid("the cosign key is no public key in PEM") from problem
    if isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey):
        return key
    raise SignatureInvalid("the cosign key is of a kind that signs nothing here")


def fingerprint(key: PublicKey) -> str:
    """`sha256:...` of the key itself."""
    return f"sha256:{hashlib.sha256(_spki(key)).hexdigest()}"


def _tagged(registry: Registry, digest: str, key: PublicKey) -> list[tuple[str, "str | _Bad"]]:
    manifest = registry.manifest(digest.replace(":", "-") + ".sig")
    if manifest is None:
        return []
    layers = manifest.body.get("layers")
    found: list[tuple[str, str | _Bad]] = []
    for layer in (layers if isinstance(layers, list) else [])[:MOST]:
        if isinstance(layer, dict) and layer.get("mediaType") == SIMPLE:
            place = str(layer.get("digest"))
            try:
                found.append((place[:19], _layer(registry, digest, key, layer)))
            except _Bad as bad:
                found.append((place[:19], bad))
    return found


def _layer(registry: Registry, digest: str, key: PublicKey, layer: Json) -> str:
    notes = layer.get("annotations")
    if not isinstance(notes, dict):
        raise _Bad("it has no signature")
    payload = registry.blob(str(layer.get("digest")))
    signature = _decoded(notes.get(_SIGNATURE))
    _check(key, signature, payload)
    critical = _json(payload).get("critical")
    image = critical.get("image") if isinstance(critical, dict) else None
    if not isinstance(critical, dict) or critical.get("type") != TYPE:
        raise _Bad("it is no signature of an image")
    if not isinstance(image, dict) or image.get("docker-manifest-digest") != digest:
        raise _Bad("it is the signature of another image")
    entry = notes.get(_LOG)
    if not isinstance(entry, str):
        return "none"
    if not log.is_of(_json(entry.encode()), payload, signature, _pem(key)):
        raise _Bad("its log entry is about something else")
    return "names this digest, key and signature; the log itself was not asked"


def _attached(registry: Registry, digest: str, key: PublicKey) -> list[tuple[str, "str | _Bad"]]:
    found: list[tuple[str, str | _Bad]] = []
    for descriptor in registry.referrers(digest, BUNDLE)[:MOST]:
        place = str(descriptor.get("digest"))
        try:
            found.append((place[:19], _bundle(registry, digest, key, place)))
        except _Bad as bad:
            found.append((place[:19], bad))
    return found


def read_bundle(registry: Registry, digest: str, place: str) -> Json | None:
    """The bundle that the manifest `place` attaches to `digest`; None when it is about another."""
    manifest = registry.manifest(place)
    subject = manifest.body.get("subject") if manifest else None
    if manifest is None or not isinstance(subject, dict) or subject.get("digest") != digest:
        return None
    layers = manifest.body.get("layers")
    first = layers[0] if isinstance(layers, list) and layers else None
    if not isinstance(first, dict) or first.get("mediaType") != BUNDLE:
        return None
    return _json(registry.blob(str(first.get("digest"))))


def _bundle(registry: Registry, digest: str, key: PublicKey, place: str) -> str:
    bundle = read_bundle(registry, digest, place)
    if bundle is None:
        raise _Bad("it is attached to another image")
    envelope, material = bundle.get("dsseEnvelope"), bundle.get("verificationMaterial")
    if not isinstance(envelope, dict) or not isinstance(material, dict):
        raise _Bad("it is no envelope")
    if "publicKey" not in material:
        raise _Bad("it is by a certificate, not by a key")
    payload, kind = _decoded(envelope.get("payload")), envelope.get("payloadType")
    signatures = envelope.get("signatures")
    first = signatures[0] if isinstance(signatures, list) and len(signatures) == 1 else None
    if not isinstance(first, dict) or kind != STATEMENT:
        raise _Bad("it is no signed statement")
    signature = _decoded(first.get("sig"))
    _check(key, signature, pae(STATEMENT, payload))
    said = statement_digests(payload)
    if digest.removeprefix("sha256:") not in said:
        raise _Bad("it is the signature of another image")
    entries = material.get("tlogEntries")
    if not isinstance(entries, list) or not entries:
        return "none"
    for entry in entries:
        if not isinstance(entry, dict) or not log.is_of_envelope(
            entry, payload, signature, _pem(key)
        ):
            raise _Bad("its log entry is about something else")
    return "names this digest, key and signature; the log itself was not asked"


def statement_digests(payload: bytes) -> list[str]:
    """The sha256 digests that a cosign statement is about; none of any other statement."""
    statement = _json(payload)
    if statement.get("predicateType") != PREDICATE:
        return []
    subjects = statement.get("subject")
    digests = [
        each.get("digest")
        for each in (subjects if isinstance(subjects, list) else [])
        if isinstance(each, dict)
    ]
    return [str(each.get("sha256")) for each in digests if isinstance(each, dict)]


def pae(kind: str, payload: bytes) -> bytes:
    """What DSSE signs."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


def _check(key: PublicKey, signature: bytes, message: bytes) -> None:
    try:
        match key:
            case ec.EllipticCurvePublicKey():
                key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
            case ed25519.Ed25519PublicKey():
                key.verify(signature, message)
            case rsa.RSAPublicKey():
                key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise _Bad("it is by another key, or was changed") from None


def _decoded(text: JsonValue) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        raise _Bad("it is not base64") from None


def _json(content: bytes) -> Json:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise _Bad("it is no JSON") from None
    if not isinstance(found, dict):
        raise _Bad("it is no JSON object")
    return found


def _spki(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _pem(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
