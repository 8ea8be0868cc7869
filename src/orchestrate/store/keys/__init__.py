"""Master keys: where they come from, which one seals, and what is derived of them.

What belongs here: sources of keys and their ids. What does not: what is sealed (store/secrets).
"""

import os
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Protocol

from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, select

from orchestrate.core.errors import (
    MasterKeyInvalid,
    MasterKeyMissing,
    RotationNeeded,
    SecretUnreadable,
)
from orchestrate.store.database import begin_writing
from orchestrate.store.identity import store_id
from orchestrate.store.keys.file import NAME as FILE_NAME
from orchestrate.store.keys.file import KeyFile
from orchestrate.store.keys.kms import KmsKeys
from orchestrate.store.keys.system import SystemKeyring
from orchestrate.store.keys.variable import KeyVariable
from orchestrate.store.ring import Key, KeyRing
from orchestrate.store.sealed import MasterKeyRow, RootRow, SecretRow, envelope
from orchestrate.store.sealing import about, derived, seal, unseal

MOST_WRAPS = 2**31
"""Half of what random 96-bit nonces bear under one key (NIST SP 800-38D: 2**32)."""
_ROOT = "root"


class KeySource(Protocol):
    """Where master keys are kept."""

    name: str
    may_make: bool
    """Whether the first key may be made by this program."""

    def load(self, session: Session) -> tuple[Key, ...]:
        """The keys, the one that seals first; none when there are none."""
        ...

    def add(self, session: Session) -> Key:
        """Make a key that seals from now on."""
        ...

    def drop(self, session: Session, identity: str) -> bool:
        """Take a key away; False when a person must."""
        ...


def source_of(home: Path, environ: Mapping[str, str]) -> KeySource:
    """The source that the service's environment names; a file of the home when it names none.

    Raises MasterKeyInvalid when it names two, or one that is not known.
    """
    said = environ.get("ORCHESTRATE_MASTER_KEY_SOURCE", "")
    named = {
        "environment": "ORCHESTRATE_MASTER_KEY" in environ,
        "aws-kms": "ORCHESTRATE_KMS_KEY" in environ,
        "file": "ORCHESTRATE_MASTER_KEY_FILE" in environ,
    }
    chosen = {name for name, given in named.items() if given} | ({said} if said else set())
    if len(chosen) > 1:
        raise _unclear(f"it is said to be in {' and in '.join(sorted(chosen))}")
    match next(iter(chosen), "file"):
        case "file":
            return KeyFile(Path(environ.get("ORCHESTRATE_MASTER_KEY_FILE") or home / FILE_NAME))
        case "environment":
            return KeyVariable(environ)
        case "keyring":
            return SystemKeyring()
        case "aws-kms" if environ.get("ORCHESTRATE_KMS_KEY"):
            return KmsKeys(environ["ORCHESTRATE_KMS_KEY"])
        case "aws-kms":
            raise _unclear("ORCHESTRATE_KMS_KEY, which names the key of KMS, is not set")
        case other:
            raise _unclear(f"ORCHESTRATE_MASTER_KEY_SOURCE is {other!r}")


class Keys:
    """The master keys of one store, as one process has them."""

    def __init__(self, home: Path | None, environ: Mapping[str, str] | None = None) -> None:
        self._home = home
        self._environ = os.environ if environ is None else environ
        self._ring: KeyRing | None = None
        self._lock = Lock()

    @property
    def source(self) -> KeySource:
        """Raises MasterKeyInvalid."""
        if self._home is None:
            raise MasterKeyInvalid(
                "this store was opened without a home, and keys are kept in one",
                fix=["open it with the service's home"],
            )
        return source_of(self._home, self._environ)

    def ring(self, session: Session) -> KeyRing:
        """Every key at hand. The first one is made when nothing was ever sealed in this store.

        Raises MasterKeyMissing, MasterKeyInvalid, SecretSourceDenied, SecretSourceDown.
        """
        with self._lock:
            if self._ring is None:
                self._ring = self._read(session)
            return self._ring

    def forget(self) -> None:
        """Read the keys anew at the next use: their source has changed."""
        with self._lock:
            self._ring = None

    def find(self, session: Session, identity: str) -> Key:
        """The key of that id. Raises MasterKeyMissing; another one is never tried."""
        found = self.ring(session).find(identity)
        if found is None:
            self.forget()  # another worker may have rotated it
            found = self.ring(session).find(identity)
        if found is None:
            raise _missing(self.source, [identity])
        return found

    def drop(self, session: Session, identity: str) -> bool:
        """Take a key away from where it is kept. False when a person must."""
        source = self.source
        if any(key.id == identity for key in source.load(session)):
            return source.drop(session, identity)
        if any(key.id == identity for key in self._before(source)) and self._home is not None:
            return KeyFile(self._home / FILE_NAME).drop(session, identity)
        return True

    def for_sealing(self, session: Session) -> Key:
        """The key that seals now, counted as used once more in this transaction.

        Raises RotationNeeded at 2**31 uses, and what `ring` raises.
        """
        begin_writing(session)
        for _ in range(2):
            key = self.ring(session).primary
            row = _held(session, key.id)
            if row is None:
                _note_first_use(session, key.id, self.source.name)
                row = _held(session, key.id)
            if row is not None and row.retired_at is None:
                _count(session, row)
                return key
            self.forget()  # another worker has rotated it meanwhile
        raise MasterKeyInvalid(
            f"master key {key.id} was retired, and it is still the first one",
            why=[f"it is kept in: {self.source.name}"],
            fix=["take it out of there, then restart the service"],
        )

    def subkey(self, session: Session, label: str) -> bytes:
        """32 bytes for the purpose that `label` names: the same after every restart and every
        rotation of the master key. Never keep them in a record.

        Made with the first use, in this transaction. Raises what `ring` raises.
        """
        row = session.get(RootRow, _ROOT)
        if row is None:
            begin_writing(session)
            row = session.get(RootRow, _ROOT) or self._make_root(session)
        sealed = envelope(row)
        if sealed is None:
            raise SecretUnreadable("the root of the subkeys is gone", fix=["restore a backup"])
        root = unseal(self.find(session, sealed.kid), sealed, root_about(session))
        return derived(root, label)

    def check(self, session: Session) -> None:
        """Refuse to begin with a key that cannot be trusted, or without the one that is needed.

        Keys that others keep (KMS, a keyring) are asked for when they are needed: what runs must
        be looked after while those are down. Raises MasterKeyInvalid, MasterKeyMissing.
        """
        source = self.source
        if not isinstance(source, KeyFile | KeyVariable):
            return
        at_hand = {key.id for key in (*source.load(session), *self._before(source))}
        missing = sorted(sealed_under(session) - at_hand)
        if missing:
            raise _missing(source, missing)

    def _read(self, session: Session) -> KeyRing:
        source = self.source
        found, before = source.load(session), self._before(source)
        if not found:
            missing = sealed_under(session) - {key.id for key in before}
            if missing or not source.may_make:
                raise _missing(source, sorted(missing))
            found = (source.add(session),)
        known = {key.id for key in found}
        return KeyRing((*found, *(key for key in before if key.id not in known)))

    def _before(self, source: KeySource) -> tuple[Key, ...]:
        """Keys of the home's file where keys are kept elsewhere now: they open what was sealed
        before they moved, and seal nothing."""
        if isinstance(source, KeyFile) or self._home is None:
            return ()
        return KeyFile(self._home / FILE_NAME).load()

    def _make_root(self, session: Session) -> RootRow:
        master = self.for_sealing(session)  # which holds the key: of two at once the second waits
        made = session.get(RootRow, _ROOT)
        if made is not None:
            return made
        sealed = seal(master, os.urandom(32), root_about(session))
        row = RootRow(name=_ROOT, **vars(sealed))
        session.add(row)
        session.flush()
        return row


def root_about(session: Session) -> bytes:
    """What the root of the subkeys is bound to."""
    return about("orchestrate/root/v1", store_id(session))


def sealed_under(session: Session) -> set[str]:
    """Ids of the master keys that something in this store is under."""
    secrets = session.exec(
        select(SecretRow.kid).where(col(SecretRow.kid).is_not(None)).distinct()
    ).all()
    roots = session.exec(select(RootRow.kid).distinct()).all()
    return {kid for kid in (*secrets, *roots) if kid is not None}


def _held(session: Session, identity: str) -> MasterKeyRow | None:
    """The record of a key, held until the transaction ends."""
    return session.get(MasterKeyRow, identity, with_for_update=True, populate_existing=True)


def _note_first_use(session: Session, identity: str, source: str) -> None:
    """Make the record of a key. Another transaction may make it at the same moment: this one waits
    for that one's end then, and takes its record for its own."""
    values = MasterKeyRow(kid=identity, source=source).model_dump()
    dialect = postgresql if session.connection().dialect.name == "postgresql" else sqlite
    session.execute(dialect.insert(MasterKeyRow).values(**values).on_conflict_do_nothing())


def _count(session: Session, row: MasterKeyRow) -> None:
    if row.wraps >= MOST_WRAPS:
        raise RotationNeeded(
            f"master key {row.kid} has sealed {row.wraps:,} times; more is not safe",
            why=["with random nonces one key bears 2**32 uses, and half of that is the limit here"],
            fix=["orchestrate secrets rotate --master-key"],
        )
    session.execute(
        update(MasterKeyRow)
        .where(col(MasterKeyRow.kid) == row.kid)
        .values(wraps=MasterKeyRow.wraps + 1)
        .execution_options(synchronize_session="fetch")
    )


def _missing(source: KeySource, identities: list[str]) -> MasterKeyMissing:
    where = str(source.path) if isinstance(source, KeyFile) else source.name
    why = [f"looked for it in: {where}"]
    if identities:
        why.append(f"what is sealed here is under {', '.join(identities)}")
        why.append("a new key would not open it, so none is made")
    return MasterKeyMissing(
        "the master key of this store is not at hand",
        why=why,
        fix=["put the key back from its backup (docs/secrets.md, Master key), then do it again"],
    )


def _unclear(what: str) -> MasterKeyInvalid:
    return MasterKeyInvalid(
        "it is not clear where the master key is",
        why=[what],
        fix=["name one place: file, environment, keyring or aws-kms (docs/secrets.md, Master key)"],
    )
