"""What the operations on people and tokens answer."""

from typing import Literal

from orchestrate.core.identity import Role
from orchestrate.tools.documents import Document, Time


class PersonDocument(Document):
    name: str
    roles: list[Role]
    environments: list[str]
    """`app/name` or `name`; none means all."""
    uids: list[int]
    keys: list[str]
    """Fingerprints of their SSH keys."""
    created_at: Time
    created_by: str


class PersonAnswer(Document):
    schema_: Literal["orchestrate.person.v1"] = "orchestrate.person.v1"
    person: PersonDocument
    summary: str


class PeopleDocument(Document):
    schema_: Literal["orchestrate.people.v1"] = "orchestrate.people.v1"
    items: list[PersonDocument]


class TokenDocument(Document):
    id: str
    label: str
    person: str
    agent: str | None
    role: Role
    environments: list[str]
    parent: str | None
    """The token it was made with."""
    created_at: Time
    created_by: str
    expires_at: Time
    used_on: str | None
    """The last day it was used, UTC."""
    ended_by: str | None
    """Who revoked it, or `time`; null while it is good."""


class TokenList(Document):
    schema_: Literal["orchestrate.tokens.v1"] = "orchestrate.tokens.v1"
    items: list[TokenDocument]


class MadeToken(Document):
    schema_: Literal["orchestrate.token.v1"] = "orchestrate.token.v1"
    token: str
    """The token itself: shown this once, and kept nowhere."""
    about: TokenDocument


class RevokedToken(Document):
    schema_: Literal["orchestrate.revoked.v1"] = "orchestrate.revoked.v1"
    ended: list[str]
    """Ids of the tokens that are good no more: it, and those made with it."""


class AccessDocument(Document):
    """Who asks, and what they may do."""

    schema_: Literal["orchestrate.access.v1"] = "orchestrate.access.v1"
    name: str
    person: str
    kind: Literal["person", "agent", "service"]
    roles: list[Role]
    environments: list[str]
    credential: str
    people: bool
    """Whether anybody was added: until then whoever owns the service may do everything on its
    socket that needs no second person."""
    read_only: bool
    alarm: list[str]
