"""Asking for a change and following it: start, wait, get, list, control, roll back."""

import time
import uuid
from dataclasses import replace

from pydantic import Field, JsonValue

from orchestrate.core.canonical import short
from orchestrate.core.deployment import Action, Kind, Phase
from orchestrate.core.errors import (
    ApprovalRequired,
    ConfirmationNeeded,
    DiskFull,
    InvalidInput,
    NotNow,
    PlanChanged,
)
from orchestrate.core.plan import Plan
from orchestrate.engine import ballast
from orchestrate.engine.asking import Request, take
from orchestrate.engine.planning import Draft, draft_deployment, draft_rollback
from orchestrate.store import deployments, environments, plans, revisions
from orchestrate.store.database import Session
from orchestrate.store.tables import DeploymentRow as DeploymentRecord
from orchestrate.store.tables import EnvironmentRow, PlanRow, now
from orchestrate.tools import present
from orchestrate.tools.documents import (
    DeploymentDocument,
    DeploymentList,
    FollowDocument,
)
from orchestrate.tools.operation import Arguments, Context

ID = Field(description="Deployment id, such as d142")
POLL_S = 1.0
"""Longest time between two looks, should a change be told in another process."""


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


class WaitDeployment(Arguments):
    deployment: str = ID
    timeout_s: float = Field(default=45, ge=0, le=50, description="Longest wait; 50 at most")


class GetDeployment(Arguments):
    deployment: str = ID


class FollowDeployment(Arguments):
    deployment: str = ID
    after: int = 0
    timeout_s: float = Field(default=25, ge=0, le=50)


class ListDeployments(Arguments):
    environment: str | None = Field(default=None, description="Environment name, or app/name")
    phase: Phase | None = Field(default=None, description="Only those in this phase")
    version: str | None = Field(default=None, description="Only those to this version")
    by: str | None = Field(default=None, description="Only those this agent or person asked for")
    limit: int = Field(default=10, ge=1, le=100, description="How many at most")
    cursor: str | None = Field(default=None, description="next_cursor of the page before")


class ControlDeployment(Arguments):
    deployment: str = ID
    action: Action = Field(
        description="pause, resume; promote: end the analysis in favour; cancel: put back"
        " what was live"
    )
    reason: str | None = Field(default=None, max_length=500, description="Why, for the record")


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
    id: then wait_deployment. The same plan again gives the same deployment. Production needs a
    person's yes, which no argument stands for.
    """
    service = context.service
    if given.force and not given.reason:
        raise InvalidInput("forcing needs a reason", fix=['add a reason: --reason "..."'])
    with service.store.session() as session:
        kept = plans.find(session, given.plan)
        row = environments.get(session, kept.environment_id)
        same = _same(session, row, kept, given.idempotency_key)
        if same is not None:
            return present.deployment(session, same)
    _check_permission(row, kept, getattr(given, "confirmed", False))
    with service.store.session() as session:
        row = environments.find(session, f"{row.app}/{row.name}")
        draft = _again(context, session, row, kept, given.force)
    request = replace(
        _request(context, given.reason),
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
    service = context.service
    with service.store.session() as session:
        row = environments.find(session, given.environment)
        draft = draft_rollback(session, service.home, row, given.version, given.force)
    lost = draft.restorable.lost if draft.restorable else ()
    if lost and not getattr(given, "confirmed", False):
        raise ConfirmationNeeded(
            f"rolling {row.name} back to {draft.target.version} leaves something behind",
            why=list(lost),
            fix=[f"orchestrate deploy rollback --env {row.name} --yes"],
        )
    request = replace(
        _request(context, given.reason), quarantine=given.quarantine, force=given.force
    )
    return _begin(context, draft, request)


async def wait_deployment(context: Context, given: WaitDeployment) -> DeploymentDocument:
    """Wait until a deployment ends or pauses, or the time is up. Answers its state either way;
    call again while terminal is false.
    """
    until = time.monotonic() + given.timeout_s
    reported = -1.0
    while True:
        with context.service.store.session() as session:
            row = deployments.find(session, given.deployment)
            document = present.deployment(session, row)
        if context.caller.progress is not None:
            done = float(sum(1 for s in document.steps if s.state not in ("waiting", "running")))
            if done > reported:
                reported = done
                await context.caller.progress(done, float(len(document.steps)), document.summary)
        left = until - time.monotonic()
        if document.terminal or document.paused or left <= 0:
            return document
        await context.service.changes.wait(row.seq or 0, min(left, POLL_S))


async def follow_deployment(context: Context, given: FollowDeployment) -> FollowDocument:
    """Events of a deployment after a number."""
    until = time.monotonic() + given.timeout_s
    first: list[str | None] | None = None
    while True:
        with context.service.store.session() as session:
            row = deployments.find(session, given.deployment)
            document = present.deployment(session, row)
            rows = deployments.events(session, row.seq or 0, given.after)
            events = [present.event(r) for r in rows]
        said = [s.text for s in document.steps]
        first = said if first is None else first
        left = until - time.monotonic()
        if events or document.terminal or left <= 0 or said != first:
            after = events[-1].seq if events else given.after
            return FollowDocument(deployment=document, events=events, after=after)
        await context.service.changes.wait(row.seq or 0, min(left, POLL_S))


def get_deployment(context: Context, given: GetDeployment) -> DeploymentDocument:
    """A deployment as it stands: phase, steps, analysis verdict, lost requests, error."""
    with context.service.store.session() as session:
        return present.deployment(session, deployments.find(session, given.deployment))


def list_deployments(context: Context, given: ListDeployments) -> DeploymentList:
    """The history, newest first, of all environments or filtered; pages by cursor."""
    with context.service.store.session() as session:
        environment = (
            environments.find(session, given.environment).id if given.environment else None
        )
        rows = deployments.page(
            session,
            environment_id=environment,
            phase=given.phase.value if given.phase else None,
            version_ids=revisions.ids_of_version(session, given.version) if given.version else None,
            by=given.by,
            before=_before(given.cursor),
            limit=given.limit + 1,
        )
        items = [present.row_of(session, r) for r in rows[: given.limit]]
    more = len(rows) > given.limit
    return DeploymentList(items=items, next_cursor=items[-1].id if more else None)


def control_deployment(context: Context, given: ControlDeployment) -> DeploymentDocument:
    """Steer a running deployment: pause, resume, promote, or cancel, which puts back what was
    live. Answers at once: then wait_deployment.
    """
    service = context.service
    with service.store.session() as session:
        row = deployments.find(session, given.deployment)
        _check_action(row, given.action)
        if row.taken_at is None:
            _withdraw(context, row, session)
            return present.deployment(session, row)
    by = _by(context)
    key = f"{given.deployment}/{given.action.value}/{uuid.uuid4().hex}"
    message: dict[str, JsonValue] = {"action": given.action.value, "by": by, "reason": given.reason}
    service.worker.send(row.seq or 0, message, key)
    with service.store.session() as session:
        return present.deployment(session, deployments.get(session, row.seq or 0))


# -- helpers, in call order


def _same(
    session: Session, row: EnvironmentRow, kept: PlanRow, key: str | None
) -> DeploymentRecord | None:
    """The deployment this very request has led to already."""
    newest = deployments.newest(session, row.id or 0)
    if newest is None or newest.plan_digest != kept.digest:
        return None
    if newest.finished_at is None or (key is not None and newest.idempotency_key == key):
        return newest
    # A plan that was looked at before this deployment began: the call is a retry of the one that
    # began it. One that was made again since is a new request.
    made_before = plans.made_at(kept) <= newest.created_at
    return newest if newest.phase == Phase.SUCCEEDED.value and made_before else None


def _check_permission(row: EnvironmentRow, kept: PlanRow, confirmed: bool) -> None:
    environment = environments.as_environment(row)
    digest = short(kept.digest)
    if environment.requires_approval and kept.kind == Kind.DEPLOY.value:
        raise ApprovalRequired(
            f"{row.name} requires an approval for plan {digest}",
            why=["this version has no way to give one yet, so nothing is deployed there"],
            fix=["deploy to an environment without requires_approval"],
        )
    if environment.guarded and kept.kind == Kind.DEPLOY.value and not confirmed:
        raise ConfirmationNeeded(
            f"{row.name} is a production environment: a person must say yes to plan {digest}",
            why=["nobody can be asked through this door"],
            fix=[
                f"a person runs: orchestrate deploy --env {row.name} --version {kept.version}"
                f" --plan {digest}"
            ],
        )


def _again(
    context: Context, session: Session, row: EnvironmentRow, kept: PlanRow, force: bool
) -> Draft:
    """Plan the same request now. Raises PlanChanged when it is no longer the same plan."""
    home = context.service.home
    if kept.kind == Kind.ROLLBACK.value:
        draft = draft_rollback(session, home, row, kept.version, force)
    else:
        asked = Plan.model_validate(kept.body).strategy
        draft = draft_deployment(session, home, row, kept.version, asked, force)
    if kept.expires_at <= now():
        raise PlanChanged(
            f"plan {short(kept.digest)} is too old",
            why=[f"it was good until {kept.expires_at:%H:%M} UTC"],
            fix=["make it again: plan_deployment"],
        )
    if draft.plan.digest != kept.digest:
        raise _moved(row, kept, draft)
    return draft


def _moved(row: EnvironmentRow, kept: PlanRow, draft: Draft) -> PlanChanged:
    was, is_now = Plan.model_validate(kept.body), draft.plan
    why: list[str] = []
    if was.from_digest != is_now.from_digest:
        live = f"r{draft.live.id}" if draft.live else "nothing"
        why.append(f"another revision is live now: {live}")
    if was.to_digest != is_now.to_digest:
        why.append(f"{kept.version} is another revision now: its artifact or config changed")
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


def _begin(context: Context, draft: Draft, request: Request) -> DeploymentDocument:
    service = context.service
    seq, may_begin = _take(context, draft, request)
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


def _request(context: Context, reason: str | None) -> Request:
    caller = context.caller
    return Request(actor=caller.actor, on_behalf_of=caller.on_behalf_of, reason=reason)


def _by(context: Context) -> str:
    caller = context.caller
    return f"{caller.actor} for {caller.on_behalf_of}" if caller.on_behalf_of else caller.actor


def _before(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    digits = cursor.removeprefix("d")
    if not digits.isdecimal() or len(digits) > deployments.LONGEST_NUMBER:
        raise InvalidInput(f"{cursor[:40]!r} is not a cursor", fix=["give next_cursor of a page"])
    return int(digits)


def _check_action(row: DeploymentRecord, action: Action) -> None:
    phase = Phase(row.phase)
    if phase.terminal or phase in (Phase.ROLLING_BACK, Phase.CANCELLING):
        raise NotNow(
            f"d{row.seq} is {phase.value.replace('_', ' ')}: there is nothing to {action.value}",
            fix=["a finished deployment is taken back with a rollback"] if phase.terminal else [],
        )
    if action is Action.RESUME and not row.paused:
        raise NotNow(f"d{row.seq} is not paused")
    if action is Action.PAUSE and row.paused:
        raise NotNow(f"d{row.seq} is paused already")
    if action is not Action.CANCEL and row.taken_at is None:
        raise NotNow(f"d{row.seq} waits for its turn")


def _withdraw(context: Context, row: DeploymentRecord, session: Session) -> None:
    """End a deployment that had not begun."""
    row.result = "cancelled"
    deployments.set_phase(session, row, Phase.CANCELLING)
    deployments.set_phase(session, row, Phase.CANCELLED)
    deployments.skip_waiting(session, row.seq or 0)
    deployments.tell(session, row.seq or 0, "deploy", "cancelled", f"by {_by(context)}")
    context.service.changes.tell(row.seq or 0)
