"""Tokens: made by people for themselves and their agents, and ended."""

from datetime import datetime, timedelta

from pydantic import Field

from orchestrate.core.errors import Forbidden, UnknownPerson
from orchestrate.core.identity import Principal, Role, narrowed, within
from orchestrate.store import audit, people, tokens
from orchestrate.store.database import Held, Session, begin_writing, hold
from orchestrate.store.people import PersonRow
from orchestrate.store.tables import now
from orchestrate.store.tokens import TokenRow
from orchestrate.tools.access_documents import MadeToken, RevokedToken, TokenDocument, TokenList
from orchestrate.tools.operation import Arguments, Context

DAY_S = 86400.0
USUAL_S, LONGEST_S = 30 * DAY_S, 366 * DAY_S


class CreateToken(Arguments):
    role: Role
    person: str | None = None
    """Whose it is; the caller's own when left out."""
    label: str = Field(default="", max_length=60)
    agent: str | None = Field(default=None, max_length=60)
    """The agent that will hold it on the person's behalf."""
    environments: list[str] = Field(default=[], max_length=100)
    expires_s: float | None = Field(default=None, gt=0, le=LONGEST_S)
    """Seconds; 30 days when left out, or what is left of the token it is made with."""


class ListTokens(Arguments):
    everybody: bool = False
    ended: bool = False


class RevokeToken(Arguments):
    token: str = Field(max_length=20)


def create_token(context: Context, given: CreateToken) -> MadeToken:
    """Make a token for oneself, or as an administrator for somebody. It never has more rights, a
    wider scope or a longer life than what it is made with."""
    principal = context.caller.principal
    person = given.person or principal.person
    _refuse_agents(principal)
    with context.service.store.session() as session:
        hold(session, Held.PEOPLE)
        row = people.look(session, person)
        if row is None or row.removed_at is not None:
            raise UnknownPerson(
                f"{person} is nobody who was added here, so no token can be theirs",
                fix=["the first one is made by: orchestrate init --admin NAME"],
            )
        if person != principal.person and not principal.may(Role.ADMIN):
            raise Forbidden(
                "only an administrator makes tokens for others",
                why=[f"you are {principal.person}, and it would be {person}'s"],
                fix=["leave --for out to make one of your own"],
            )
        parent = _parent(session, principal)
        expires_at = _expiry(given, parent)
        reach = _reach(given, principal, row)
        _refuse_wider(given, principal, row, parent, expires_at)
        text, identity, mac = context.service.credentials.make(given.role)
        made = TokenRow(
            id=identity,
            mac=mac,
            person=person,
            label=given.label,
            agent=given.agent,
            role=given.role.value,
            environments=sorted(reach),
            parent=parent.id if parent else None,
            created_by=context.caller.actor,
            expires_at=expires_at,
        )
        session.add(made)
        event = context.caller.event(
            "token.create",
            f"token:{identity}",
            token_of=person,
            agent=given.agent,
            role=given.role.value,
            environments=list(made.environments),
            expires_at=expires_at.isoformat(timespec="seconds"),
            parent=made.parent,
        )
        audit.append(session, event)
        return MadeToken(token=text, about=_token(made))


def list_tokens(context: Context, given: ListTokens) -> TokenList:
    """Tokens of one's own, or everybody's for an administrator; never what proves them."""
    principal = context.caller.principal
    person = None if given.everybody and principal.may(Role.ADMIN) else principal.person
    with context.service.store.session() as session:
        rows = [
            row
            for row in tokens.every(session, person, given.ended)
            if _reached(session, principal, row)
        ]
        return TokenList(items=[_token(row) for row in rows])


def revoke_token(context: Context, given: RevokeToken) -> RevokedToken:
    """End a token now, and all that were made with it."""
    principal = context.caller.principal
    own = None if principal.may(Role.ADMIN) else principal.person
    with context.service.store.session() as session:
        begin_writing(session)
        row = tokens.find(session, given.token, own)
        if not _reached(session, principal, row):
            tokens.find(session, given.token, principal.person)  # says that there is none
        ended = [row, *_descendants(session, row)]
        for each in ended:
            tokens.end(session, each, context.caller.actor)
        names = [each.id for each in ended]
        event = context.caller.event("token.revoke", f"token:{row.id}", ended=list(names))
        audit.append(session, event)
    return RevokedToken(ended=names)


# -- helpers, in call order


def _refuse_agents(principal: Principal) -> None:
    if principal.kind == "agent":
        raise Forbidden(
            "an agent makes no tokens",
            why=[f"{principal.name} acts for {principal.person}, with what it was given"],
            fix=[f"{principal.person} makes one: orchestrate auth token --role deployer"],
        )


def _reached(session: Session, principal: Principal, row: TokenRow) -> bool:
    """Whether a token is one's own, or an administrator's affair: of one who is limited to some
    environments only what reaches no others."""
    if row.person == principal.person or not principal.environments:
        return True
    person = people.look(session, row.person)
    reach = narrowed(person.environments if person else (), row.environments)
    return reach is None or within(principal.environments, reach)


def _parent(session: Session, principal: Principal) -> TokenRow | None:
    """The token that the caller shows; None on the socket."""
    if not principal.credential.startswith("token:"):
        return None
    return tokens.find(session, principal.credential.removeprefix("token:"))


def _expiry(given: CreateToken, parent: TokenRow | None) -> datetime:
    if given.expires_s is not None:
        return now() + timedelta(seconds=given.expires_s)
    usual = now() + timedelta(seconds=USUAL_S)
    return usual if parent is None else min(usual, parent.expires_at)


def _reach(given: CreateToken, principal: Principal, row: PersonRow) -> tuple[str, ...]:
    """The environments of the new token, none for all: within those of whoever makes it and of
    whose it is, however it is made."""
    allowed = narrowed(row.environments, principal.environments)
    if allowed is None or (given.environments and not within(allowed, given.environments)):
        raise Forbidden(
            "a token has no more than what it is made with",
            why=[
                f"{row.name} and {principal.name} reach no environment both"
                if allowed is None
                else f"it may reach {', '.join(allowed)} only"
            ],
            fix=["ask for less: fewer --env"],
        )
    return tuple(given.environments) or (allowed if principal.environments else ())


def _refuse_wider(
    given: CreateToken,
    principal: Principal,
    row: PersonRow,
    parent: TokenRow | None,
    expires_at: datetime,
) -> None:
    """Compare with what it is made with, and with what its person has."""
    why = []
    owner = Principal(row.name, row.name, "person", row.held, tuple(row.environments))
    if not owner.may(given.role):
        why.append(f"{row.name} does not have the role {given.role.value}")
    if parent is not None and not principal.may(given.role):
        why.append(f"the token it is made with is a {parent.role}'s")
    if given.agent and given.role not in (Role.VIEWER, Role.DEPLOYER):
        why.append(f"an agent is never {given.role.value}")
    if parent is not None and expires_at > parent.expires_at:
        why.append(f"the token it is made with ends at {parent.expires_at:%Y-%m-%d %H:%M} UTC")
    if why:
        raise Forbidden(
            "a token has no more than what it is made with",
            why=why,
            fix=["ask for less: a lower --role, a shorter --expires"],
        )


def _descendants(session: Session, row: TokenRow) -> list[TokenRow]:
    """Tokens made with it, with those made with them, and so on."""
    found: list[TokenRow] = []
    names = {row.id}
    rows = [each for each in tokens.every(session) if each.parent is not None]
    while more := [each for each in rows if each.parent in names and each not in found]:
        found += more
        names |= {each.id for each in more}
    return found


def _token(row: TokenRow) -> TokenDocument:
    return TokenDocument(
        id=row.id,
        label=row.label,
        person=row.person,
        agent=row.agent,
        role=row.held,
        environments=row.environments,
        parent=row.parent,
        created_at=row.created_at,
        created_by=row.created_by,
        expires_at=row.expires_at,
        used_on=row.used_on,
        ended_by=row.ended_by,
    )
