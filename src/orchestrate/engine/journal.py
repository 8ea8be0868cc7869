"""What a deployment's workflow writes: each function is one transaction's worth of rows.

They return plain JSON, because what they return is journalled.
"""

from datetime import UTC, datetime, timedelta
from typing import TypedDict

from pydantic import JsonValue

from orchestrate.core.deployment import Kind, Phase, StepState
from orchestrate.core.model import Model
from orchestrate.core.notification import Happening
from orchestrate.core.plan import Plan, keeps, step_keys
from orchestrate.core.steps import Verify, undo_of
from orchestrate.engine import evidence
from orchestrate.engine.approving import held
from orchestrate.store import deployments, environments, outbox, revisions
from orchestrate.store.database import Session
from orchestrate.store.tables import DeploymentRow, EnvironmentRow, now

RETIRE_AGAIN = timedelta(minutes=5)


class Order(Model):
    """What the workflow needs to know of its deployment. Times are seconds since the epoch."""

    environment_id: int
    plan: dict[str, JsonValue]
    deadline: float
    """Moved once, by the time that people took to approve it."""
    taken: float
    needs_approval: bool = False


class Outcome(TypedDict):
    """How a deployment ended."""

    phase: str
    result: str | None
    error: dict[str, JsonValue] | None
    serving: dict[str, JsonValue] | None
    requests: dict[str, JsonValue] | None
    quarantine: bool
    kept: bool
    """It did not end well, and serves all the same."""


def order_of(session: Session, seq: int) -> Order:
    """The order of a deployment that has taken its environment."""
    row = deployments.get(session, seq)
    taken = row.taken_at or now()
    deadline = row.deadline_at or taken + timedelta(seconds=row.timeout_s)
    return Order(
        environment_id=row.environment_id,
        plan=row.plan,
        deadline=deadline.timestamp(),
        taken=taken.timestamp(),
        needs_approval=row.needs_approval,
    )


def validated(session: Session, seq: int, text: str, took_s: float | None) -> None:
    deployments.tell(session, seq, "validate", StepState.DONE.value, text, took_s)


def open_deployment(session: Session, seq: int) -> None:
    """Move to validating."""
    row = held(session, seq)
    if row.phase == Phase.PENDING.value:
        deployments.set_phase(session, row, Phase.VALIDATING)


def begin(session: Session, seq: int, position: int, phase: Phase | None, writes: bool) -> int:
    """Begin a step: its undo is already recorded with it, its write number is journalled now.

    Returns the write number, 0 for a step that writes nothing.
    """
    deployment = held(session, seq)
    if phase is not None:
        if deployment.phase == Phase.PENDING.value:
            # A rollback asks no gate: what it returns to was verified here.
            deployments.set_phase(session, deployment, Phase.VALIDATING)
        deployments.set_phase(session, deployment, phase)
    number = environments.next_write(session, deployment.environment_id) if writes else 0
    row = deployments.step_at(session, seq, position)
    deployments.begin_step(session, row, number or None)
    return number


def note(session: Session, seq: int, position: int, text: str, data: dict[str, JsonValue]) -> None:
    """How a running step stands."""
    deployments.note_step(session, deployments.step_at(session, seq, position), text)
    _keep_data(session, seq, position, data)


def end(
    session: Session,
    seq: int,
    position: int,
    state: StepState,
    text: str,
    data: dict[str, JsonValue],
) -> None:
    """End a step."""
    deployments.end_step(session, deployments.step_at(session, seq, position), state, text)
    _keep_data(session, seq, position, data)


def set_paused(session: Session, seq: int, paused: bool, by: str, deadline: float) -> None:
    """`deadline` is when the time is up as far as that is known; while it is paused it moves."""
    row = held(session, seq)
    row.paused = paused
    row.deadline_at = datetime.fromtimestamp(deadline, UTC)
    session.add(row)
    deployments.tell(session, seq, "deploy", "paused" if paused else "resumed", f"by {by}")
    deployments.record(session, row, "deployment.pause" if paused else "deployment.resume", by=by)


def say(session: Session, seq: int, state: str, text: str) -> None:
    deployments.tell(session, seq, "deploy", state, text)
    deployments.record(session, deployments.get(session, seq), "deployment.say", state=state,
                       text=text)  # fmt: skip


def hold(session: Session, seq: int, text: str) -> None:
    """A closed window holds it; whoever wants to be told of that will be."""
    say(session, seq, "holding", text)
    outbox.tell(session, deployments.get(session, seq), Happening.FROZEN)


def let_go(session: Session, seq: int, deadline: float) -> None:
    """The window is open again; `deadline` has moved by the time it was closed."""
    row = held(session, seq)
    row.deadline_at = datetime.fromtimestamp(deadline, UTC)
    session.add(row)
    say(session, seq, "resumed", "the window is open")


def begin_undo(session: Session, seq: int, reason: str, cancelled: bool) -> list[int]:
    """Record the steps that take back what was begun; returns their positions.

    An empty list means that nothing had been changed.
    """
    row = held(session, seq)
    if Phase(row.phase).terminal:
        return []  # it was ended while it waited for an approval
    rows = deployments.steps(session, seq)
    already = [step.position for step in rows if step.undoing]
    if already:
        return already
    plan = Plan.model_validate(row.plan)
    begun = [
        step
        for step, record in zip(plan.steps, rows, strict=True)
        if record.state not in (StepState.WAITING.value, StepState.SKIPPED.value)
    ]
    undo = undo_of(tuple(begun))
    if cancelled:
        deployments.set_phase(session, row, Phase.CANCELLING)
    deployments.tell(session, seq, "deploy", "failing", reason)
    if not undo:
        return []
    deployments.set_phase(session, row, Phase.ROLLING_BACK)
    keys = [f"undo-{key}" for key in step_keys(undo)]
    first = deployments.add_undo(session, seq, keys, undo)
    deployments.skip_waiting_before(session, seq, first)
    return list(range(first, first + len(undo)))


def may_stay(session: Session, seq: int) -> bool:
    """Whether what it leads to is better left alone than taken back, once it has the traffic: a
    rollback, or a release that was verified with all of it. Nothing of it is being undone yet."""
    row = deployments.get(session, seq)
    rows = deployments.steps(session, seq)
    if any(step.undoing for step in rows):
        return False
    if row.kind == Kind.ROLLBACK.value:
        return True
    plan = Plan.model_validate(row.plan)
    return any(
        isinstance(step, Verify) and step.percent == 100 and record.state == StepState.DONE.value
        for step, record in zip(plan.steps, rows, strict=True)
    )


def close(session: Session, seq: int, outcome: Outcome) -> str:
    """End the deployment: phase, result, what serves, and what the environment runs from now on.

    Returns the phase: another one than `outcome` says when it was ended while it waited.
    """
    row = held(session, seq)
    if Phase(row.phase).terminal:
        return row.phase
    row.result = outcome["result"]
    row.error = _with_schema(session, row, outcome["error"])
    row.serving = outcome["serving"]
    row.requests = outcome["requests"]
    phase = Phase(outcome["phase"])
    if phase is Phase.SUCCEEDED:
        # A plan that only stops something has no step of its own that verifies.
        _verified(session, row)
        _succeed(session, row)
    else:
        deployments.skip_waiting(session, seq)
        if phase is Phase.ROLLED_BACK:
            _mark_undone(session, seq)
        if outcome["kept"]:
            _succeed(session, row)
        if row.kind == Kind.RETIRE.value:
            put_off(session, environments.get(session, row.environment_id))
    if outcome["quarantine"]:
        revisions.quarantine(session, revisions.get(session, row.to_revision_id))
        row.quarantined = True
    deployments.set_phase(session, row, phase)
    text = str(outcome["error"]["message"]) if outcome["error"] else ""
    took = (now() - (row.taken_at or row.created_at)).total_seconds()
    deployments.tell(session, seq, "deploy", phase.value, text, round(took, 3))
    return row.phase


def give_up(session: Session, seq: int, reason: str) -> None:
    """Take nothing back: what serves is left as it is."""
    deployments.tell(session, seq, "deploy", "failing", reason)
    deployments.set_phase(session, held(session, seq), Phase.ROLLING_BACK)


def abandon(session: Session, seq: int) -> None:
    """End a deployment that can be neither carried out nor undone; what serves is left alone."""
    row = held(session, seq)
    for phase in (Phase.ROLLING_BACK, Phase.ROLLBACK_FAILED):
        if row.phase != phase.value and not Phase(row.phase).terminal:
            deployments.set_phase(session, row, phase)
    row.result = row.result or "internal"
    deployments.skip_waiting(session, seq)
    deployments.tell(session, seq, "deploy", row.phase, "it broke off again and again")


def step_body(session: Session, seq: int, position: int) -> dict[str, JsonValue]:
    """A step as it was recorded."""
    return deployments.step_at(session, seq, position).body


def _with_schema(
    session: Session, row: DeploymentRow, error: dict[str, JsonValue] | None
) -> dict[str, JsonValue] | None:
    """A failure after a migration says that the database is ahead of what serves."""
    said = evidence.ahead(session, row) if error else None
    if error is None or said is None:
        return error
    why = error.get("why")
    return {**error, "why": [*(why if isinstance(why, list) else []), said]}


def _verified(session: Session, row: DeploymentRow) -> None:
    if row.phase == Phase.DEPLOYING.value:
        deployments.set_phase(session, row, Phase.VERIFYING)


def _succeed(session: Session, row: DeploymentRow) -> None:
    environment = environments.get(session, row.environment_id)
    plan = Plan.model_validate(row.plan)
    if row.kind == Kind.RETIRE.value:
        environment.kept_revision_id = environment.kept_until = None
        session.add(environment)
        return
    if row.kind == Kind.ROLLBACK.value and row.from_revision_id:
        left = revisions.get(session, row.from_revision_id)
        if row.quarantine:
            revisions.quarantine(session, left)
        else:
            revisions.leave(session, left)
    _link_undone(session, row)
    revisions.make_live(session, environment, row)
    keep_s = keeps(plan)
    environment.kept_revision_id = row.from_revision_id if keep_s else None
    environment.kept_until = now() + timedelta(seconds=keep_s) if keep_s else None
    session.add(environment)


def put_off(session: Session, environment: EnvironmentRow) -> None:
    """A retirement that failed comes again, but not at once."""
    if environment.kept_until is not None:
        environment.kept_until = now() + RETIRE_AGAIN
        session.add(environment)


def _link_undone(session: Session, row: DeploymentRow) -> None:
    """A rollback and the deployment it undoes know each other."""
    if row.undoes is None:
        return
    undone = deployments.get(session, row.undoes)
    undone.undone_by = row.seq
    session.add(undone)


def _mark_undone(session: Session, seq: int) -> None:
    for step in deployments.steps(session, seq):
        if not step.undoing and step.state == StepState.DONE.value:
            step.state = StepState.UNDONE.value
            session.add(step)


def _keep_data(session: Session, seq: int, position: int, data: dict[str, JsonValue]) -> None:
    """A verdict, or what serves now, belongs to the whole deployment; answers to their step."""
    evidence.keep(session, seq, position, data)
    verdict, serving = data.get("verdict"), data.get("serving")
    if not isinstance(verdict, dict) and not isinstance(serving, dict):
        return
    row = deployments.get(session, seq)
    if isinstance(verdict, dict):
        row.verdict = verdict
    if isinstance(serving, dict):
        row.serving = serving
    session.add(row)
