"""Deployments: asked for, taken, carried out step by step, ended; and the events between.

Each function is one short write inside the caller's transaction. The caller decides; these record.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import JsonValue
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from orchestrate.core.audit import AuditEvent
from orchestrate.core.deployment import Kind, Phase, StepState, move
from orchestrate.core.errors import UnknownDeployment
from orchestrate.core.steps import Step
from orchestrate.store import approvals, audit, environments, outbox
from orchestrate.store.tables import DeploymentRow, EventRow, StepRow, now

Data = dict[str, JsonValue]
_FAILED = (Phase.FAILED.value, Phase.ROLLBACK_FAILED.value)
_CHANGED_NOTHING = tuple(
    phase.value
    for phase in (
        Phase.AWAITING_APPROVAL,
        Phase.FAILED,
        Phase.CANCELLED,
        Phase.REJECTED,
        Phase.EXPIRED,
    )
)
LONGEST_NUMBER = 18
"""Digits; a database's integers have 63 bits."""


def find(session: Session, name: str) -> DeploymentRow:
    """The deployment `d142`. Raises UnknownDeployment, for one outside the session's scope too."""
    digits = name.removeprefix("d")
    known = digits.isdecimal() and len(digits) <= LONGEST_NUMBER
    row = session.get(DeploymentRow, int(digits)) if known else None
    if row is None or not environments.visible_id(session, row.environment_id):
        raise UnknownDeployment(
            f"there is no deployment {name[:40]!r}",
            why=["a deployment is named d and a number, such as d142"],
            fix=["orchestrate deploy history --env ENVIRONMENT"],
        )
    return row


def get(session: Session, seq: int) -> DeploymentRow:
    return session.get_one(DeploymentRow, seq)


def running(session: Session, environment_id: int) -> DeploymentRow | None:
    """The deployment that has taken the environment and has not ended."""
    return next((r for r in open_ones(session, environment_id) if r.taken_at is not None), None)


def begun_since(
    session: Session, environment_id: int, person: str, since: datetime
) -> Sequence[datetime]:
    """When the deployments (rollbacks not counted) were asked for that a person, or an agent on
    their behalf, began since then; oldest first."""
    statement = (
        select(DeploymentRow.created_at)
        .where(col(DeploymentRow.environment_id) == environment_id)
        .where(col(DeploymentRow.kind) == Kind.DEPLOY.value)
        .where(col(DeploymentRow.created_at) > since)
        .where(
            (col(DeploymentRow.on_behalf_of) == person)
            | (col(DeploymentRow.on_behalf_of).is_(None) & (col(DeploymentRow.actor) == person))
        )
        .order_by(col(DeploymentRow.seq))
    )
    return session.exec(statement).all()


def by_idempotency(session: Session, environment_id: int, key: str) -> DeploymentRow | None:
    """The deployment that was asked for with this key."""
    statement = select(DeploymentRow).where(
        col(DeploymentRow.environment_id) == environment_id,
        col(DeploymentRow.idempotency_key) == key,
    )
    return session.exec(statement).one_or_none()


def open_ones(session: Session, environment_id: int | None = None) -> Sequence[DeploymentRow]:
    """Deployments that have not ended, oldest first."""
    statement = select(DeploymentRow).where(col(DeploymentRow.finished_at).is_(None))
    if environment_id is not None:
        statement = statement.where(col(DeploymentRow.environment_id) == environment_id)
    return session.exec(_in_scope(session, statement).order_by(col(DeploymentRow.seq))).all()


def newest(session: Session, environment_id: int) -> DeploymentRow | None:
    statement = (
        select(DeploymentRow)
        .where(col(DeploymentRow.environment_id) == environment_id)
        .order_by(col(DeploymentRow.seq).desc())
        .limit(1)
    )
    return session.exec(statement).one_or_none()


def newest_in_effect(session: Session, environment_id: int) -> DeploymentRow | None:
    """The newest one that changed something, or may be about to: not one that was refused, or that
    waits."""
    pending = col(DeploymentRow.phase) == Phase.PENDING.value
    statement = (
        select(DeploymentRow)
        .where(
            col(DeploymentRow.environment_id) == environment_id,
            col(DeploymentRow.phase).not_in(_CHANGED_NOTHING),
            ~(pending & col(DeploymentRow.taken_at).is_(None)),
        )
        .order_by(col(DeploymentRow.seq).desc())
        .limit(1)
    )
    return session.exec(statement).one_or_none()


def page(
    session: Session,
    *,
    environment_id: int | None = None,
    phase: str | None = None,
    version_ids: Sequence[int] | None = None,
    by: str | None = None,
    before: int | None = None,
    limit: int = 10,
) -> Sequence[DeploymentRow]:
    """Newest first, by key and not by offset: a deep page costs what the first one does."""
    statement = _in_scope(session, select(DeploymentRow))
    if environment_id is not None:
        statement = statement.where(col(DeploymentRow.environment_id) == environment_id)
    if phase is not None:
        statement = statement.where(col(DeploymentRow.phase) == phase)
    if version_ids is not None:
        statement = statement.where(col(DeploymentRow.to_revision_id).in_(version_ids))
    if by is not None:
        statement = statement.where(
            (col(DeploymentRow.actor) == by) | (col(DeploymentRow.on_behalf_of) == by)
        )
    if before is not None:
        statement = statement.where(col(DeploymentRow.seq) < before)
    return session.exec(statement.order_by(col(DeploymentRow.seq).desc()).limit(limit)).all()


def add(
    session: Session, row: DeploymentRow, keys: Sequence[str], steps: Sequence[Step], text: str
) -> int:
    """Record a deployment with all its steps waiting, and say `text`; returns its number.

    With `taken_at` set it takes the environment, and the database refuses a second one by
    IntegrityError.
    """
    session.add(row)
    session.flush()
    seq = row.seq or 0
    for position, (key, step) in enumerate(zip(keys, steps, strict=True)):
        session.add(_step(seq, position, key, step))
    tell(session, seq, "deploy", "queued" if row.taken_at is None else "running", text)
    return seq


def take(session: Session, row: DeploymentRow) -> None:
    """Let a waiting deployment take its environment now. IntegrityError when it is taken."""
    row.taken_at = now()
    row.deadline_at = row.taken_at + timedelta(seconds=row.timeout_s)
    session.add(row)
    session.flush()
    record(session, row, "deployment.take", plan=row.plan_digest)


def end_waiting(
    session: Session, row: DeploymentRow, phase: Phase, result: str, error: Data | None, text: str
) -> None:
    """End a deployment that waits: for its turn, or for an approval. It changed nothing."""
    row.result, row.error = result, error
    if phase is Phase.CANCELLED:
        set_phase(session, row, Phase.CANCELLING)
    set_phase(session, row, phase)
    skip_waiting(session, row.seq or 0)
    tell(session, row.seq or 0, "deploy", phase.value, text)


def set_phase(session: Session, row: DeploymentRow, phase: Phase) -> None:
    """Make one legal move; whoever wants to be told of it will be. Raises NotNow."""
    if row.phase == phase.value:
        return
    move(Phase(row.phase), phase)
    row.phase = phase.value
    if phase.terminal:
        row.finished_at = now()
        row.paused = False
        approvals.settle(session, row.seq or 0, phase)
    session.add(row)
    session.flush()
    record(session, row, "deployment.end" if phase.terminal else "deployment.phase")
    outbox.tell_phase(session, row, phase)


def steps(session: Session, seq: int) -> Sequence[StepRow]:
    statement = select(StepRow).where(col(StepRow.deployment) == seq)
    return session.exec(statement.order_by(col(StepRow.position))).all()


def step_at(session: Session, seq: int, position: int) -> StepRow:
    statement = select(StepRow).where(
        col(StepRow.deployment) == seq, col(StepRow.position) == position
    )
    return session.exec(statement).one()


def begin_step(session: Session, row: StepRow, write_number: int | None) -> None:
    """Record that a step begins, with the number of the write it will send."""
    row.state = StepState.RUNNING.value
    row.started_at = now()
    row.write_number = write_number
    session.add(row)
    tell(session, row.deployment, row.key, row.state)


def end_step(session: Session, row: StepRow, state: StepState, text: str) -> None:
    row.state = state.value
    row.ended_at = now()
    row.text = text
    session.add(row)
    tell(session, row.deployment, row.key, row.state, text, _since(row.started_at))


def note_step(session: Session, row: StepRow, text: str) -> None:
    """How a running step stands. No event: it changes often."""
    row.text = text
    session.add(row)


def add_undo(session: Session, seq: int, keys: Sequence[str], undo: Sequence[Step]) -> int:
    """Append the undo steps behind the others; returns the position of the first."""
    first = len(steps(session, seq))
    for offset, (key, step) in enumerate(zip(keys, undo, strict=True)):
        session.add(_step(seq, first + offset, key, step, undoing=True))
    return first


def replace_steps(session: Session, seq: int, keys: Sequence[str], new: Sequence[Step]) -> None:
    """Put other steps in the place of steps none of which was begun."""
    for row in steps(session, seq):
        session.delete(row)
    session.flush()
    for position, (key, step) in enumerate(zip(keys, new, strict=True)):
        session.add(_step(seq, position, key, step))


def skip_waiting(session: Session, seq: int) -> None:
    """Mark the steps that were never begun."""
    for row in steps(session, seq):
        if row.state == StepState.WAITING.value:
            row.state = StepState.SKIPPED.value
            session.add(row)


def skip_waiting_before(session: Session, seq: int, position: int) -> None:
    """Mark the steps before `position` that were never begun."""
    for row in steps(session, seq):
        if row.position < position and row.state == StepState.WAITING.value:
            row.state = StepState.SKIPPED.value
            session.add(row)


def tell(
    session: Session,
    seq: int,
    step: str,
    state: str,
    text: str = "",
    duration_s: float | None = None,
) -> None:
    """Append an event."""
    session.add(EventRow(deployment=seq, step=step, state=state, text=text, duration_s=duration_s))


def events(session: Session, seq: int, after: int = 0, limit: int = 500) -> Sequence[EventRow]:
    statement = (
        select(EventRow)
        .where(col(EventRow.deployment) == seq, col(EventRow.seq) > after)
        .order_by(col(EventRow.seq))
        .limit(limit)
    )
    return session.exec(statement).all()


def newest_events(session: Session, seq: int, limit: int) -> Sequence[EventRow]:
    """The last events of a deployment, newest first."""
    statement = (
        select(EventRow)
        .where(col(EventRow.deployment) == seq)
        .order_by(col(EventRow.seq).desc())
        .limit(limit)
    )
    return session.exec(statement).all()


def record(
    session: Session,
    row: DeploymentRow,
    action: str,
    *,
    person: str | None = None,
    request_id: str | None = None,
    **more: JsonValue,
) -> None:
    """Tell the trail of a decision about a deployment, in the transaction that writes it."""
    environment = environments.get(session, row.environment_id)
    details: Data = {
        "environment": f"{environment.app}/{environment.name}",
        "kind": row.kind,
        "phase": row.phase,
        **({"result": row.result} if row.result else {}),
        **({"reason": row.reason} if row.reason else {}),
        **({"forced": True} if row.forced else {}),
        **more,
    }
    event = AuditEvent(
        action=action,
        actor=row.actor,
        on_behalf_of=row.on_behalf_of,
        person=person or row.on_behalf_of or row.actor,
        subject=f"d{row.seq}",
        outcome="failed" if row.phase in _FAILED else "ok",
        details=details,
        request_id=request_id,
    )
    audit.append(session, event)


def _in_scope(
    session: Session, statement: SelectOfScalar[DeploymentRow]
) -> SelectOfScalar[DeploymentRow]:
    """The statement, for the environments that the session shows."""
    ids = environments.visible_ids(session)
    return statement if ids is None else statement.where(col(DeploymentRow.environment_id).in_(ids))


def _step(seq: int, position: int, key: str, step: Step, undoing: bool = False) -> StepRow:
    return StepRow(
        deployment=seq,
        position=position,
        key=key,
        kind=step.kind,
        undoing=undoing,
        body=step.model_dump(mode="json"),
    )


def _since(start: datetime | None) -> float | None:
    return round((now() - start).total_seconds(), 3) if start else None
