"""People: who may do what, and by what the doors know them."""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import JSON, Column
from sqlmodel import Field, Session, col, select

from orchestrate.core.errors import UnknownPerson
from orchestrate.core.identity import Role
from orchestrate.core.names import did_you_mean
from orchestrate.store.tables import Base, now


def _list() -> Column[list[object]]:
    return Column(JSON, nullable=False)


class PersonRow(Base, table=True):
    """A person. Never deleted: the trail names them."""

    __tablename__ = "people"

    name: str = Field(primary_key=True)
    roles: list[str] = Field(sa_column=_list())
    environments: list[str] = Field(sa_column=_list())
    """`app/name` or `name` of the environments they are limited to; none means all."""
    uids: list[int] = Field(sa_column=_list())
    """Users of this machine that are this person on the socket."""
    passphrase: str | None = None
    """argon2id in PHC form."""
    created_at: datetime = Field(default_factory=now)
    created_by: str
    removed_at: datetime | None = None

    @property
    def held(self) -> frozenset[Role]:
        """Their roles now: none once they were removed."""
        return frozenset() if self.removed_at else frozenset(Role(each) for each in self.roles)


class PersonKeyRow(Base, table=True):
    """An SSH public key of a person."""

    __tablename__ = "person_keys"

    fingerprint: str = Field(primary_key=True)
    """`SHA256:...`, as ssh-keygen shows it."""
    person: str = Field(foreign_key="people.name")
    public_key: str
    """One line, as in a `.pub` file."""
    created_at: datetime = Field(default_factory=now)


def anybody(session: Session) -> bool:
    """Whether there ever was a person: from then on roles count on the socket too."""
    return session.exec(select(PersonRow.name).limit(1)).first() is not None


def every(session: Session) -> Sequence[PersonRow]:
    """People who were not removed, by name."""
    statement = select(PersonRow).where(col(PersonRow.removed_at).is_(None))
    return session.exec(statement.order_by(col(PersonRow.name))).all()


def find(session: Session, name: str) -> PersonRow:
    """The person `name`. Raises UnknownPerson, for one that was removed too."""
    row = session.get(PersonRow, name, populate_existing=True)
    if row is None or row.removed_at is not None:
        names = [each.name for each in every(session)]
        meant = did_you_mean(name, names)
        raise UnknownPerson(
            f"there is nobody called {name[:60]!r}",
            why=[f"known are {', '.join(names)}"] if names else ["nobody was added yet"],
            fix=[f"did you mean {meant[0]}?"] if meant else ["orchestrate auth people"],
        )
    return row


def look(session: Session, name: str) -> PersonRow | None:
    """The person `name`, removed or not."""
    return session.get(PersonRow, name, populate_existing=True)


def of_uid(session: Session, uid: int) -> PersonRow | None:
    """The person who is this user of the machine."""
    return next((row for row in every(session) if uid in row.uids), None)


def administrators(session: Session) -> list[str]:
    """Names of those who may administer everything."""
    return [row.name for row in every(session) if Role.ADMIN in row.held and not row.environments]


def put(
    session: Session,
    name: str,
    *,
    roles: Collection[Role],
    environments: Collection[str],
    uids: Collection[int],
    by: str,
) -> PersonRow:
    """Add a person, or change one to what is given; one who was removed is back."""
    row = look(session, name) or PersonRow(
        name=name, roles=[], environments=[], uids=[], created_by=by
    )
    row.roles = sorted(role.value for role in roles)
    row.environments = sorted(environments)
    row.uids = sorted(uids)
    row.removed_at = None
    session.add(row)
    session.flush()
    return row


def remove(session: Session, row: PersonRow) -> None:
    """Take everything away; the name stays for the trail."""
    row.roles, row.uids, row.passphrase = [], [], None
    row.removed_at = now()
    for key in keys(session, row.name):
        session.delete(key)
    session.add(row)


def keys(session: Session, name: str) -> Sequence[PersonKeyRow]:
    """A person's SSH keys."""
    return session.exec(select(PersonKeyRow).where(col(PersonKeyRow.person) == name)).all()


def key(session: Session, fingerprint: str) -> PersonKeyRow | None:
    return session.get(PersonKeyRow, fingerprint, populate_existing=True)


def add_key(session: Session, name: str, fingerprint: str, public_key: str) -> None:
    """Let a key stand for a person. Whose it was it is no more."""
    session.merge(PersonKeyRow(fingerprint=fingerprint, person=name, public_key=public_key))
    session.flush()
