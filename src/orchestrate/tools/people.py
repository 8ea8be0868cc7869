"""Who may do what: people and their roles."""

from pydantic import Field

from orchestrate.core.errors import (
    ApprovalInvalid,
    Forbidden,
    InvalidInput,
    LastAdministrator,
    NotNow,
)
from orchestrate.core.identity import Role
from orchestrate.core.names import check_name
from orchestrate.engine import sshsig
from orchestrate.store import audit, people, tokens
from orchestrate.store.database import Held, Session, hold
from orchestrate.store.people import PersonRow
from orchestrate.tools.access_documents import (
    AccessDocument,
    PeopleDocument,
    PersonAnswer,
    PersonDocument,
)
from orchestrate.tools.operation import Arguments, Context


class GetAccess(Arguments):
    """No arguments."""


class ListPeople(Arguments):
    """No arguments."""


class FirstAdministrator(Arguments):
    person: str = Field(max_length=63)


class SetPerson(Arguments):
    person: str = Field(max_length=63)
    roles: list[Role] = Field(default=[], max_length=4)
    environments: list[str] = Field(default=[], max_length=100)
    uids: list[int] = Field(default=[], max_length=20)
    keys: list[str] = Field(default=[], max_length=20)
    """SSH public keys, one line each."""


class ChangeRoles(Arguments):
    person: str
    grant: list[Role] = Field(default=[], max_length=4)
    revoke: list[Role] = Field(default=[], max_length=4)


class RemovePerson(Arguments):
    person: str


def get_access(context: Context, given: GetAccess) -> AccessDocument:
    """Who asks, and what they may do."""
    principal, service = context.caller.principal, context.service
    with service.store.session() as session:
        anybody = people.anybody(session)
    return AccessDocument(
        name=principal.name,
        person=principal.person,
        kind=principal.kind,
        roles=sorted(principal.roles),
        environments=list(principal.environments),
        credential=principal.credential,
        people=anybody,
        read_only=service.read_only,
        alarm=list(service.alarm),
    )


def list_people(context: Context, given: ListPeople) -> PeopleDocument:
    """People and their roles."""
    with context.service.store.session() as session:
        return PeopleDocument(items=[_person(session, row) for row in people.every(session)])


def make_first_administrator(context: Context, given: FirstAdministrator) -> PersonAnswer:
    """Make the owner of the service its first administrator."""
    principal = context.caller.principal
    name = check_name(given.person, "person")
    with context.service.store.session() as session:
        hold(session, Held.PEOPLE)
        if people.anybody(session):
            raise NotNow(
                "there are people here already",
                why=["only the first administrator is made so"],
                fix=["an administrator adds others: orchestrate auth add NAME --role ROLE"],
            )
        if context.caller.door != "rest" or principal.kind != "person":
            raise Forbidden(
                "the first administrator is made on the service's own socket",
                fix=["at a terminal there: orchestrate init --admin NAME"],
            )
        row = people.put(
            session,
            name,
            roles=[Role.ADMIN],
            environments=[],
            uids=[context.service.credentials.owner],
            by=principal.name,
        )
        audit.append(session, context.caller.event("person.first", f"person:{name}"))
        return PersonAnswer(
            person=_person(session, row), summary=f"{name} administers this service now"
        )


def set_person(context: Context, given: SetPerson) -> PersonAnswer:
    """Add a person, or set one anew."""
    name = check_name(given.person, "person")
    keys = [_public_key(line) for line in given.keys]
    with context.service.store.session() as session:
        hold(session, Held.PEOPLE)
        _refuse_uids_of_others(session, name, given.uids)
        new = people.look(session, name)
        before = [] if new is None or new.removed_at else list(new.roles)
        row = people.put(
            session,
            name,
            roles=given.roles,
            environments=given.environments,
            uids=given.uids,
            by=context.caller.actor,
        )
        _refuse_without_administrator(session)
        for fingerprint, line in keys:
            _refuse_key_of_others(session, name, fingerprint)
            people.add_key(session, name, fingerprint, line)
        event = context.caller.event(
            "person.set",
            f"person:{name}",
            roles_before=list(before),
            roles=[role.value for role in given.roles],
            environments=list(given.environments),
            uids=list(given.uids),
            keys=[fingerprint for fingerprint, _ in keys],
        )
        audit.append(session, event)
        return PersonAnswer(person=_person(session, row), summary=_may(row))


def change_roles(context: Context, given: ChangeRoles) -> PersonAnswer:
    """Give roles to a person, or take them away."""
    with context.service.store.session() as session:
        hold(session, Held.PEOPLE)
        row = people.find(session, given.person)
        roles = (row.held | set(given.grant)) - set(given.revoke)
        people.put(
            session,
            row.name,
            roles=roles,
            environments=row.environments,
            uids=row.uids,
            by=row.created_by,
        )
        _refuse_without_administrator(session)
        event = context.caller.event(
            "person.roles",
            f"person:{row.name}",
            granted=[role.value for role in given.grant],
            revoked=[role.value for role in given.revoke],
        )
        audit.append(session, event)
        return PersonAnswer(person=_person(session, row), summary=_may(row))


def remove_person(context: Context, given: RemovePerson) -> PersonAnswer:
    """Take all roles, keys and tokens from a person."""
    with context.service.store.session() as session:
        hold(session, Held.PEOPLE)
        row = people.find(session, given.person)
        document = _person(session, row)
        people.remove(session, row)
        session.flush()
        _refuse_without_administrator(session)
        for token in tokens.every(session, row.name):
            tokens.end(session, token, context.caller.actor)
        audit.append(session, context.caller.event("person.remove", f"person:{row.name}"))
    return PersonAnswer(person=document, summary=f"{document.name} may do nothing here any more")


# -- helpers, in call order


def _refuse_uids_of_others(session: Session, name: str, uids: list[int]) -> None:
    for uid in uids:
        other = people.of_uid(session, uid)
        if other is not None and other.name != name:
            raise InvalidInput(
                f"user {uid} of this machine is {other.name} already",
                why=["one user is one person: else one could approve what the other asked for"],
                fix=[f"take it from {other.name} first: orchestrate auth add {other.name} ..."],
            )


def _refuse_key_of_others(session: Session, name: str, fingerprint: str) -> None:
    row = people.key(session, fingerprint)
    if row is not None and row.person != name:
        raise InvalidInput(
            f"the key {fingerprint} is {row.person}'s already",
            why=["one key is one person's: else one could approve what the other asked for"],
            fix=["give another key"],
        )


def _refuse_without_administrator(session: Session) -> None:
    left = people.administrators(session)
    if not left:
        raise LastAdministrator(
            "nobody would be left who can give rights",
            why=["an administrator that is limited to environments does not count"],
            fix=["make somebody else one first: orchestrate auth grant NAME --role admin"],
        )
    if not any(_comes_in(session, name) for name in left):
        raise LastAdministrator(
            "nobody who can give rights could come in any more",
            why=[f"{', '.join(left)} would have neither a user id here nor an admin's token"],
            fix=[
                f"give the user id too: orchestrate auth add {left[0]} --role admin --uid UID",
                f"or make a token first: orchestrate auth token --role admin --for {left[0]}",
            ],
        )


def _comes_in(session: Session, name: str) -> bool:
    """Whether a door knows this administrator as one: by a user id, or by a token that is good."""
    if people.find(session, name).uids:
        return True
    return any(
        token.held is Role.ADMIN
        and token.agent is None
        and not token.environments
        and tokens.alive(session, token)
        for token in tokens.every(session, name)
    )


def _public_key(line: str) -> tuple[str, str]:
    """Fingerprint and text of a public key: of one that can approve. Raises InvalidInput."""
    text = line.strip()
    try:
        if "\n" in text:
            raise ApprovalInvalid("one key is one line", why=["it has several lines"])
        blob = sshsig.public_blob(text)
    except ApprovalInvalid as problem:
        raise InvalidInput(
            "this is not an SSH public key that can approve",
            why=problem.why,
            fix=[
                "give a .pub file, such as ~/.ssh/id_ed25519.pub",
                "or make a key: ssh-keygen -t ed25519",
            ],
        ) from None
    return sshsig.fingerprint(blob), " ".join(text.split()[:2])


def _may(row: PersonRow) -> str:
    roles = ", ".join(sorted(row.held)) or "nothing"
    where = f" in {', '.join(row.environments)}" if row.environments else ""
    return f"{row.name}: {roles}{where}"


def _person(session: Session, row: PersonRow) -> PersonDocument:
    return PersonDocument(
        name=row.name,
        roles=sorted(row.held),
        environments=row.environments,
        uids=row.uids,
        keys=[key.fingerprint for key in people.keys(session, row.name)],
        created_at=row.created_at,
        created_by=row.created_by,
    )
