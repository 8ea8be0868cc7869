"""Master keys by their ids, and the text they are kept in."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field

from orchestrate.core.errors import MasterKeyInvalid

LENGTH = 32
"""Bytes of a master key: AES-256."""
_LABEL = b"orchestrate/key-id/v1"


@dataclass(frozen=True)
class Key:
    """One master key. Its value is in no repr, and its id tells nothing about it."""

    value: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """16 hexadecimal characters: sha256(label || key), cut."""
        return hashlib.sha256(_LABEL + self.value).hexdigest()[:16]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and hmac.compare_digest(self.value, other.value)

    def __hash__(self) -> int:
        return hash(self.id)


@dataclass(frozen=True)
class KeyRing:
    """Every master key that is at hand. The first seals what is new; the others open only."""

    keys: tuple[Key, ...]

    @property
    def primary(self) -> Key:
        return self.keys[0]

    def find(self, identity: str) -> Key | None:
        """The key of that id, None when it is not at hand."""
        return next((key for key in self.keys if key.id == identity), None)


def parsed(text: str, where: str) -> tuple[Key, ...]:
    """The keys in `text`: base64 of 32 bytes each, the first one seals; `#` begins a comment.

    Raises MasterKeyInvalid, which names the line and never what stands on it.
    """
    found: list[Key] = []
    for number, line in enumerate(text.splitlines(), 1):
        for word in line.partition("#")[0].replace(",", " ").split():
            found.append(_key(word, f"{where}, line {number}"))
    if not found:
        raise _invalid(f"{where} holds no key")
    if len({key.id for key in found}) != len(found):
        raise _invalid(f"{where} holds the same key twice")
    return tuple(found)


def written(keys: Iterable[Key]) -> str:
    """The text that `parsed` reads."""
    lines = [base64.b64encode(key.value).decode("ascii") for key in keys]
    head = "# Orchestrate's master keys. The first seals what is new; the others open what is old."
    return "\n".join([head, *lines, ""])


def checked(value: bytes, where: str) -> Key:
    """The key of these bytes. Raises MasterKeyInvalid for another length, or no randomness."""
    if len(value) != LENGTH:
        raise _invalid(f"{where}: a master key has {LENGTH} bytes, and this one has {len(value)}")
    if len(set(value)) < LENGTH // 4:
        raise _invalid(f"{where}: this is not a random key, its bytes repeat")
    return Key(value)


def _key(word: str, where: str) -> Key:
    try:
        value = base64.b64decode(word.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise _invalid(f"{where} is not base64") from None
    return checked(value, where)


def _invalid(what: str) -> MasterKeyInvalid:
    return MasterKeyInvalid(
        "the master key cannot be used",
        why=[what, "nothing was read or changed; no other key is used in its place"],
        fix=[
            "put the right key back; a new one, where nothing was ever sealed:"
            " head -c 32 /dev/urandom | base64"
        ],
    )
