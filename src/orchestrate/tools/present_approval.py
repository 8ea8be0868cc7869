"""Requests for approval as documents."""

from pydantic import JsonValue, TypeAdapter

from orchestrate.core import words
from orchestrate.core.approval import Decision, Factor, State
from orchestrate.core.canonical import short
from orchestrate.core.environment import StrategyName
from orchestrate.core.errors import OrchestrateError
from orchestrate.core.identity import Principal
from orchestrate.core.plan import Plan
from orchestrate.core.steps import Migrate, takes
from orchestrate.core.untrusted import clean
from orchestrate.engine import sshsig
from orchestrate.engine.counting import problem
from orchestrate.engine.requesting import asked_by, statement_of
from orchestrate.engine.site import Place, site_of
from orchestrate.store import approvals, approvers, deployments, environments, revisions
from orchestrate.store.approvals import ApprovalRow, DecisionRow
from orchestrate.store.approvers import Standing
from orchestrate.store.database import Session
from orchestrate.store.tables import DeploymentRow
from orchestrate.tools import present
from orchestrate.tools.approval_documents import (
    ApprovalDocument,
    ApprovalRowDocument,
    DecisionDocument,
    Signed,
    You,
)
from orchestrate.tools.documents import Actor, PlanChange, RollbackTarget
from orchestrate.tools.plans import compare


def approval(session: Session, place: Place, row: ApprovalRow, you: You | None) -> ApprovalDocument:
    """A request in full."""
    deployment = deployments.get(session, row.deployment) if row.deployment is not None else None
    before, after = _versions(session, deployment)
    brief = present.brief(session, row)
    signed = statement_of(session, row)
    return ApprovalDocument(
        id=row.name,
        kind="deployment" if deployment else "settings",
        state=State(row.state),
        environment=row.environment,
        deployment_id=f"d{row.deployment}" if deployment else None,
        plan_digest=row.plan_digest,
        from_version=before,
        to_version=after,
        strategy=StrategyName(deployment.strategy) if deployment else None,
        asked_by=Actor(actor=row.actor, on_behalf_of=row.on_behalf_of),
        person=row.person,
        untrusted_summary=clean(row.summary) if row.summary else None,
        break_glass=row.break_glass,
        needs=brief,
        factors=list(row.approvals.factors),
        created_at=row.created_at,
        ended_at=row.ended_at,
        used_at=row.used_at,
        decisions=[_decision(each) for each in approvals.decisions(session, row.id or 0)],
        signed=Signed.model_validate(signed.model_dump()),
        changes=_changes(session, row, deployment),
        checks=_checks(session, deployment),
        rollback=_rollback(session, place, deployment),
        at_least_s=_at_least(deployment),
        you=you,
        summary=_summary(row, before, after),
        next=_next(row),
    )


def row_of(session: Session, row: ApprovalRow) -> ApprovalRowDocument:
    """A request as one line of a list."""
    deployment = deployments.get(session, row.deployment) if row.deployment is not None else None
    before, after = _versions(session, deployment)
    brief = present.brief(session, row)
    return ApprovalRowDocument(
        id=row.name,
        kind="deployment" if deployment else "settings",
        state=State(row.state),
        environment=row.environment,
        deployment_id=f"d{row.deployment}" if deployment else None,
        plan_digest=row.plan_digest,
        from_version=before,
        to_version=after,
        asked_by=Actor(actor=row.actor, on_behalf_of=row.on_behalf_of),
        break_glass=row.break_glass,
        has=brief.has,
        needs=brief.needs,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


def you(
    session: Session, principal: Principal, row: ApprovalRow, key: str | None, person: str | None
) -> You | None:
    """Who would decide with this key, as this person, or by the caller's own token; None when
    nothing of it is known here."""
    if key is not None:
        credential = f"ssh:{sshsig.fingerprint(sshsig.public_blob(key))}"
        owner = approvers.key(session, credential.removeprefix("ssh:"))
        standing = approvers.standing(session, owner, credential) if owner else None
        factor = Factor.SSH
    elif person is not None:
        credential, factor = "passphrase", Factor.PASSPHRASE
        standing = approvers.standing(session, person, credential)
    elif principal.credential.startswith("token:"):
        credential, factor = principal.credential, Factor.TOKEN
        standing = Standing(principal.person, principal.roles, principal.environments)
    else:
        return None
    if standing is None:
        return None
    why = problem(row.approvals, row.environment, standing, factor)
    if asked_by(session, row, standing.person):
        why = "you asked for this, someone else must decide"
    return You(
        person=standing.person,
        roles=sorted(role.value for role in standing.roles),
        credential=credential,
        may=why is None,
        why=why,
    )


def _versions(session: Session, deployment: DeploymentRow | None) -> tuple[str | None, str | None]:
    if deployment is None:
        return None, None
    old = deployment.from_revision_id
    before = revisions.get(session, old).version if old else None
    return before, revisions.get(session, deployment.to_revision_id).version


def _decision(row: DecisionRow) -> DecisionDocument:
    return DecisionDocument(
        person=row.person,
        decision=Decision(row.decision),
        factor=Factor(row.factor),
        credential=row.credential,
        signature=row.signature,
        at=row.decided_at,
        untrusted_reason=clean(row.reason) if row.reason else None,
    )


def _changes(
    session: Session, row: ApprovalRow, deployment: DeploymentRow | None
) -> list[PlanChange]:
    if deployment is not None:
        old = deployment.from_revision_id
        before = revisions.as_revision(revisions.get(session, old)) if old else None
        after = revisions.as_revision(revisions.get(session, deployment.to_revision_id))
        found = _migrations(deployment)
        return found if found and before == after else [*found, *compare(before, after)]
    lines = (row.summary or "").splitlines()
    return [PlanChange(sign="-", what="rule", name=line, before=None, after=None) for line in lines]


def _migrations(deployment: DeploymentRow) -> list[PlanChange]:
    """What it does to the database, which no rollback takes back."""
    return [
        PlanChange(
            sign="-" if step.phase == "contract" else "+",
            what="migration",
            name=step.name,
            before=None,
            after=f"({step.phase})",
        )
        for step in Plan.model_validate(deployment.plan).steps
        if isinstance(step, Migrate)
    ]


def _checks(session: Session, deployment: DeploymentRow | None) -> str | None:
    if deployment is None:
        return None
    told = [e for e in deployments.events(session, deployment.seq or 0) if e.step == "validate"]
    return told[-1].text if told else None


def _rollback(
    session: Session, place: Place, deployment: DeploymentRow | None
) -> RollbackTarget | None:
    """Where a failure would lead back to. Nothing when the platform cannot be asked now."""
    if deployment is None or deployment.from_revision_id is None:
        return None
    row = environments.get(session, deployment.environment_id)
    live = revisions.get(session, deployment.from_revision_id)
    restored = revisions.as_revision(live)
    try:
        found = site_of(row, place, restored).provider.restorable(restored)
    except OrchestrateError as error:
        return RollbackTarget(
            version=live.version,
            revision=f"r{live.id}",
            restorable=False,
            running=False,
            lost=[error.message],
        )
    return RollbackTarget(
        version=live.version,
        revision=f"r{live.id}",
        restorable=found.ok,
        running=found.running,
        lost=list(found.lost),
    )


def _at_least(deployment: DeploymentRow | None) -> float | None:
    if deployment is None:
        return None
    body = TypeAdapter(dict[str, JsonValue]).validate_python(deployment.plan)
    return sum(takes(step) for step in Plan.model_validate(body).steps)


def _summary(row: ApprovalRow, before: str | None, after: str | None) -> str:
    about = words.change(before, after) if after else "change of settings"
    name = row.environment.rpartition("/")[2]
    return f"{row.name} {row.state}: {name} {about}, plan {short(row.plan_digest)}"


def _next(row: ApprovalRow) -> list[str]:
    if row.state != State.WAITING.value:
        return [f"orchestrate deploy status d{row.deployment}"] if row.deployment else []
    return [
        f"orchestrate approvals approve {row.name}",
        f"orchestrate approvals reject {row.name}",
    ]
