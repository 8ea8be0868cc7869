"""Approvals: listed, shown, decided by people, and asked for by agents, who decide nothing."""

import time

from pydantic import Field

from orchestrate.core import words
from orchestrate.core.approval import Decision, State
from orchestrate.core.canonical import short
from orchestrate.core.deployment import Phase
from orchestrate.core.errors import InvalidInput, NotNow
from orchestrate.core.untrusted import clean
from orchestrate.engine.deciding import Wish
from orchestrate.engine.factors import Given, hashed
from orchestrate.store import approvals, approvers, audit, deployments, environments
from orchestrate.store.approvals import ApprovalRow
from orchestrate.store.database import Session
from orchestrate.tools import present, present_approval
from orchestrate.tools.approval_documents import (
    ApprovalDocument,
    ApprovalList,
    AskedDocument,
    PassphraseDocument,
)
from orchestrate.tools.operation import Arguments, Context

ID = Field(description="Request for approval, such as a31")
ASKED_WITHIN_S = 30.0
"""How long request_approval waits for the checks before the asking."""
POLL_S = 0.5


class ListApprovals(Arguments):
    environment: str | None = None
    state: State | None = None
    limit: int = Field(default=10, ge=1, le=100)
    cursor: str | None = None


class ShowApproval(Arguments):
    approval: str = ID
    key: str | None = Field(default=None, max_length=16384)
    """A public SSH key: who would decide with it."""
    person: str | None = Field(default=None, max_length=100)
    """Who would decide with a passphrase."""


class Decide(Arguments):
    approval: str = ID
    plan: str | None = None
    """The whole digest of the plan that was looked at."""
    reason: str | None = Field(default=None, max_length=500)
    signature: str | None = Field(default=None, max_length=16384, repr=False)
    """`ssh-keygen -Y sign` over the text of the request."""
    person: str | None = Field(default=None, max_length=100)
    passphrase: str | None = Field(default=None, max_length=1024, repr=False)


class RequestApproval(Arguments):
    deployment: str = Field(description="Deployment id, such as d142")
    summary: str | None = Field(
        default=None, max_length=500, description="What the approver should know"
    )


class SetPassphrase(Arguments):
    person: str = Field(max_length=63)
    passphrase: str = Field(max_length=1024, repr=False)


def set_passphrase(context: Context, given: SetPassphrase) -> PassphraseDocument:
    """Set the passphrase by which a person approves."""
    phc = hashed(given.passphrase)
    with context.service.store.session() as session:
        approvers.set_passphrase(session, given.person, phc)
        subject = f"person:{given.person}"
        audit.append(session, context.caller.event("person.passphrase", subject))
    return PassphraseDocument(person=given.person)


def list_approvals(context: Context, given: ListApprovals) -> ApprovalList:
    """Requests for approval, newest first."""
    with context.service.store.session() as session:
        within = environments.find(session, given.environment).id if given.environment else None
        rows = approvals.page(
            session,
            environment_id=within,
            within=environments.visible_ids(session),
            state=given.state,
            before=_before(given.cursor),
            limit=given.limit + 1,
        )
        items = [present_approval.row_of(session, row) for row in rows[: given.limit]]
    more = len(rows) > given.limit
    return ApprovalList(items=items, next_cursor=items[-1].id if more else None)


def show_approval(context: Context, given: ShowApproval) -> ApprovalDocument:
    """A request with what it would change, and what is signed."""
    with context.service.store.session() as session:
        row = _visible(session, given.approval)
        you = present_approval.you(session, context.caller.principal, row, given.key, given.person)
        return present_approval.approval(session, context.service.place, row, you)


def approve(context: Context, given: Decide) -> ApprovalDocument:
    """A person's yes."""
    return _decide(context, given, Decision.APPROVE)


def reject(context: Context, given: Decide) -> ApprovalDocument:
    """A person's no, which outweighs every yes."""
    return _decide(context, given, Decision.REJECT)


async def request_approval(context: Context, given: RequestApproval) -> AskedDocument:
    """Ask people to approve a deployment that waits for it, and learn where they do that. It
    approves nothing. The same again is the same request: tell the person, then wait_deployment.
    """
    until = time.monotonic() + ASKED_WITHIN_S
    while True:
        with context.service.store.session() as session:
            deployment = deployments.find(session, given.deployment)
            seq = deployment.seq or 0
            row = approvals.of_deployment(session, seq)
            if row is not None:
                _say(context, session, row, given.summary)
                return _asked(session, row)
            _refuse_needless(Phase(deployment.phase), seq, deployment.needs_approval)
        if time.monotonic() > until:
            raise NotNow(
                f"d{seq} is still being checked: nobody is asked before that",
                fix=[f"wait_deployment(deployment='d{seq}'), then ask again"],
            )
        await context.service.changes.wait(seq, POLL_S)


# -- helpers, in call order


def _before(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    digits = cursor.removeprefix("a")
    if not digits.isdecimal() or len(digits) > approvals.LONGEST_NUMBER:
        raise InvalidInput(f"{cursor[:40]!r} is not a cursor", fix=["give next_cursor of a page"])
    return int(digits)


def _visible(session: Session, name: str) -> ApprovalRow:
    """The request, for whoever may see its environment. Raises UnknownApproval for others too."""
    row = approvals.find(session, name)
    if environments.visible_id(session, row.environment_id):
        return row
    raise approvals.unknown(name)


def _decide(context: Context, given: Decide, decision: Decision) -> ApprovalDocument:
    service = context.service
    with service.store.session() as session:
        _visible(session, given.approval)
    wish = Wish(
        approval=given.approval,
        decision=decision,
        plan=given.plan,
        reason=given.reason,
        proof=Given(given.signature, given.person, given.passphrase),
    )
    decided = service.worker.deciding.decide(context.caller.principal, wish)
    if decided.deployment is not None:
        if decided.settled:
            service.worker.wake(decided.deployment)
        service.changes.tell(decided.deployment)
    with service.store.session() as session:
        row = approvals.get(session, decided.approval)
        return present_approval.approval(session, service.place, row, None)


def _say(context: Context, session: Session, row: ApprovalRow, summary: str | None) -> None:
    """What is said first stays: a request does not change under who reads it. The trail has who
    said it."""
    if summary is not None and row.summary is None and row.state == State.WAITING.value:
        row.summary = clean(summary)
        session.add(row)
        details = {"environment": row.environment, "plan": row.plan_digest, "summary": row.summary}
        audit.append(session, context.caller.event("approval.summary", row.name, **details))


def _refuse_needless(phase: Phase, seq: int, needs: bool) -> None:
    if not needs:
        raise NotNow(f"d{seq} needs no approval", fix=[f"wait_deployment(deployment='d{seq}')"])
    if phase.terminal:
        raise NotNow(f"d{seq} has ended ({phase.value.replace('_', ' ')}): nobody was asked")


def _asked(session: Session, row: ApprovalRow) -> AskedDocument:
    brief = present.brief(session, row)
    seq = f"d{row.deployment}"
    where = f"open {brief.url} or run" if brief.url else "run"
    people = f"{brief.needs} of {' or '.join(brief.roles)}, not {row.person}"
    summary = f"{row.name} for {seq} in {row.environment} is {row.state}"
    if row.state == State.WAITING.value:
        summary = (
            f"{row.name} asks for {people}: {where} {brief.command}"
            f" (plan {short(row.plan_digest)}, until {row.expires_at:%H:%M} UTC)"
        )
        lacks = words.too_few(brief.approvers, brief.needs, brief.roles)
        summary += f"; {lacks}" if lacks else ""
    return AskedDocument(
        approval_id=row.name,
        state=brief.state,
        deployment_id=seq,
        environment=row.environment,
        plan_digest=row.plan_digest,
        has=brief.has,
        needs=brief.needs,
        roles=brief.roles,
        not_by=row.person,
        expires_at=row.expires_at,
        url=brief.url,
        command=brief.command,
        summary=summary,
        next=[f"wait_deployment(deployment='{seq}')", brief.command],
    )
