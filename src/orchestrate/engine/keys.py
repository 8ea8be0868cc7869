"""Keys of the service that are derived and never stored: one for each purpose."""

import os
import secrets
import stat
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from orchestrate.core.errors import KeyUnusable

TOKENS = "tokens"
"""Of the key under which tokens are recognised."""
_NAME = "access.key"
_LENGTH = 32


def subkey(home: Path, label: str) -> bytes:
    """32 bytes for the purpose that `label` names, the same after every restart.

    Without them nothing in the database proves a token: they come from a file of the home, which
    no backup of the database holds. Raises KeyUnusable.
    """
    info = b"orchestrate/subkey/v1\x00" + label.encode()
    return HKDF(SHA256(), _LENGTH, None, info).derive(_root(home / _NAME))


def _root(path: Path) -> bytes:
    try:
        return _read(path)
    except FileNotFoundError:
        _make(path)
        return _read(path)


def _read(path: Path) -> bytes:
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(file.fileno())
        raw = file.read(_LENGTH + 1)
    wrong = None
    if found.st_uid != os.geteuid():
        wrong = "it belongs to another user"
    elif stat.S_IMODE(found.st_mode) & 0o077:
        wrong = "others can read it"
    elif len(raw) != _LENGTH:
        wrong = f"it has not {_LENGTH} bytes"
    if wrong is not None:
        raise KeyUnusable(
            f"the key {path} cannot be used", why=[wrong], fix=[f"chmod 600 {path}, or restore it"]
        )
    return raw


def _make(path: Path) -> None:
    """Whole or not at all, and never over one that is there."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(secrets.token_bytes(_LENGTH))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(part, path)
    except FileExistsError:
        pass  # another one was quicker, and its key is ours
    finally:
        part.unlink()
