"""Who may approve: people with their roles, the public keys they sign with, their passphrases.

The engine asks by `standing`, `key` and `passphrase` alone: where people come from is said here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue
from sqlmodel import Field, Session, col, select

from orchestrate.core.approval import person_key
from orchestrate.core.identity import Role
from orchestrate.store.tables import Base, json_column, now


class ApproverRow(Base, table=True):
    """A person who may approve."""

    __tablename__ = "approvers"

    person_key: str = Field(primary_key=True)
    person: str
    roles: list[JsonValue] = Field(sa_column=json_column())
    environments: list[JsonValue] = Field(sa_column=json_column())
    passphrase: str | None = None
    """argon2id in PHC form."""
    created_at: datetime = Field(default_factory=now)


class ApproverKeyRow(Base, table=True):
    """An SSH public key of a person."""

    __tablename__ = "approver_keys"

    fingerprint: str = Field(primary_key=True)
    """`SHA256:...`, as ssh-keygen shows it."""
    person_key: str = Field(foreign_key="approvers.person_key")
    public_key: str
    """One line, as in a `.pub` file."""
    created_at: datetime = Field(default_factory=now)


@dataclass(frozen=True)
class Standing:
    """What a person may do now."""

    person: str
    roles: frozenset[Role]
    environments: tuple[str, ...] = ()
    """`app/name` or `name` of the environments they are limited to; none means all."""

    def reaches(self, environment: str) -> bool:
        """Whether `app/name` is one of theirs."""
        names = (environment, environment.rpartition("/")[2])
        return not self.environments or any(name in self.environments for name in names)


def standing(session: Session, person: str, credential: str) -> Standing | None:
    """What `person` may do by `credential` at this moment; None when it is good no more."""
    row = session.get(ApproverRow, person_key(person), populate_existing=True)
    if row is None or not _holds(session, row, credential):
        return None
    roles = frozenset(Role(str(each)) for each in row.roles)
    return Standing(row.person, roles, tuple(str(each) for each in row.environments))


def key(session: Session, fingerprint: str) -> tuple[str, str] | None:
    """The person whose key it is, and the key."""
    row = session.get(ApproverKeyRow, fingerprint, populate_existing=True)
    owner = session.get(ApproverRow, row.person_key) if row else None
    return (owner.person, row.public_key) if row and owner else None


def passphrase(session: Session, person: str) -> str | None:
    """The hash of a person's passphrase."""
    row = session.get(ApproverRow, person_key(person), populate_existing=True)
    return row.passphrase if row else None


def set_passphrase(session: Session, person: str, phc: str) -> None:
    """Keep the hash of a person's passphrase."""
    row = session.get_one(ApproverRow, person_key(person))
    row.passphrase = phc
    session.add(row)


def put(
    session: Session, person: str, roles: Sequence[Role], environments: Sequence[str] = ()
) -> None:
    """Let a person approve with these roles, or with none of them any more."""
    row = session.get(ApproverRow, person_key(person)) or ApproverRow(
        person_key=person_key(person), person=person, roles=[], environments=[]
    )
    row.roles = [role.value for role in roles]
    row.environments = list(environments)
    session.add(row)
    session.flush()


def add_key(session: Session, person: str, fingerprint: str, public_key: str) -> None:
    """Register a public key of a person."""
    row = ApproverKeyRow(
        fingerprint=fingerprint, person_key=person_key(person), public_key=public_key
    )
    session.merge(row)
    session.flush()


def remove_key(session: Session, fingerprint: str) -> None:
    row = session.get(ApproverKeyRow, fingerprint)
    if row is not None:
        session.delete(row)


def others(session: Session, person: str, roles: Sequence[Role]) -> bool:
    """Whether anybody but `person` may approve with one of `roles`."""
    wanted = {role.value for role in roles}
    statement = select(ApproverRow).where(col(ApproverRow.person_key) != person_key(person))
    return any(wanted & {str(each) for each in row.roles} for row in session.exec(statement))


def _holds(session: Session, row: ApproverRow, credential: str) -> bool:
    """Whether the credential is still this person's."""
    kind, _, rest = credential.partition(":")
    if kind == "ssh":
        found = session.get(ApproverKeyRow, rest, populate_existing=True)
        return found is not None and found.person_key == row.person_key
    if kind == "passphrase":
        return row.passphrase is not None
    return kind == "token"
