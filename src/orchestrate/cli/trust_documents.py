"""What the service answers about trust, as far as this client reads it."""

from typing import TypedDict


class AuditEntry(TypedDict):
    seq: int
    at: str
    actor: str
    on_behalf_of: str | None
    person: str | None
    action: str
    subject: str
    outcome: str
    details: dict[str, object]
    request_id: str | None
    hash: str


class AuditList(TypedDict):
    store: str
    items: list[AuditEntry]
    next_cursor: str | None


class AuditReport(TypedDict):
    ok: bool
    store: str
    rows: int
    first: int
    last: int
    heads: int
    other_stores: list[str]
    problems: list[str]
    took_s: float
    head: str | None


class AcceptedRestore(TypedDict):
    problems: list[str]
    last: int


class Access(TypedDict):
    name: str
    person: str
    kind: str
    roles: list[str]
    environments: list[str]
    credential: str
    people: bool
    read_only: bool
    alarm: list[str]


class Person(TypedDict):
    name: str
    roles: list[str]
    environments: list[str]
    uids: list[int]
    keys: list[str]


class People(TypedDict):
    items: list[Person]


class PersonAnswer(TypedDict):
    person: Person
    summary: str


class TokenAbout(TypedDict):
    id: str
    label: str
    person: str
    agent: str | None
    role: str
    environments: list[str]
    expires_at: str
    used_on: str | None
    ended_by: str | None


class TokenList(TypedDict):
    items: list[TokenAbout]


class MadeToken(TypedDict):
    token: str
    about: TokenAbout


class RevokedToken(TypedDict):
    ended: list[str]
