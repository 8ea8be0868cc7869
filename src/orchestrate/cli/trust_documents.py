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
