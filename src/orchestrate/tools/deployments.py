"""Following deployments and steering them: wait, get, list, control."""

import time
import uuid

from pydantic import Field, JsonValue

from orchestrate.core.deployment import Action, Phase, StepState
from orchestrate.core.errors import (
    Cancelled,
    ConfirmationNeeded,
    InvalidInput,
    NotNow,
)
from orchestrate.core.protection import rule_of
from orchestrate.engine.approving import held, withdraw
from orchestrate.store import audit, deployments, environments, revisions
from orchestrate.store.database import Session
from orchestrate.store.tables import DeploymentRow as DeploymentRecord
from orchestrate.tools import present
from orchestrate.tools.documents import (
    DeploymentDocument,
    DeploymentList,
    FollowDocument,
)
from orchestrate.tools.operation import Arguments, Context

ID = Field(description="Deployment id, such as d142")
WATCHED = frozenset({"analyse", "bake", "verify"})
"""Kinds of step that a promote can end."""
Json = dict[str, JsonValue]
POLL_S = 1.0
"""Longest time between two looks, should a change be told in another process."""


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


async def wait_deployment(context: Context, given: WaitDeployment) -> DeploymentDocument:
    """Wait until a deployment ends, pauses, begins to wait for people, or the time is up. Answers
    its state either way; call again while terminal is false.
    """
    until = time.monotonic() + given.timeout_s
    reported = -1.0
    waited_for_people: bool | None = None
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
        awaits = document.phase is Phase.AWAITING_APPROVAL
        begins = awaits and waited_for_people is False
        if document.terminal or document.paused or left <= 0 or begins:
            return document
        waited_for_people = awaits
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
        watched: Json = {}
        if given.action is Action.PROMOTE:
            _check_promoter(context, session, row)
            watched = {"position": _watched(session, row)}
        _record(context, session, row, given)
        if row.taken_at is None and _withdraw(context, session, row):
            return present.deployment(session, row)
        stopped = given.action is Action.CANCEL and _stop_waiting(context, session, row, given)
        document = present.deployment(session, row)
    if stopped:
        service.worker.wake(row.seq or 0)
        return document
    by = _by(context)
    key = f"{given.deployment}/{given.action.value}/{uuid.uuid4().hex}"
    message: Json = {"action": given.action.value, "by": by, "reason": given.reason, **watched}
    service.worker.send(row.seq or 0, message, key)
    with service.store.session() as session:
        return present.deployment(session, deployments.get(session, row.seq or 0))


# -- helpers, in call order


def _record(
    context: Context, session: Session, row: DeploymentRecord, given: ControlDeployment
) -> None:
    """Tell the trail who steers it, through which door, before anything of it is done."""
    place = environments.get(session, row.environment_id)
    event = context.caller.event(
        "deployment.control",
        f"d{row.seq}",
        environment=f"{place.app}/{place.name}",
        action=given.action.value,
        reason=given.reason,
    )
    audit.append(session, event)


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
    if action is not Action.CANCEL and phase is Phase.AWAITING_APPROVAL:
        raise NotNow(f"d{row.seq} waits for an approval: nothing runs yet")


def _watched(session: Session, row: DeploymentRecord) -> int:
    """Position of the step that is being watched, which a promote is said of. Raises NotNow: the
    next analysis is not ended before it began."""
    steps = deployments.steps(session, row.seq or 0)
    running = next((step for step in steps if step.state == StepState.RUNNING.value), None)
    if running is not None and running.kind in WATCHED:
        return running.position
    at = f"it is at {running.key}" if running else "it is between two steps"
    resume = f"it is paused; to go on: orchestrate deploy resume d{row.seq}"
    raise NotNow(
        f"d{row.seq} watches nothing just now that could be promoted",
        why=[at, "a promote ends the analysis that is looked at, and no other one"],
        fix=[resume if row.paused else f"when it holds: orchestrate deploy promote d{row.seq}"],
    )


def _withdraw(context: Context, session: Session, row: DeploymentRecord) -> bool:
    """End a deployment that waits for its turn. False when its turn came meanwhile."""
    environments.lock(session, row.environment_id)
    session.refresh(row)
    if row.taken_at is not None:
        return False
    _check_action(row, Action.CANCEL)
    text = f"by {_by(context)}"
    deployments.end_waiting(session, row, Phase.CANCELLED, "cancelled", None, text)
    context.service.changes.tell(row.seq or 0)
    return True


def _stop_waiting(
    context: Context, session: Session, row: DeploymentRecord, given: ControlDeployment
) -> bool:
    """End a deployment that waits for an approval, at once. False when it waits no more."""
    held(session, row.seq or 0)
    _check_action(row, Action.CANCEL)
    said = f": {given.reason}" if given.reason else ""
    error = Cancelled(f"cancelled by {_by(context)}{said}")
    principal = context.caller.principal
    return withdraw(session, row, error, by=principal.name, person=principal.person)


def _check_promoter(context: Context, session: Session, row: DeploymentRecord) -> None:
    """An agent does not end the analysis of a release in its favour in production, nor where people
    agree to the plan: the analysis is part of what they agreed to."""
    environment = environments.as_environment(environments.get(session, row.environment_id))
    agreed = row.needs_approval or rule_of(environment) is not None
    if (environment.guarded or agreed) and context.caller.principal.kind != "person":
        what = "is a production environment" if environment.guarded else "takes approvals"
        raise ConfirmationNeeded(
            f"{environment.name} {what}: a person must say yes to promoting",
            why=["an agent is nobody's yes"],
            fix=[f"a person runs: orchestrate deploy promote d{row.seq}"],
        )
