"""The service's own mark on requests and decisions, so that a row written past it is found.

HMAC-SHA256 under a key that is a file of the home and never in the database: who can write the
database can change a row, and cannot make its mark.
"""

import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from orchestrate.core.canonical import canonical
from orchestrate.core.errors import ApprovalInvalid

NAME = "approvals.key"
LENGTH = 32


class Seal:
    """Marks records, and tells whether a mark is ours."""

    def __init__(self, home: Path) -> None:
        self._path = home / NAME

    def mark(self, label: str, record: Mapping[str, JsonValue]) -> str:
        """The mark of a record, in hexadecimal. Makes the key where there is none yet."""
        text = f"orchestrate/{label}/v1\0{canonical(dict(record))}"
        return hmac.new(self._key(), text.encode(), hashlib.sha256).hexdigest()

    def fits(self, label: str, record: Mapping[str, JsonValue], mark: str) -> bool:
        """Whether the mark is ours, and of this very record."""
        return hmac.compare_digest(self.mark(label, record).encode(), mark.encode())

    def _key(self) -> bytes:
        """A lost key is not noticed here: nothing that was marked with it verifies any more, and
        what waits must be approved anew."""
        try:
            return self._read()
        except FileNotFoundError:
            self._make()
            return self._read()

    def _read(self) -> bytes:
        handle = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(file.fileno())
            key = file.read(LENGTH + 1)
        wrong = None
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            wrong = "it is not a file of the user the service runs as"
        elif stat.S_IMODE(found.st_mode) & 0o077:
            wrong = f"others can read it: its mode is {stat.S_IMODE(found.st_mode):04o}"
        elif len(key) != LENGTH:
            wrong = f"it has not {LENGTH} bytes"
        if wrong is None:
            return key
        raise ApprovalInvalid(
            "the key that marks approvals cannot be used",
            why=[f"{self._path}: {wrong}"],
            fix=[f"chmod 600 {self._path}", "or restore it from a backup"],
        )

    def _make(self) -> None:
        """Whole or not at all, and never over one that is there."""
        part = self._path.with_name(f"{NAME}.{secrets.token_hex(8)}")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(os.urandom(LENGTH))
                file.flush()
                os.fsync(file.fileno())
            os.link(part, self._path)
        except FileExistsError:
            return  # another thread was quicker
        finally:
            part.unlink()
