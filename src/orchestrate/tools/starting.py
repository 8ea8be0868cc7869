"""Asking for a change: start_deployment and rollback, and who may ask for which."""

from dataclasses import replace

from pydantic import Field

from orchestrate.core.approval import State
from orchestrate.core.canonical import short
from orchestrate.core.deployment import Kind, Phase
from orchestrate.core.errors import (
    ApprovalRejected,
    ConfirmationNeeded,
    DiskFull,
    EnvironmentBusy,
    Forbidden,
    InvalidInput,
    PlanChanged,
)
from orchestrate.core.identity import Role
from orchestrate.core.plan import Plan
from orchestrate.core.revision import Revision
from orchestrate.engine import ballast
from orchestrate.engine.approving import is_way_back, needed
from orchestrate.engine.asking import Request, of_key, take, under_way
from orchestrate.engine.planning import Draft, draft_deployment, draft_rollback
from orchestrate.store import approvals, deployments, environments, plans
from orchestrate.store.database import Session
from orchestrate.store.tables import DeploymentRow as DeploymentRecord
from orchestrate.store.tables import EnvironmentRow, PlanRow, now
from orchestrate.tools import present
from orchestrate.tools.documents import DeploymentDocument
from orchestrate.tools.operation import Arguments, Context


class StartDeployment(Arguments):
    plan: str = Field(description="Digest of a plan, or its first 8 characters or more")
    reason: str | None = Field(default=None, max_length=500, description="Why, for the record")
    timeout_s: float | None = Field(
        default=None,
        gt=0,
        le=86400,
        description="Seconds it may take before it is undone; default: as set",
    )
    queue: bool = Field(default=False, description="If one runs there: wait for its end")
    force: bool = Field(default=False, description="Start a quarantined revision; needs a reason")
    idempotency_key: str | None = Field(
        default=None, max_length=100, description="Same key, same deployment"
    )


class StartConfirmed(StartDeployment):
    """As people start it: with their yes for a guarded environment."""

    confirmed: bool = False
    break_glass: str | None = Field(default=None, min_length=1, max_length=500)
    """Why it is to pass by approvals and windows; a second admin must agree."""


class Rollback(Arguments):
    environment: str = Field(description="Environment name, or app/name")
    version: str | None = Field(
        default=None, description="One that was live; default: last verified"
    )
    reason: str | None = Field(default=None, max_length=500, description="Why, for the record")
    quarantine: bool = Field(default=False, description="Refuse what is left from now on")
    force: bool = Field(default=False, description="Allow a quarantined target")


class RollbackConfirmed(Rollback):
    confirmed: bool = False


def start_deployment(context: Context, given: StartDeployment) -> DeploymentDocument:
    """Carry out a plan by its digest; refused if anything moved since. Answers at once with an
    id: then wait_deployment. The same plan again gives the same deployment. Where an approval is
    needed it waits for people; no argument stands for their yes.
    """
    _need_reason(given.force, given.reason)
    glass = _break_glass(context, given)
    with context.service.store.session() as session:
        kept = plans.find(session, given.plan)
        row = _present_environment(session, kept)
        same = _same(session, row, kept, given.idempotency_key)
        if same is not None:
            _refuse_other_way(same, glass)
            return present.deployment(session, same)
        draft = _again(context, session, row, kept, given.force)
        refuse_asking_again(context, session, draft)
        confirmed = glass is not None or getattr(given, "confirmed", False)
        _check_permission(session, draft, given.force, confirmed)
    request = replace(
        request_of(context, given.reason),
        break_glass=glass,
        exempt=glass is not None,
        timeout_s=given.timeout_s,
        queue=given.queue,
        force=given.force,
        idempotency_key=given.idempotency_key,
    )
    return _begin(context, draft, request)


def rollback(context: Context, given: Rollback) -> DeploymentDocument:
    """Go back to the last verified revision, code and config together, or to a version that was
    live before. Answers at once with an id: then wait_deployment. To stop a running deployment
    use control_deployment.
    """
    _need_reason(given.force, given.reason)
    service = context.service
    with service.store.session() as session:
        row = environments.find(session, given.environment)
        _refuse_while_deploying(session, row)
        draft = draft_rollback(session, service.place, row, given.version, given.force)
        if not is_way_back(session, row, draft.plan, given.force):
            refuse_asking_again(context, session, draft)
        _check_permission(session, draft, given.force, getattr(given, "confirmed", False))
    request = replace(
        request_of(context, given.reason), quarantine=given.quarantine, force=given.force
    )
    return _begin(context, draft, request)


# -- helpers, in call order


def _refuse_while_deploying(session: Session, row: EnvironmentRow) -> None:
    """While a deployment changes something, the way back is to stop it. One that waits for people
    has changed nothing, and gives way."""
    holder = deployments.running(session, row.id or 0)
    if holder is None or holder.kind != Kind.DEPLOY.value:
        return
    if holder.phase != Phase.AWAITING_APPROVAL.value:
        raise under_way(session, row, holder)


def _need_reason(force: bool, reason: str | None) -> None:
    if force and not reason:
        raise InvalidInput("forcing needs a reason", fix=['add a reason: --reason "..."'])


def _present_environment(session: Session, kept: PlanRow) -> EnvironmentRow:
    """The plan's environment. Raises PlanChanged when it was deleted since."""
    row = environments.get(session, kept.environment_id)
    if row.archived_at is None:
        return row
    raise PlanChanged(
        f"the environment that plan {short(kept.digest)} was made for was deleted",
        why=["one of the same name is another environment"],
        fix=["make a plan for the environment that is there now: plan_deployment"],
    )


def _same(
    session: Session, row: EnvironmentRow, kept: PlanRow, key: str | None
) -> DeploymentRecord | None:
    """The deployment this very request has led to already."""
    if key is not None:
        target = Revision.model_validate(kept.target).digest
        return of_key(session, row.id or 0, key, target, Kind(kept.kind))
    newest = deployments.newest(session, row.id or 0)
    if newest is None or newest.plan_digest != kept.digest:
        return None
    if newest.finished_at is None:
        return newest
    # A plan that was looked at before this deployment began: the call is a retry of the one that
    # began it. One that was made again since is a new request.
    made_before = plans.made_at(kept) <= newest.created_at
    return newest if newest.phase == Phase.SUCCEEDED.value and made_before else None


def _again(
    context: Context, session: Session, row: EnvironmentRow, kept: PlanRow, force: bool
) -> Draft:
    """Plan the same request now. Raises PlanChanged when it is no longer the same plan."""
    place = context.service.place
    if kept.kind == Kind.ROLLBACK.value:
        target = Revision.model_validate(kept.target).digest
        draft = draft_rollback(session, place, row, kept.version, force, target)
    else:
        asked = Plan.model_validate(kept.body).strategy
        draft = draft_deployment(session, place, row, kept.version, asked, force)
    if kept.expires_at <= now():
        raise PlanChanged(
            f"plan {short(kept.digest)} is too old",
            why=[f"it was good until {kept.expires_at:%H:%M} UTC"],
            fix=["make it again: plan_deployment"],
        )
    if draft.plan.digest != kept.digest and not _only_in_motion(session, kept, draft):
        raise _moved(row, kept, draft)
    return draft


def _only_in_motion(session: Session, kept: PlanRow, draft: Draft) -> bool:
    """Whether the plans differ only because a deployment is changing what runs just now. Then it
    is told that the environment is taken, or waits and is planned again anyway. Not where a person
    agreed to this very plan."""
    if draft.site.environment.guarded or deployments.running(session, draft.site.id) is None:
        return False
    was, is_now = Plan.model_validate(kept.body), draft.plan
    return (was.from_digest, was.to_digest) == (is_now.from_digest, is_now.to_digest)


def _moved(row: EnvironmentRow, kept: PlanRow, draft: Draft) -> PlanChanged:
    was, is_now = Plan.model_validate(kept.body), draft.plan
    why: list[str] = []
    if was.from_digest != is_now.from_digest:
        live = f"r{draft.live.id}" if draft.live else "nothing"
        why.append(f"another revision is live now: {live}")
    if was.to_digest != is_now.to_digest:
        why.append(f"{kept.version} is another revision now: its artifact or config changed")
    if was.gates != is_now.gates:
        why.append("what must be known before a deployment there is asked differently now")
    if was.on_close != is_now.on_close:
        why.append("what happens when its window closes is set differently now")
    if was.migrations != is_now.migrations:
        why.append("what there is to migrate, or its commands, are others now")
    if not why:
        why.append("what runs there was observed to be different")
    return PlanChanged(
        f"{row.name} is not as it was when plan {short(kept.digest)} was made",
        why=[*why, "nothing was changed by this call"],
        fix=[
            "look at the new plan: orchestrate deploy diff"
            f" --env {row.name} --version {kept.version}"
        ],
        details={"planned": kept.digest, "now": draft.plan.digest},
    )


def _break_glass(context: Context, given: StartDeployment) -> str | None:
    """The reason for breaking the glass, from an admin. Raises Forbidden for anybody else."""
    if not isinstance(given, StartConfirmed) or given.break_glass is None:
        return None
    if not given.break_glass.strip():
        raise InvalidInput(
            "breaking the glass needs a reason", fix=['say why: --break-glass "checkout is down"']
        )
    principal = context.caller.principal
    if principal.kind == "person" and principal.may(Role.ADMIN):
        return given.break_glass.strip()
    raise Forbidden(
        "breaking the glass is for admins",
        why=["it passes by approvals and windows, so two admins must want it"],
        fix=["ask an admin, or go the ordinary way: leave --break-glass out"],
    )


def _refuse_other_way(same: DeploymentRecord, glass: str | None) -> None:
    if glass is None or same.break_glass is not None or same.finished_at is not None:
        return
    raise EnvironmentBusy(
        f"d{same.seq} does this already, the ordinary way",
        fix=[f"orchestrate deploy cancel d{same.seq}", "then break the glass"],
    )


def refuse_asking_again(context: Context, session: Session, draft: Draft) -> None:
    """An agent does not ask again for the very plan that a person rejected. Raises
    ApprovalRejected."""
    if context.caller.principal.kind == "person":
        return
    asked = approvals.newest_of_plan(session, draft.site.id, draft.plan.digest)
    if asked is not None and asked.state == State.REJECTED.value:
        raise ApprovalRejected(
            f"plan {short(asked.plan_digest)} was rejected ({asked.name})",
            why=["the very same plan is not asked for again by an agent"],
            fix=[
                f"look at what was said: orchestrate approvals show {asked.name}",
                "a changed version or setting is another plan; or a person asks again",
            ],
        )


def _check_permission(session: Session, draft: Draft, force: bool, confirmed: bool) -> None:
    """Who may begin what. Going back to the last verified revision is never kept out. Where an
    approval is needed the deployment waits for it; every other change of a guarded environment
    needs a person's yes here.
    """
    lost = draft.restorable.lost if draft.restorable else ()
    if lost and not confirmed:
        raise ConfirmationNeeded(
            f"rolling {draft.row.name} back to {draft.target.version} leaves something behind",
            why=list(lost),
            fix=[_go_all_the_same(draft, force)],
        )
    if not draft.plan.steps or is_way_back(session, draft.row, draft.plan, force):
        return
    name, version, digest = draft.row.name, draft.target.version, short(draft.plan.digest)
    if needed(session, draft.row, draft.plan, force):
        return
    if draft.site.environment.guarded and not confirmed:
        command = "deploy rollback" if draft.plan.kind is Kind.ROLLBACK else "deploy"
        yes = "--yes" if draft.plan.kind is Kind.ROLLBACK else f"--plan {digest}"
        raise ConfirmationNeeded(
            f"{name} is a production environment: a person must say yes to plan {digest}",
            why=["nobody can be asked through this door"],
            fix=[f"a person runs: orchestrate {command} --env {name} --version {version} {yes}"],
        )


def _go_all_the_same(draft: Draft, force: bool) -> str:
    forced = ' --force --reason "..."' if force else ""
    name, version = draft.row.name, draft.target.version
    return f"orchestrate deploy rollback --env {name} --version {version}{forced} --yes"


def _begin(context: Context, draft: Draft, request: Request) -> DeploymentDocument:
    service = context.service
    with service.store.session() as session:
        before = deployments.running(session, draft.site.id)
    seq, may_begin = _take(context, draft, request)
    if before is not None and before.phase == Phase.AWAITING_APPROVAL.value and before.seq != seq:
        service.worker.wake(before.seq or 0)  # it may have given way
    if may_begin:
        service.worker.begin(seq)
    else:
        service.worker.nudge()
    with service.store.session() as session:
        return present.deployment(session, deployments.get(session, seq))


def _take(context: Context, draft: Draft, request: Request) -> tuple[int, bool]:
    """Take the environment. A rollback on a full disk has the ballast for it."""
    service = context.service
    try:
        return take(service.store, draft, request)
    except DiskFull:
        if draft.plan.kind is not Kind.ROLLBACK or not ballast.give_up(service.home):
            raise
    return take(service.store, draft, request)


def request_of(context: Context, reason: str | None) -> Request:
    """The request of whoever calls."""
    caller = context.caller
    return Request(
        actor=caller.actor,
        on_behalf_of=caller.on_behalf_of,
        reason=reason,
        person=caller.principal.person,
        credential=caller.principal.credential,
        request_id=caller.request_id,
    )
