"""The audit trail: appended in the transaction of what it tells of, read, and never changed.

Events of a session wait until it commits and are chained then, as its last write: the trail's lock
is held for a moment, is never waited for while something else is held that its holder wants, and
what cannot be recorded is rolled back with all the rest.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import SessionTransaction
from sqlmodel import Field, Session, col, select

from orchestrate.core.audit import AuditEvent, Entry, entry_hash, fit, genesis
from orchestrate.core.canonical import canonical
from orchestrate.store.database import Held, hold
from orchestrate.store.identity import store_id
from orchestrate.store.tables import Base

_WAITING = "audit_waiting"
_CHAINED = "audit_chained"
_FULL = 2
"""SQLite's synchronous=FULL."""


class AuditRow(Base, table=True):
    """An entry, as it was hashed: times and details are texts, so that no driver changes them."""

    __tablename__ = "audit"

    seq: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    at: str
    actor: str
    on_behalf_of: str | None = None
    person: str | None = None
    action: str
    subject: str
    outcome: str
    details: str
    request_id: str | None = None
    hash: str


@dataclass(frozen=True)
class Tail:
    """The end of the trail: 0 and the genesis while it is empty."""

    seq: int
    hash: bytes
    at: str = ""


def append(session: Session, event: AuditEvent) -> None:
    """Record `event`, in this transaction: what cannot be recorded does not happen."""
    session.info.setdefault(_WAITING, []).append(fit(event))


def tail(session: Session) -> Tail:
    """The newest entry."""
    row = session.exec(select(AuditRow).order_by(col(AuditRow.seq).desc()).limit(1)).first()
    if row is None:
        return Tail(0, genesis(store_id(session)))
    return Tail(row.seq, bytes.fromhex(row.hash), row.at)


def entry_at(session: Session, seq: int) -> AuditRow | None:
    return session.get(AuditRow, seq)


def page(
    session: Session,
    *,
    before: int | None = None,
    after: int | None = None,
    since: str | None = None,
    action: str | None = None,
    actor: str | None = None,
    subject: str | None = None,
    outcome: str | None = None,
    limit: int = 50,
) -> Sequence[AuditRow]:
    """Entries, newest first; with `after`, those that follow it, oldest first.

    `action` is one, or the first part of some (`deployment`); `actor` is the actor or the person.
    """
    statement = select(AuditRow)
    if before is not None:
        statement = statement.where(col(AuditRow.seq) < before)
    if after is not None:
        statement = statement.where(col(AuditRow.seq) > after)
    if since is not None:
        statement = statement.where(col(AuditRow.at) >= since)
    if action is not None:
        named = col(AuditRow.action) == action
        statement = statement.where(named | col(AuditRow.action).startswith(f"{action}."))
    if actor is not None:
        statement = statement.where(
            (col(AuditRow.actor) == actor) | (col(AuditRow.person) == actor)
        )
    if subject is not None:
        statement = statement.where(col(AuditRow.subject) == subject)
    if outcome is not None:
        statement = statement.where(col(AuditRow.outcome) == outcome)
    order = col(AuditRow.seq).desc() if after is None else col(AuditRow.seq)
    return session.exec(statement.order_by(order).limit(limit)).all()


def walk(session: Session, store: str, after: int = 0, size: int = 5000) -> Iterator[Entry]:
    """All entries from `after` on, in order, as they are stored; few at a time in memory.

    One whose bytes are no text any more comes as far as it can be read.
    """
    while True:
        try:
            found = _some(session, store, after, size)
        except sa.exc.OperationalError:
            if size == 1:
                found = [_unreadable(session, store, after)]
            else:
                found, size = [], 1
                continue
        yield from found
        if len(found) < size:
            return
        after = found[-1].seq


def listen(engine: sa.Engine, heard: Callable[[Tail, tuple[str, ...]], None]) -> Callable[[], None]:
    """Have `heard` called after each commit to `engine` that appended, with the entry that was
    last in it and the actions. Returns what ends that."""

    def after(session: Session) -> None:
        if session.bind is engine and _CHAINED in session.info:
            heard(*session.info.pop(_CHAINED))

    sa.event.listen(Session, "after_commit", after)
    return lambda: sa.event.remove(Session, "after_commit", after)


_COLUMNS = ("seq", "at", "actor", "on_behalf_of", "person", "action", "subject", "outcome",
            "details", "request_id", "hash")  # fmt: skip
"""In the order of `Entry`, whose `store` is not a column."""


def _chain(session: Session) -> None:
    """Before a commit: give each waiting event its number and its hash, and write it."""
    waiting: list[AuditEvent] = session.info.pop(_WAITING, [])
    if not waiting:
        return
    # What is still to be written may wait for a row whose holder waits for the trail.
    session.flush()
    _lock(session)
    store, end = store_id(session), tail(session)
    rows = []
    for event in waiting:
        row, end = _next(store, end, event)
        rows.append(row)
    session.connection().execute(sa.insert(AuditRow), rows)
    session.info[_CHAINED] = (end, tuple(event.action for event in waiting))


def _next(store: str, end: Tail, event: AuditEvent) -> tuple[dict[str, object], Tail]:
    """The row after `end`. Its time is never before that of the row before it: where the clock
    went back, the entry says by how much."""
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    details = event.details
    if now < end.at:
        details = {**details, "clock_read": now}
    entry = Entry(
        seq=end.seq + 1,
        store=store,
        at=max(now, end.at),
        actor=event.actor,
        on_behalf_of=event.on_behalf_of,
        person=event.person,
        action=event.action,
        subject=event.subject,
        outcome=event.outcome,
        details=canonical(details),
        request_id=event.request_id,
    )
    found = entry_hash(end.hash, entry)
    row = {name: getattr(entry, name) for name in _COLUMNS[:-1]}
    return {**row, "hash": found.hex()}, Tail(entry.seq, found, entry.at)


def _lock(session: Session) -> None:
    """One writer at a time, until the commit: the end that is read stays the end.

    Only a connection that waits for the disk may commit entries: what a signed head names and the
    power took away would look as if somebody had cut it off.
    """
    hold(session, Held.TRAIL)
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        return
    if (connection.exec_driver_sql("PRAGMA synchronous").scalar() or 0) < _FULL:
        raise RuntimeError("the trail is written by a connection that does not wait for the disk")


def _some(session: Session, store: str, after: int, size: int) -> list[Entry]:
    statement = sa.select(*(col(getattr(AuditRow, name)) for name in _COLUMNS))
    statement = statement.where(col(AuditRow.seq) > after).order_by(col(AuditRow.seq)).limit(size)
    return [
        Entry(seq, store, *rest) for seq, *rest in session.connection().execute(statement).all()
    ]


def _unreadable(session: Session, store: str, after: int) -> Entry:
    """The next entry, column by column: for one that is no text any more stands a text that
    no entry has."""
    where = col(AuditRow.seq) > after
    seq = int(session.connection().scalar(sa.select(sa.func.min(AuditRow.seq)).where(where)) or 0)
    found: list[Any] = []
    for name in _COLUMNS[1:]:
        column = sa.select(col(getattr(AuditRow, name))).where(col(AuditRow.seq) == seq)
        try:
            found.append(session.connection().scalar(column))
        except sa.exc.OperationalError:
            found.append("\ufffd")
    return Entry(seq, store, *found)


def _forget(session: Session, transaction: SessionTransaction) -> None:
    """What was rolled back was not done."""
    session.info.pop(_WAITING, None)
    session.info.pop(_CHAINED, None)


sa.event.listen(Session, "before_commit", _chain)
sa.event.listen(Session, "after_soft_rollback", _forget)
