"""Signed heads: what the trail's newest entry was, kept outside the database.

A head is a C2SP checkpoint (a signed note, c2sp.org/tlog-checkpoint), so that anybody can keep and
check it: the origin with the store's id, the number and the hash of an entry, and an Ed25519
signature. Heads are written after the commit they speak of, never before: a database that lost
its last commits with the power would else look as if somebody had cut it.
"""

import base64
import binascii
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from orchestrate.core.errors import HeadInvalid, KeyUnusable

ORIGIN = "orchestrate-audit/v1/"
NAME = "orchestrate-audit"
"""The key's name in a signature."""
_ALGORITHM = b"\x01"
"""Ed25519, in a signed note."""
_LARGEST = 4 * 1024 * 1024
_SIGNED_LINES = 5


@dataclass(frozen=True)
class Head:
    """Entry number `seq` of the store `store` has this hash."""

    store: str
    seq: int
    hash: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{ORIGIN}{self.store}\n{self.seq}\n{base64.b64encode(self.hash).decode()}\n"


@dataclass(frozen=True)
class SignedHead:
    head: Head
    signature: bytes

    def signed_by(self, key: Ed25519PublicKey) -> bool:
        """Whether it is of this key."""
        if self.signature[:4] != _key_hash(key):
            return False
        try:
            key.verify(self.signature[4:], self.head.text.encode())
        except InvalidSignature:
            return False
        return True


def sign(head: Head, key: Ed25519PrivateKey) -> str:
    """The head as a signed note, five lines."""
    made = _key_hash(key.public_key()) + key.sign(head.text.encode())
    return f"{head.text}\n\u2014 {NAME} {base64.b64encode(made).decode()}\n"


def read(note: str) -> SignedHead:
    """The head in a note; whether its signature is good is another question. Raises
    HeadInvalid."""
    lines = note.strip("\n").split("\n")
    try:
        origin, seq, found, empty, signature = lines
        mark, name, made = signature.split(" ")
        if (mark, name, empty) != ("\u2014", NAME, "") or not origin.startswith(ORIGIN):
            raise ValueError
        if not seq.isascii() or not seq.isdecimal() or len(seq) > 18:
            raise ValueError
        head = Head(origin.removeprefix(ORIGIN), int(seq), base64.b64decode(found, validate=True))
        signed = SignedHead(head, base64.b64decode(made, validate=True))
    except (ValueError, binascii.Error) as error:
        raise HeadInvalid(
            "this is not a head of an audit trail",
            why=["a head has five lines, the first begins with " + ORIGIN],
            fix=["give a file that holds one head, as <home>/audit/heads holds many"],
        ) from error
    return signed


class HeadFile:
    """`<home>/audit/heads`: heads one after another, an empty line between, only ever added to."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "heads"

    def add(self, note: str) -> None:
        """Write a head and wait for the disk."""
        new = not self.path.exists()
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            os.write(handle, f"{note}\n".encode())
            os.fsync(handle)
            grown = os.fstat(handle).st_size > _LARGEST
        finally:
            os.close(handle)
        if new:
            _sync(self.path.parent)
        if grown:
            self._turn(note)

    def every(self) -> Iterator[SignedHead | None]:
        """The heads in it, oldest first; None for what is none. A last one that was cut by a
        crash is left out."""
        if not self.path.exists():
            return
        text = self.path.read_text(encoding="utf-8", errors="replace")
        lines = text.split("\n")
        whole = lines[: len(lines) - len(lines) % (_SIGNED_LINES + 1)]
        for start in range(0, len(whole), _SIGNED_LINES + 1):
            try:
                yield read("\n".join(whole[start : start + _SIGNED_LINES]))
            except HeadInvalid:
                yield None

    def set_aside(self, name: str) -> None:
        """Begin anew; what was there stays beside it as `heads.NAME`."""
        if self.path.exists():
            self.path.rename(self.path.with_name(f"heads.{name}"))
            _sync(self.path.parent)

    def _turn(self, note: str) -> None:
        """Begin anew with the newest head when the file has grown."""
        part = self.path.with_name("heads.part")
        part.write_text(f"{note}\n", encoding="utf-8")
        part.chmod(0o600)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        before = self.path.with_name("heads.1")
        before.unlink(missing_ok=True)
        # A second name and no move: a trail without any head, for however short, is an alarm.
        os.link(self.path, before)
        os.replace(part, self.path)
        _sync(self.path.parent)


def load_key(directory: Path) -> Ed25519PrivateKey | None:
    """The signing key in `directory`; None when there is none. Raises KeyUnusable for one that
    others could have read or written."""
    path = directory / "key"
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, f"it cannot be opened: {error.strerror}") from error
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(file.fileno())
        if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
            raise _unusable(path, "it must be yours, and nobody else's to read (mode 0600)")
        raw = file.read(64)
    if len(raw) != 32:
        raise _unusable(path, f"it has {len(raw)} bytes, and a key has 32")
    return Ed25519PrivateKey.from_private_bytes(raw)


def make_key(directory: Path) -> Ed25519PrivateKey:
    """A new signing key in `directory`, and its public half beside it as `key.pub`."""
    key = Ed25519PrivateKey.generate()
    handle = os.open(directory / "key", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(key.private_bytes_raw())
        file.flush()
        os.fsync(file.fileno())
    shown = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    (directory / "key.pub").write_text(f"{NAME} {shown}\n", encoding="utf-8")
    _sync(directory)
    return key


def _key_hash(key: Ed25519PublicKey) -> bytes:
    named = NAME.encode() + b"\n" + _ALGORITHM + key.public_bytes_raw()
    return hashlib.sha256(named).digest()[:4]


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unusable(path: Path, why: str) -> KeyUnusable:
    return KeyUnusable(
        f"the key {path} cannot be used",
        why=[why],
        fix=[f"look who changed it, then: chown and chmod 600 {path}"],
    )
