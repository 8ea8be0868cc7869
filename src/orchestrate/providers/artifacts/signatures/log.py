"""Whether an entry of a transparency log is about the very signature it came with.

A bundle whose entry is about another artifact proves nothing of this one (CVE-2026-22703). That the
log holds the entry is not asked here: with a key pair the key alone is trusted.
"""

import base64
import binascii
import hashlib
import hmac
import json

from pydantic import JsonValue

Json = dict[str, JsonValue]


def is_of(bundle: Json, payload: bytes, signature: bytes, pem: bytes) -> bool:
    """Of the older layout: `{SignedEntryTimestamp, Payload: {body, ...}}`."""
    inner = bundle.get("Payload")
    body = _body(inner.get("body")) if isinstance(inner, dict) else {}
    return _hashed(body, payload, signature, pem)


def is_of_envelope(entry: Json, payload: bytes, signature: bytes, pem: bytes) -> bool:
    """Of a bundle: an entry of a statement's envelope, as `dsse` or `hashedrekord` tells of it."""
    body = _body(entry.get("canonicalizedBody"))
    spec = body.get("spec")
    if body.get("kind") != "dsse" or not isinstance(spec, dict):
        return _hashed(body, payload, signature, pem)
    hashed, signatures = spec.get("payloadHash"), spec.get("signatures")
    if not isinstance(signatures, list) or len(signatures) != 1:
        return False
    first = signatures[0]
    return (
        isinstance(hashed, dict)
        and isinstance(first, dict)
        and hashed.get("value") == hashlib.sha256(payload).hexdigest()
        and _same(first.get("signature"), signature)
        and _same_key(first.get("verifier"), pem)
    )


def _hashed(body: Json, payload: bytes, signature: bytes, pem: bytes) -> bool:
    spec = body.get("spec")
    if body.get("kind") != "hashedrekord" or not isinstance(spec, dict):
        return False
    data, signed = spec.get("data"), spec.get("signature")
    if not isinstance(data, dict) or not isinstance(signed, dict):
        return False
    hashed, key = data.get("hash"), signed.get("publicKey")
    return (
        isinstance(hashed, dict)
        and isinstance(key, dict)
        and hashed.get("value") == hashlib.sha256(payload).hexdigest()
        and _same(signed.get("content"), signature)
        and _same_key(key.get("content"), pem)
    )


def _same(text: JsonValue, expected: bytes) -> bool:
    return hmac.compare_digest(_decoded(text), expected)


def _same_key(text: JsonValue, pem: bytes) -> bool:
    return hmac.compare_digest(_decoded(text).strip(), pem.strip())


def _body(text: JsonValue) -> Json:
    try:
        found = json.loads(_decoded(text) or b"null")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _decoded(text: JsonValue) -> bytes:
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return b""
