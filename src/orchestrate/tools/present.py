"""Records as documents: deployments and plans."""

import os
from datetime import datetime

from orchestrate.core import words
from orchestrate.core.approval import State
from orchestrate.core.deployment import Kind, Phase, StepState
from orchestrate.core.environment import StrategyName
from orchestrate.core.links import public_url
from orchestrate.store import (
    approvals,
    approvers,
    deployments,
    environments,
    revisions,
    verification,
)
from orchestrate.store.approvals import ApprovalRow
from orchestrate.store.database import Session
from orchestrate.store.tables import DeploymentRow as DeploymentRecord
from orchestrate.store.tables import EventRow, StepRow, now
from orchestrate.store.verification import CheckRow
from orchestrate.tools.documents import (
    Actor,
    ApprovalBrief,
    DeploymentDocument,
    DeploymentRow,
    ErrorDocument,
    EventDocument,
    Requests,
    Running,
    Serving,
    StepDocument,
    VerdictDocument,
    VerifiedDocument,
)

UNTRUSTED = "untrusted | "
"""How a fact of a recorded error begins when it is a line of the application."""


def deployment(session: Session, row: DeploymentRecord) -> DeploymentDocument:
    """A deployment in full."""
    environment = environments.get(session, row.environment_id)
    to = revisions.get(session, row.to_revision_id)
    before = revisions.get(session, row.from_revision_id) if row.from_revision_id else None
    steps = [step(s) for s in deployments.steps(session, row.seq or 0)]
    phase = Phase(row.phase)
    serving = Serving.model_validate(row.serving) if row.serving else None
    return DeploymentDocument(
        id=f"d{row.seq}",
        kind=Kind(row.kind),
        app=environment.app,
        environment=environment.name,
        phase=phase,
        terminal=phase.terminal,
        paused=row.paused,
        result=row.result,
        summary=_summary(
            row, environment.name, before.version if before else None, to.version, serving, steps
        ),
        from_version=before.version if before else None,
        to_version=to.version,
        from_revision=f"r{before.id}" if before else None,
        to_revision=f"r{to.id}",
        serving=serving,
        strategy=StrategyName(row.strategy),
        plan_digest=row.plan_digest,
        requested_by=actor(row),
        reason=row.reason,
        created_at=row.created_at,
        started_at=row.taken_at,
        ended_at=row.finished_at,
        deadline_at=row.deadline_at,
        duration_s=_took(row.taken_at, row.finished_at),
        approval=approval(session, row),
        steps=steps,
        verdict=VerdictDocument.model_validate(row.verdict) if row.verdict else None,
        checks=[verified(r) for r in verification.checks(session, row.seq or 0)],
        remains=row.remains,
        requests=Requests.model_validate(row.requests) if row.requests else None,
        undoes=f"d{row.undoes}" if row.undoes else None,
        undone_by=f"d{row.undone_by}" if row.undone_by else None,
        quarantined=row.quarantined,
        error=error(row),
        url=f"/deployments/d{row.seq}",
        next=_next(row, environment.name, phase),
    )


def row_of(session: Session, row: DeploymentRecord) -> DeploymentRow:
    """A deployment as one line of a list."""
    environment = environments.get(session, row.environment_id)
    before = revisions.get(session, row.from_revision_id) if row.from_revision_id else None
    return DeploymentRow(
        id=f"d{row.seq}",
        kind=Kind(row.kind),
        app=environment.app,
        environment=environment.name,
        phase=Phase(row.phase),
        from_version=before.version if before else None,
        to_version=revisions.get(session, row.to_revision_id).version,
        strategy=StrategyName(row.strategy),
        requested_by=actor(row),
        created_at=row.created_at,
        ended_at=row.finished_at,
        duration_s=_took(row.taken_at, row.finished_at),
        why=_why(row),
        break_glass=row.break_glass,
    )


def approval(session: Session, row: DeploymentRecord) -> ApprovalBrief | None:
    """The approval of a deployment; None when it needs none, or did not ask yet."""
    found = approvals.of_deployment(session, row.seq or 0) if row.needs_approval else None
    return brief(session, found) if found else None


def brief(session: Session, row: ApprovalRow) -> ApprovalBrief:
    """A request in few words. Who said yes is counted as recorded: whether it counts is looked at
    again when the change begins."""
    rule = row.approvals
    decided = approvals.decisions(session, row.id or 0)
    ends = {State.REJECTED: "reject"}.get(State(row.state), "approve")
    return ApprovalBrief(
        id=row.name,
        state=State(row.state),
        has=len({each.person_key for each in decided if each.decision == "approve"}),
        needs=rule.count,
        roles=[role.value for role in rule.roles],
        approvers=approvers.able(session, row.person, rule.roles, row.environment),
        expires_at=row.expires_at,
        waiting_since=row.created_at,
        by=list(dict.fromkeys(each.person for each in decided if each.decision == ends)),
        break_glass=row.break_glass,
        url=approval_url(row),
        command=f"orchestrate approvals approve {row.name}",
    )


def approval_url(row: ApprovalRow) -> str | None:
    """The page on which a person decides, where ORCHESTRATE_PUBLIC_URL says that there is one."""
    base = public_url(os.environ.get("ORCHESTRATE_PUBLIC_URL"))
    return f"{base}/approvals/{row.name}" if base else None


def running(session: Session, row: DeploymentRecord) -> Running:
    """A deployment that has not ended, as an environment shows it."""
    line = row_of(session, row)
    steps = [step(s) for s in deployments.steps(session, row.seq or 0)]
    at = next((s for s in steps if s.state is StepState.RUNNING), None)
    return Running(
        id=line.id,
        kind=line.kind,
        phase=line.phase,
        paused=row.paused,
        from_version=line.from_version,
        to_version=line.to_version,
        step=at.title if at else None,
        text=at.text if at else None,
        since=row.taken_at or row.created_at,
        by=line.requested_by,
    )


def step(row: StepRow) -> StepDocument:
    return StepDocument(
        key=row.key,
        kind=row.kind,
        state=StepState(row.state),
        title=words.step_title(row.body),
        text=row.text,
        started_at=row.started_at,
        duration_s=_took(row.started_at, row.ended_at),
    )


def verified(row: CheckRow) -> VerifiedDocument:
    """An answer of a check after the change."""
    return VerifiedDocument.model_validate({**row.body, "at": row.at})


def event(row: EventRow) -> EventDocument:
    return EventDocument(
        seq=row.seq or 0,
        at=row.at,
        step=row.step,
        state=row.state,
        duration_s=row.duration_s,
        text=row.text,
    )


def error(row: DeploymentRecord) -> ErrorDocument | None:
    """Why a deployment failed, with what the application wrote in a field of its own."""
    if row.error is None:
        return None
    found = ErrorDocument.model_validate(row.error)
    return found.model_copy(
        update={
            "why": [fact for fact in found.why if not fact.startswith(UNTRUSTED)],
            "untrusted_lines": [
                fact.removeprefix(UNTRUSTED) for fact in found.why if fact.startswith(UNTRUSTED)
            ],
        }
    )


def actor(row: DeploymentRecord) -> Actor:
    return Actor(actor=row.actor, on_behalf_of=row.on_behalf_of)


def _summary(
    row: DeploymentRecord,
    environment: str,
    from_version: str | None,
    to_version: str,
    serving: Serving | None,
    steps: list[StepDocument],
) -> str:
    at = next((s for s in steps if s.state is StepState.RUNNING), None)
    return words.deployment_summary(
        kind=row.kind,
        phase=row.phase,
        environment=environment,
        from_version=from_version,
        to_version=to_version,
        serving=serving.version if serving else None,
        result=row.result,
        step=at.title if at else None,
    )


def _why(row: DeploymentRecord) -> str:
    parts = [f"broke the glass: {row.break_glass}"] if row.break_glass else []
    if row.undoes:
        parts.append(f"rollback of d{row.undoes}")
    if row.result:
        parts.append(row.result.replace("_", " "))
    if row.reason:
        parts.append(row.reason)
    return "; ".join(parts)


def _next(row: DeploymentRecord, environment: str, phase: Phase) -> list[str]:
    """What to go on with: tools for agents, then the command for people."""
    name = f"d{row.seq}"
    if phase is Phase.AWAITING_APPROVAL:
        return [
            f"request_approval(deployment='{name}')",
            f"wait_deployment(deployment='{name}')",
            f"orchestrate deploy status {name} --follow",
            f"orchestrate deploy cancel {name}",
        ]
    if not phase.terminal:
        return [
            f"wait_deployment(deployment='{name}')",
            f"control_deployment(deployment='{name}', action=...)",
            f"orchestrate deploy status {name} --follow",
            f"orchestrate deploy cancel {name}",
        ]
    look = f"get_environment(environment='{environment}')"
    if phase is Phase.SUCCEEDED:
        if row.from_revision_id is None:
            return [look]
        return [
            look,
            f"rollback(environment='{environment}')",
            f"orchestrate deploy rollback --env {environment}",
        ]
    if phase is Phase.ROLLBACK_FAILED:
        return [look, f"orchestrate deploy status --env {environment}"]
    return [look, f"get_logs(deployment='{name}')", f"orchestrate deploy logs {name}"]


def _took(start: datetime | None, end: datetime | None) -> float | None:
    if start is None:
        return None
    return round(((end or now()) - start).total_seconds(), 3)
