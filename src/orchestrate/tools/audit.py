"""The audit trail: read it, verify it, and take a restored one for the truth."""

import json
import time
from collections.abc import Sequence

from pydantic import Field

from orchestrate.core.errors import InvalidInput, NothingToDo
from orchestrate.store import audit
from orchestrate.store.audit_check import NO_HEAD, Report, verify
from orchestrate.store.heads import SignedHead, read
from orchestrate.store.identity import store_id
from orchestrate.tools.audit_documents import AcceptedRestore, AuditEntry, AuditList, AuditReport
from orchestrate.tools.operation import Arguments, Context

LONGEST_HEAD = 2000


class ListAudit(Arguments):
    action: str | None = Field(default=None, max_length=60)
    """One such as deployment.start, or all that begin with deployment."""
    actor: str | None = Field(default=None, max_length=200)
    subject: str | None = Field(default=None, max_length=200)
    outcome: str | None = Field(default=None, pattern="^(ok|refused|failed)$")
    since: str | None = Field(default=None, pattern=r"^\d{4}-\d\d-\d\d(T[0-9:.]+Z)?$")
    after: int | None = Field(default=None, ge=0)
    """Oldest first, those that follow this number: for an export."""
    limit: int = Field(default=50, ge=1, le=1000)
    cursor: str | None = None


class VerifyAudit(Arguments):
    head: str | None = Field(default=None, max_length=LONGEST_HEAD)
    """A signed head that was kept elsewhere."""
    since: int = Field(default=0, ge=0)
    """Only the entries after this number, which is trusted as it stands."""


class AcceptRestore(Arguments):
    reason: str = Field(min_length=1, max_length=500)


def list_audit(context: Context, given: ListAudit) -> AuditList:
    """Entries of the audit trail, newest first."""
    with context.service.store.session() as session:
        rows = audit.page(
            session,
            before=_number(given.cursor) if given.after is None else None,
            after=given.after if given.cursor is None else _number(given.cursor),
            # Times are compared as texts: `10:00:00Z` would come after `10:00:00.5Z`.
            since=given.since.removesuffix("Z") if given.since else None,
            action=given.action,
            actor=given.actor,
            subject=given.subject,
            outcome=given.outcome,
            limit=given.limit + 1,
        )
        store = store_id(session)
    items = [_entry(row) for row in rows[: given.limit]]
    more = len(rows) > given.limit
    return AuditList(store=store, items=items, next_cursor=str(items[-1].seq) if more else None)


def verify_audit(context: Context, given: VerifyAudit) -> AuditReport:
    """Compare every entry with its hash, and the trail with its signed heads."""
    began = time.monotonic()
    anchor = context.service.anchor
    written = anchor.newest  # before they are read: it never runs ahead of the file
    heads = anchor.heads()
    kept = list(heads)
    if given.head is not None:
        heads.append(read(given.head))
    with context.service.store.session() as session:
        report = verify(session, heads, anchor.public_key, given.since)
    _refuse_without_heads(report, kept, written)
    if given.head is not None and heads[-1] is not None and not report.has(heads[-1]):
        report.add(f"the given head is of another store: {heads[-1].head.store}")
    return AuditReport(
        ok=not report.problems,
        store=report.store,
        rows=report.rows,
        first=report.first,
        last=report.last,
        heads=report.heads,
        other_stores=list(report.other_stores),
        problems=report.problems,
        took_s=round(time.monotonic() - began, 3),
        head=None if report.problems else anchor.note(),
    )


def accept_restore(context: Context, given: AcceptRestore) -> AcceptedRestore:
    """Take the trail as it stands for the truth, after a backup was restored on purpose. The
    service ends, and the next one deploys again."""
    service = context.service
    if not service.alarm:
        raise NothingToDo("the audit trail is as its heads say: there is nothing to accept")
    with service.store.session() as session:
        event = context.caller.event(
            "audit.accept_restore",
            f"store:{store_id(session)}",
            reason=given.reason,
            problems=list(service.alarm),
        )
        audit.append(session, event)
    service.anchor.accept()
    with service.store.session() as session:
        last = audit.tail(session).seq
    service.stop()
    return AcceptedRestore(problems=list(service.alarm), last=last)


def _refuse_without_heads(report: Report, kept: Sequence[SignedHead | None], written: int) -> None:
    """A trail that was cut or written anew is as sound as any: only the heads tell. They are to be
    here, up to the newest that this service wrote."""
    ours = [each.head.seq for each in kept if each is not None and report.has(each)]
    if report.last and not ours:
        report.add(NO_HEAD)
    elif max(ours, default=-1) < written:
        report.add(f"the head of entry {written} was written here, and was taken away since")


def _number(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not cursor.isascii() or not cursor.isdecimal() or len(cursor) > 18:
        raise InvalidInput(f"{cursor[:40]!r} is not a cursor", fix=["give next_cursor of a page"])
    return int(cursor)


def _entry(row: audit.AuditRow) -> AuditEntry:
    return AuditEntry(
        seq=row.seq,
        at=row.at,
        actor=row.actor,
        on_behalf_of=row.on_behalf_of,
        person=row.person,
        action=row.action,
        subject=row.subject,
        outcome=row.outcome,
        details=json.loads(row.details),
        request_id=row.request_id,
        hash=row.hash,
    )
