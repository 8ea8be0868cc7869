"""Master keys in the keyring of the system (GNOME's, KDE's), through the package `keyring`."""

import importlib
import os
from typing import Protocol, cast

from sqlmodel import Session

from orchestrate.core.errors import MasterKeyInvalid, SecretSourceDenied
from orchestrate.store.identity import store_id
from orchestrate.store.ring import Key, checked, parsed, written

SERVICE = "orchestrate"


class _Keyring(Protocol):
    def get_password(self, service_name: str, username: str) -> str | None: ...
    def set_password(self, service_name: str, username: str, password: str) -> None: ...


class SystemKeyring:
    """One entry a store: service `orchestrate`, user the store's id."""

    name = "keyring"
    may_make = True

    def load(self, session: Session) -> tuple[Key, ...]:
        """The keys; none when there is no entry. Raises MasterKeyInvalid, SecretSourceDenied."""
        try:
            text = _keyring().get_password(SERVICE, store_id(session))
        except Exception as error:  # each backend has errors of its own
            raise _denied(error) from None
        return parsed(text, "the system's keyring") if text else ()

    def add(self, session: Session) -> Key:
        """A new key before the others."""
        new = checked(os.urandom(32), "a new key")
        self._save(session, (new, *self.load(session)))
        return new

    def drop(self, session: Session, identity: str) -> bool:
        """Take a key away."""
        self._save(session, tuple(k for k in self.load(session) if k.id != identity))
        return True

    def _save(self, session: Session, keys: tuple[Key, ...]) -> None:
        try:
            _keyring().set_password(SERVICE, store_id(session), written(keys))
        except Exception as error:  # each backend has errors of its own
            raise _denied(error) from None


def _keyring() -> _Keyring:
    try:
        return cast("_Keyring", importlib.import_module("keyring"))
    except ImportError:
        raise MasterKeyInvalid(
            "the master key is to be in the system's keyring, and the package for it is missing",
            why=["ORCHESTRATE_MASTER_KEY_SOURCE is keyring"],
            fix=['pip install "orchestrate-mcp[keyring]"'],
        ) from None


def _denied(error: Exception) -> SecretSourceDenied:
    # Only the kind of error: its text may hold what was to be kept.
    return SecretSourceDenied(
        "the system's keyring does not give the master key",
        why=[f"it answered {type(error).__name__}; no other key is used in its place"],
        fix=["unlock the keyring of the session the service runs in, then do it again"],
    )
