"""A new master key for everything that is sealed, while all of it stays in use.

    1. a new key is made and kept before the old one: from here on it seals
    2. batch by batch, the data keys are put under it; values are not touched
    3. the old key is retired once nothing is under it, and only then taken away

The rows say themselves how far it has come (`kid`), so a rotation that was killed anywhere goes on
from there when it is asked for again; it never begins a second one over an unfinished first.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import func, text
from sqlmodel import Session, col, select

from orchestrate.store import secrets
from orchestrate.store.database import Store, begin_writing
from orchestrate.store.keys import Keys, root_about, sealed_under
from orchestrate.store.sealed import MasterKeyRow, RootRow, SecretRow, enclose, envelope
from orchestrate.store.sealing import rewrap
from orchestrate.store.tables import now

_LOCK = 7203121
"""PostgreSQL's advisory lock of the list of keys."""
BATCH = 100
"""Rows a transaction: writers wait for milliseconds, never for the whole rotation."""


@dataclass(frozen=True)
class Rotated:
    """What a rotation did."""

    key: str
    """Id of the key that everything is under now."""
    rewrapped: int
    """Data keys put under it by this call."""
    resumed: bool
    """An earlier rotation was unfinished: this one finished it and made no further key."""
    retired: tuple[str, ...]
    left: tuple[str, ...]
    """Old keys that a person must take out of where they are kept."""


def rotate(store: Store, step: Callable[[str], None] = lambda _: None) -> Rotated:
    """Put everything under a new master key, or finish an earlier attempt.

    `step` is called after each step, by its name. Raises MasterKeyInvalid where the keys are kept
    by somebody else, and what the key's source raises.
    """
    keys = store.keys
    with store.session() as session:
        _alone(session)
        old, resumed = _prepare(session, keys)
    keys.forget()
    step("prepared")
    rewrapped = 0
    while done := _rewrap_some(store, keys):
        rewrapped += done
        step("rewrapped")
    _rewrap_roots(store, keys)
    step("roots")
    retired: list[str] = []
    left: list[str] = []
    for identity in old:
        if _retire(store, identity):
            step("retired")
            (retired if _drop(store, keys, identity) else left).append(identity)
            step("dropped")
    with store.session() as session:
        key = keys.ring(session).primary.id
    return Rotated(key, rewrapped, resumed, tuple(retired), tuple(left))


def _alone(session: Session) -> None:
    """Keep other rotations of this store out until the transaction ends: a list of keys is read,
    changed and written whole, and a key that another one made meanwhile would be lost with all
    that was put under it."""
    begin_writing(session)
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))


def _prepare(session: Session, keys: Keys) -> tuple[list[str], bool]:
    """The keys to be retired, and whether that was begun before. A new key is made only where
    everything is under the present one."""
    keys.forget()  # another rotation may have made one since they were read
    ring = keys.ring(session)
    primary = ring.primary.id
    behind = sealed_under(session) - {primary}
    spare = {key.id for key in ring.keys} - {primary}
    if behind or spare:
        return sorted(behind | spare), True
    keys.source.add(session)
    return [primary], False


def _rewrap_some(store: Store, keys: Keys) -> int:
    with store.session() as session:
        begin_writing(session)
        new = keys.for_sealing(session)
        rows = session.exec(
            select(SecretRow)
            .where(col(SecretRow.kid).is_not(None), col(SecretRow.kid) != new.id)
            .order_by(col(SecretRow.id))
            .limit(BATCH)
            .with_for_update()
        ).all()
        for row, aad in zip(rows, secrets.bound_to(session, rows), strict=True):
            sealed = envelope(row)
            if sealed is not None:
                enclose(row, rewrap(keys.find(session, sealed.kid), new, sealed, aad))
                session.add(row)
        _count_more(session, new.id, len(rows) - 1)
        return len(rows)


def _rewrap_roots(store: Store, keys: Keys) -> None:
    with store.session() as session:
        begin_writing(session)
        new = keys.for_sealing(session)
        rows = session.exec(select(RootRow).where(col(RootRow.kid) != new.id).with_for_update())
        for row in rows.all():
            sealed = envelope(row)
            if sealed is not None:
                old = keys.find(session, sealed.kid)
                enclose(row, rewrap(old, new, sealed, root_about(session)))
                session.add(row)


def _retire(store: Store, identity: str) -> bool:
    """Forbid a key to seal, unless something is under it still."""
    with store.session() as session:
        begin_writing(session)
        row = session.get(MasterKeyRow, identity, with_for_update=True)
        under = session.exec(
            select(func.count()).select_from(SecretRow).where(col(SecretRow.kid) == identity)
        ).one()
        roots = session.exec(
            select(func.count()).select_from(RootRow).where(col(RootRow.kid) == identity)
        ).one()
        if under or roots:
            return False
        if row is not None and row.retired_at is None:
            row.retired_at = now()
            session.add(row)
        return True


def _drop(store: Store, keys: Keys, identity: str) -> bool:
    with store.session() as session:
        _alone(session)
        dropped = keys.drop(session, identity)
    keys.forget()
    return dropped


def _count_more(session: Session, identity: str, further: int) -> None:
    """`for_sealing` has counted one use."""
    if further > 0:
        row = session.get_one(MasterKeyRow, identity, populate_existing=True)
        row.wraps += further
        session.add(row)
