"""What approving asks of the people of the service: who somebody is by a key, and what they may do
at this very moment by what proved who they are."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrate.core.approval import same_person
from orchestrate.core.identity import Principal, Role, narrowed, reaches
from orchestrate.store import people, tokens
from orchestrate.store.database import Session
from orchestrate.store.people import PersonRow


@dataclass(frozen=True)
class Standing:
    """What a person may do now."""

    person: str
    roles: frozenset[Role]
    environments: tuple[str, ...] = ()
    """`app/name` or `name` of the environments they are limited to; none means all."""

    def reaches(self, environment: str) -> bool:
        """Whether `app/name` is one of theirs."""
        app, _, name = environment.rpartition("/")
        return reaches(self.environments, app, name)


def standing(session: Session, person: str, credential: str) -> Standing | None:
    """What `person` may do by `credential` at this moment; None when it is good no more."""
    row = people.look(session, person)
    if row is None or row.removed_at is not None:
        return None
    kind, _, rest = credential.partition(":")
    if kind == "token":
        return _by_token(session, row, rest)
    if kind == "ssh":
        found = people.key(session, rest)
        held = found is not None and found.person == row.name
    else:
        held = kind == "passphrase" and row.passphrase is not None
    return Standing(row.name, row.held, tuple(row.environments)) if held else None


def key(session: Session, fingerprint: str) -> str | None:
    """The person whose key it is."""
    found = people.key(session, fingerprint)
    return found.person if found else None


def passphrase(session: Session, person: str) -> str | None:
    """The hash of a person's passphrase."""
    row = people.look(session, person)
    return row.passphrase if row and row.removed_at is None else None


def set_passphrase(session: Session, person: str, phc: str) -> None:
    """Keep the hash of a person's passphrase."""
    row = people.find(session, person)
    row.passphrase = phc
    session.add(row)


def others(session: Session, person: str, roles: Sequence[Role]) -> bool:
    """Whether anybody but `person` may approve with one of `roles`."""
    return any(
        set(roles) & row.held and not same_person(row.name, person) for row in people.every(session)
    )


def able(session: Session, person: str | None, roles: Sequence[Role], environment: str) -> int:
    """How many people may approve in `environment`, an `app/name`, what `person` asked for, or
    what nobody did yet."""
    return sum(
        bool(set(roles) & row.held)
        and Standing(row.name, row.held, tuple(row.environments)).reaches(environment)
        and not (person is not None and same_person(row.name, person))
        for row in people.every(session)
    )


def _by_token(session: Session, row: PersonRow, identity: str) -> Standing | None:
    """A token has what it was given, as far as its person still has that; an agent's approves
    nothing."""
    token = tokens.look(session, identity)
    if token is None or token.person != row.name or token.agent is not None:
        return None
    if not tokens.alive(session, token):
        return None
    scope = narrowed(row.environments, token.environments)
    owner = Principal(row.name, row.name, "person", row.held)
    roles = frozenset({token.held}) if scope is not None and owner.may(token.held) else frozenset()
    return Standing(row.name, roles, tuple(scope or ()))
