"""Requests for approval: made, marked as ours, ended. Each function writes in its caller's
transaction, which holds the environment."""

import os
import secrets
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue, TypeAdapter

from orchestrate.core.approval import (
    Approvals,
    BreakGlass,
    Decision,
    Kind,
    State,
    Statement,
    same_person,
)
from orchestrate.core.audit import AuditEvent
from orchestrate.core.deployment import Phase
from orchestrate.core.errors import ApprovalExpired, ApprovalRejected, OrchestrateError
from orchestrate.engine.seal import Seal
from orchestrate.store import approvals, audit, deployments, people
from orchestrate.store.approvals import ApprovalRow
from orchestrate.store.database import Session
from orchestrate.store.identity import store_id
from orchestrate.store.tables import EnvironmentRow, now

LABEL = "approval"

Json = dict[str, JsonValue]


def open_request(
    session: Session,
    seal: Seal,
    environment: EnvironmentRow,
    *,
    kind: Kind,
    rule: Approvals,
    at: datetime,
    plan_digest: str,
    before: str,
    after: str,
    steps: int,
    actor: str,
    on_behalf_of: str | None,
    person: str,
    summary: str | None,
    deployment: int | None = None,
    break_glass: str | None = None,
) -> ApprovalRow:
    """Record a request, asked at `at`."""
    row = ApprovalRow(
        kind=kind,
        environment_id=environment.id or 0,
        deployment=deployment,
        environment=f"{environment.app}/{environment.name}",
        plan_digest=plan_digest,
        before=before,
        after=after,
        steps=steps,
        nonce=secrets.token_hex(16),
        rule=rule.model_dump(mode="json"),
        actor=actor,
        on_behalf_of=on_behalf_of,
        person=person,
        summary=summary,
        break_glass=break_glass,
        created_at=at,
        # To the second, as it is signed, and not sooner than the rule says.
        expires_at=(at + timedelta(seconds=rule.expires_s + 0.999)).replace(microsecond=0),
        seen_at=at,
        mac="",
    )
    session.add(row)
    session.flush()
    row.mac = seal.mark(LABEL, _record(session, row))
    session.add(row)
    session.flush()
    return row


def statement_of(session: Session, row: ApprovalRow) -> Statement:
    """What an approver of this request signs."""
    return Statement(
        store=store_id(session),
        request=row.name,
        plan=row.plan_digest,
        environment=row.environment,
        before=row.before,
        after=row.after,
        steps=row.steps,
        expires=_utc(row.expires_at),
        nonce=row.nonce,
    )


def asked_by(session: Session, row: ApprovalRow, person: str) -> bool:
    """Whether `person` asked, or had an agent ask. Before anybody was added only the owner of the
    service could, under the name of their user: whoever is that user now is who asked then."""
    if same_person(person, row.person):
        return True
    if people.look(session, row.person) is not None:
        return False
    owner = people.of_uid(session, os.geteuid())
    return owner is not None and same_person(person, owner.name)


def ours(session: Session, seal: Seal, row: ApprovalRow) -> bool:
    """Whether the request is as the service recorded it."""
    return seal.fits(LABEL, _record(session, row), row.mac)


def expire(session: Session, row: ApprovalRow, at: datetime) -> bool:
    """End the request when its time is over. The latest time anybody saw counts: a clock that is
    set back brings no time back."""
    seen = max(at, row.seen_at)
    if seen - row.seen_at >= timedelta(seconds=1):
        row.seen_at = seen
        session.add(row)
    if row.ended_at is not None or row.used_at is not None:
        return row.state == State.EXPIRED.value
    if seen < row.expires_at:
        return False
    error = ApprovalExpired(
        f"nobody approved {row.name} in time",
        why=[f"it expired at {row.expires_at:%H:%M} UTC; nobody's answer is a no"],
        fix=["ask again, and tell an approver: orchestrate deploy"],
    )
    end(session, row, State.EXPIRED, Phase.EXPIRED, error)
    audit_request(session, row, "approval.expire", "ok", {})
    return True


def refuse(session: Session, row: ApprovalRow, by: str, reason: str | None) -> None:
    """End the request: one person's no is enough."""
    said = f": {reason}" if reason else ""
    error = ApprovalRejected(
        f"{by} rejected {row.name}{said}",
        why=["one no outweighs every yes"],
        fix=["change what is to be deployed, or have a person ask again"],
    )
    end(session, row, State.REJECTED, Phase.REJECTED, error)


def end(
    session: Session, row: ApprovalRow, state: State, phase: Phase, error: OrchestrateError
) -> None:
    """End a request, and the deployment that waits for it."""
    approvals.end(session, row, state)
    if row.deployment is None:
        return
    waiting = deployments.get(session, row.deployment)
    data = TypeAdapter(Json).validate_python(error.as_dict())
    deployments.end_waiting(session, waiting, phase, error.code, data, error.message)


def due_requests(session: Session, passed: timedelta) -> list[tuple[int, str]]:
    """Deployments that wait for people and have something to do, each with the key of the message
    that says so. `passed` is how long ago, by a clock that nobody sets, this was asked last."""
    found: list[tuple[int, str]] = []
    for row in approvals.open_ones(session):
        if now() < row.seen_at:
            row.seen_at += passed  # the clock was set back: it goes on from what was seen
            session.add(row)
        if row.deployment is None:
            continue
        decided = len(approvals.decisions(session, row.id or 0))
        if row.state == State.APPROVED.value:
            found.append((row.deployment, f"{row.name}/approved/{decided}"))
        elif max(now(), row.seen_at) >= row.expires_at:
            found.append((row.deployment, f"{row.name}/expired"))
    return found


def use_up(session: Session, row: ApprovalRow, at: datetime) -> None:
    """What it was for begins: it is good for nothing else."""
    row.state = State.APPROVED.value
    row.used_at = at
    session.add(row)
    session.flush()


def asks(row: ApprovalRow) -> str:
    """`1 of approver, until 15:07 UTC (a31)`."""
    rule = row.approvals
    roles = " or ".join(role.value for role in rule.roles)
    return f"{rule.count} of {roles}, until {row.expires_at:%H:%M} UTC ({row.name})"


def break_glass_of(session: Session, seq: int) -> BreakGlass | None:
    """The glass that a deployment breaks, or asks to: None when it goes the ordinary way.

    For whoever keeps a deployment out by a rule (windows, freezes): it may pass when `broken`.
    """
    deployment = deployments.get(session, seq)
    if deployment.break_glass is None:
        return None
    row = approvals.of_deployment(session, seq)
    used = row is not None and row.used_at is not None
    made = approvals.decisions(session, row.id or 0) if row and used else []
    by = [each.person for each in made if each.decision == Decision.APPROVE.value]
    return BreakGlass(
        reason=deployment.break_glass,
        asked_by=deployment.person or deployment.actor,
        approved_by=", ".join(by) or None,
    )


def audit_request(
    session: Session,
    row: ApprovalRow,
    action: str,
    outcome: str,
    details: Json,
    *,
    actor: str | None = None,
    person: str | None = None,
) -> None:
    """Put what happened to a request on the trail."""
    about: Json = {"environment": row.environment, "plan": row.plan_digest, **details}
    if row.deployment is not None:
        about["deployment"] = f"d{row.deployment}"
    audit.append(
        session,
        AuditEvent.model_validate(
            {
                "action": action,
                "actor": actor or row.actor,
                "on_behalf_of": row.on_behalf_of if actor is None else None,
                "person": person or row.person,
                "subject": row.name,
                "outcome": outcome,
                "details": about,
            }
        ),
    )


def _record(session: Session, row: ApprovalRow) -> Json:
    """All that a decision relies on."""
    return {
        "text": statement_of(session, row).model_dump(mode="json"),
        "kind": row.kind,
        "deployment": row.deployment,
        "rule": row.rule,
        "person": row.person,
        "break_glass": row.break_glass,
    }


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
