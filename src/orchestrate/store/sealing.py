"""The envelope: a value under a key of its own, and that key under a master key.

AES-256-GCM twice. What a row is about (store, environment, name, version) is authenticated with
it, so a row that was moved, renamed or mixed with another does not open. GCM alone does not bind
a ciphertext to one key; `commit` does.
"""

import hashlib
import hmac
import os
import struct
from dataclasses import dataclass, replace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from orchestrate.core.errors import SecretUnreadable
from orchestrate.store.ring import Key

FORMAT = 1
ALGORITHM = "A256GCM"
_NONCE = 12
_COMMIT = b"orchestrate/dek-commit/v1"
_WRAP = "orchestrate/dek/v1"


@dataclass(frozen=True)
class Sealed:
    """What is kept of a value. Nothing here is secret."""

    v: int
    alg: str
    kid: str
    """Id of the master key that `wrap` is under."""
    commit: bytes
    wrap_nonce: bytes
    wrap: bytes
    nonce: bytes
    ct: bytes


def about(*fields: str) -> bytes:
    """The fields as one text that no other fields give: each after its length."""
    parts = (field.encode("utf-8") for field in fields)
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def seal(master: Key, value: bytes, aad: bytes) -> Sealed:
    """`value` under a fresh key, and that under `master`. 15 microseconds."""
    data_key, nonce = os.urandom(32), os.urandom(_NONCE)
    wrap_nonce, wrap = _wrapped(master, data_key, aad)
    return Sealed(
        v=FORMAT,
        alg=ALGORITHM,
        kid=master.id,
        commit=_commitment(data_key),
        wrap_nonce=wrap_nonce,
        wrap=wrap,
        nonce=nonce,
        ct=AESGCM(data_key).encrypt(nonce, value, aad),
    )


def unseal(master: Key, sealed: Sealed, aad: bytes) -> bytes:
    """The value. Raises SecretUnreadable when anything about it is not as it was sealed."""
    data_key = _data_key(master, sealed, aad)
    try:
        return AESGCM(data_key).decrypt(sealed.nonce, sealed.ct, aad)
    except InvalidTag:
        raise _broken("its value was changed, or belongs to another row") from None


def rewrap(old: Key, new: Key, sealed: Sealed, aad: bytes) -> Sealed:
    """The same value under another master key: `nonce`, `ct` and `commit` stay as they are."""
    nonce, wrap = _wrapped(new, _data_key(old, sealed, aad), aad)
    return replace(sealed, kid=new.id, wrap_nonce=nonce, wrap=wrap)


def derived(root: bytes, label: str) -> bytes:
    """32 bytes for one purpose, by HKDF-SHA256; `label` names the purpose."""
    return HKDF(SHA256(), 32, None, about("orchestrate/subkey/v1", label)).derive(root)


def _wrapped(master: Key, data_key: bytes, aad: bytes) -> tuple[bytes, bytes]:
    nonce = os.urandom(_NONCE)
    return nonce, AESGCM(master.value).encrypt(nonce, data_key, about(_WRAP, master.id) + aad)


def _data_key(master: Key, sealed: Sealed, aad: bytes) -> bytes:
    if (sealed.v, sealed.alg) != (FORMAT, ALGORITHM):
        raise _broken(f"it has format {sealed.v} {sealed.alg}, which this version does not know")
    if sealed.kid != master.id:
        raise _broken(f"it is under master key {sealed.kid}, not {master.id}")
    try:
        bound = about(_WRAP, sealed.kid) + aad
        data_key = AESGCM(master.value).decrypt(sealed.wrap_nonce, sealed.wrap, bound)
    except (InvalidTag, ValueError):
        raise _broken("its key was changed, or belongs to another row") from None
    if not hmac.compare_digest(_commitment(data_key), sealed.commit):
        raise _broken("its key is not the one it was sealed with")
    return data_key


def _commitment(data_key: bytes) -> bytes:
    return hashlib.sha256(_COMMIT + data_key).digest()


def _broken(what: str) -> SecretUnreadable:
    return SecretUnreadable(
        "a sealed value does not open",
        why=[what, "a row of the store was changed by somebody else, or is damaged"],
        fix=["restore the store from a backup, or set the secret again"],
    )
