"""What the operations on the audit trail answer."""

from typing import Literal

from pydantic import JsonValue

from orchestrate.tools.documents import Document


class AuditEntry(Document):
    """An entry with all that its hash covers, but for the store's id, which the list says once."""

    seq: int
    at: str
    actor: str
    on_behalf_of: str | None
    person: str | None
    action: str
    subject: str
    outcome: str
    details: dict[str, JsonValue]
    request_id: str | None
    hash: str


class AuditList(Document):
    schema_: Literal["orchestrate.audit.v1"] = "orchestrate.audit.v1"
    store: str
    items: list[AuditEntry]
    next_cursor: str | None


class AuditReport(Document):
    schema_: Literal["orchestrate.audit_report.v1"] = "orchestrate.audit_report.v1"
    ok: bool
    store: str
    rows: int
    """Entries that were looked at."""
    first: int
    last: int
    heads: int
    """Signed heads of this store that the trail was compared with."""
    other_stores: list[str]
    """Stores that heads kept here speak of besides."""
    problems: list[str]
    took_s: float
    head: str | None
    """The newest entry, signed: keep it elsewhere and give it to a later `verify`."""


class AcceptedRestore(Document):
    schema_: Literal["orchestrate.restore.v1"] = "orchestrate.restore.v1"
    problems: list[str]
    """What was accepted."""
    last: int
    """Number of the entry that says so."""
