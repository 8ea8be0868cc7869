"""Tokens: what is kept of them proves one that is shown, and cannot be shown itself."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import JSON, Column
from sqlmodel import Field, Session, col, select

from orchestrate.core.errors import UnknownToken
from orchestrate.core.identity import Role
from orchestrate.store import audit
from orchestrate.store.tables import Base, now

DEEPEST = 20
"""Tokens made from one another."""


def _list() -> Column[list[object]]:
    return Column(JSON, nullable=False)


class TokenRow(Base, table=True):
    """A token. `mac` is HMAC-SHA256 of it under a key that is not in the database."""

    __tablename__ = "tokens"

    id: str = Field(primary_key=True)
    mac: str
    person: str = Field(foreign_key="people.name")
    label: str
    agent: str | None = None
    """The agent that holds it on the person's behalf."""
    role: str
    environments: list[str] = Field(sa_column=_list())
    parent: str | None = Field(default=None, foreign_key="tokens.id")
    """The token it was made with: it dies with that."""
    created_at: datetime = Field(default_factory=now)
    created_by: str
    expires_at: datetime
    ended_at: datetime | None = None
    ended_by: str | None = None
    """Who revoked it; `time` where it expired."""
    used_on: str | None = None
    """The last day it was used, UTC."""

    @property
    def held(self) -> Role:
        return Role(self.role)


def look(session: Session, identity: str) -> TokenRow | None:
    return session.get(TokenRow, identity, populate_existing=True)


def find(session: Session, identity: str, person: str | None = None) -> TokenRow:
    """The token with this id; with `person`, of that person alone. Raises UnknownToken."""
    row = look(session, identity)
    if row is None or (person is not None and row.person != person):
        raise UnknownToken(
            f"there is no token {identity[:20]!r}",
            why=["a token is named by the nine characters of its id"],
            fix=["orchestrate auth tokens"],
        )
    return row


def every(session: Session, person: str | None = None, ended: bool = False) -> Sequence[TokenRow]:
    """Tokens, newest first; of one person, or of all; those that have ended only when asked."""
    statement = select(TokenRow).order_by(col(TokenRow.created_at).desc(), col(TokenRow.id))
    if person is not None:
        statement = statement.where(col(TokenRow.person) == person)
    if not ended:
        statement = statement.where(col(TokenRow.ended_at).is_(None))
    return session.exec(statement).all()


def alive(session: Session, row: TokenRow) -> bool:
    """Whether it is good now, and so is every token it was made with.

    One that is found to be expired is ended for ever: a clock that is set back does not bring it
    back. The time is that of the clock, or of the trail's newest entry where that is later.
    """
    moment = max(now(), _told(session))
    for _ in range(DEEPEST):
        if row.ended_at is None and row.expires_at <= moment:
            end(session, row, "time")
        if row.ended_at is not None:
            return False
        if row.parent is None:
            return True
        parent = look(session, row.parent)
        if parent is None:
            return False
        row = parent
    return False


def end(session: Session, row: TokenRow, by: str) -> None:
    """End a token; one that has ended stays as it is."""
    if row.ended_at is None:
        row.ended_at, row.ended_by = now(), by
        session.add(row)


def note_use(session: Session, row: TokenRow) -> None:
    """Remember the day; one write a day."""
    today = now().date().isoformat()
    if row.used_on != today:
        row.used_on = today
        session.add(row)


def _told(session: Session) -> datetime:
    at = audit.tail(session).at
    return datetime.fromisoformat(at) if at else datetime.min.replace(tzinfo=now().tzinfo)
