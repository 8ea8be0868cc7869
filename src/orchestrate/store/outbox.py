"""Notifications to be sent: recorded with what they tell of, and kept until a sink has taken them.

At least once: a row is done when its sink said yes, or when it was given up.
"""

import logging
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import JsonValue
from sqlalchemy import Index, delete, text
from sqlmodel import Field, Session, col, select

from orchestrate.core.deployment import Kind, Phase
from orchestrate.core.environment import Environment
from orchestrate.core.errors import StoreDamaged, WindowClosed
from orchestrate.core.notification import Facts, Happening
from orchestrate.store.database import begin_writing
from orchestrate.store.environments import as_environment
from orchestrate.store.tables import (
    Base,
    DeploymentRow,
    EnvironmentRow,
    RevisionRow,
    json_column,
    now,
)

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 3600.0
GIVEN_UP_AFTER = timedelta(hours=24)
TOLD_AGAIN_AFTER = timedelta(hours=1)
LEASE_S = 120.0
"""Longest that one attempt takes; afterwards whoever took the row is thought to be dead."""

_HAPPENINGS = {
    Phase.VALIDATING: Happening.STARTED,
    Phase.AWAITING_APPROVAL: Happening.WAITING,
    Phase.SUCCEEDED: Happening.SUCCEEDED,
    Phase.FAILED: Happening.FAILED,
    Phase.REJECTED: Happening.FAILED,
    Phase.EXPIRED: Happening.FAILED,
    Phase.CANCELLED: Happening.CANCELLED,
    Phase.ROLLED_BACK: Happening.ROLLED_BACK,
    Phase.ROLLBACK_FAILED: Happening.ROLLBACK_FAILED,
}


class OutboxRow(Base, table=True):
    """One message to one sink. `done_at` is null exactly while it is to be sent."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index(
            "ix_outbox_due",
            "next_at",
            sqlite_where=text("done_at IS NULL"),
            postgresql_where=text("done_at IS NULL"),
        ),
        Index("ix_outbox_environment", "environment_id", "id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    identity: str = Field(default_factory=lambda: uuid.uuid4().hex)
    """The same at every attempt: by it a receiver knows a repetition."""
    environment_id: int = Field(foreign_key="environments.id")
    deployment: int | None = Field(default=None, foreign_key="deployments.seq")
    name: str
    """The notification of the environment's settings."""
    event: str
    facts: dict[str, JsonValue] = Field(sa_column=json_column())
    created_at: datetime = Field(default_factory=now)
    attempts: int = 0
    next_at: datetime = Field(default_factory=now)
    held: bool = False
    """A sender tries it just now."""
    done_at: datetime | None = None
    sent: bool = False
    problem: str | None = None
    """What was wrong with the last attempt."""


def tell_phase(session: Session, row: DeploymentRow, phase: Phase) -> None:
    """Record what is to be told of a deployment that has come to `phase`, in its transaction."""
    happening = _HAPPENINGS.get(phase)
    if happening is None:
        return
    housekeeping = row.kind == Kind.RETIRE.value and not row.needs_approval
    if housekeeping and phase is not Phase.ROLLBACK_FAILED:
        return  # our own; a failed one comes again
    if phase is Phase.FAILED and row.result == WindowClosed.code:
        happening = Happening.FROZEN
    if phase is Phase.SUCCEEDED and row.kind == Kind.ROLLBACK.value:
        happening = Happening.ROLLED_BACK
    tell(session, row, happening)


def tell(session: Session, row: DeploymentRow, happening: Happening) -> None:
    """Record `happening` for every notification of the deployment's environment that wants it.
    Nothing where its settings cannot be read: the deployment must be able to end all the same."""
    place = session.get_one(EnvironmentRow, row.environment_id)
    try:
        environment = as_environment(place)
    except StoreDamaged as error:
        log.error("nobody is told that d%s %s: %s", row.seq, happening.value, error.message)
        return
    wanted = [each for each in environment.notifications if happening in each.events]
    if not wanted:
        return
    facts = _facts(session, environment, row, happening).model_dump(mode="json")
    for each in wanted:
        put(session, row.environment_id, row.seq, each.name, happening, facts)


def tell_kept_out(session: Session, environment_id: int, facts: Facts) -> None:
    """Record that a closed window let a deployment not begin, for whoever wants to know; of one
    version once an hour, however often it is tried."""
    environment = as_environment(session.get_one(EnvironmentRow, environment_id))
    since = now() - TOLD_AGAIN_AFTER
    statement = select(OutboxRow).where(
        col(OutboxRow.environment_id) == environment_id,
        col(OutboxRow.event) == Happening.FROZEN.value,
        col(OutboxRow.deployment).is_(None),
        col(OutboxRow.created_at) > since,
    )
    told = {(row.name, row.facts.get("to_version")) for row in session.exec(statement)}
    for each in environment.notifications:
        if Happening.FROZEN in each.events and (each.name, facts.to_version) not in told:
            data = facts.model_dump(mode="json")
            put(session, environment_id, None, each.name, Happening.FROZEN, data)


def put(
    session: Session,
    environment_id: int,
    deployment: int | None,
    name: str,
    happening: Happening,
    facts: dict[str, JsonValue],
) -> None:
    session.add(
        OutboxRow(
            environment_id=environment_id,
            deployment=deployment,
            name=name,
            event=happening.value,
            facts=facts,
        )
    )


def claim(session: Session) -> OutboxRow | None:
    """The oldest row that is due, held for LEASE_S by this caller. None when nothing is due.

    Of two that try, the database lets one have it.
    """
    begin_writing(session)
    statement = (
        select(OutboxRow)
        .where(col(OutboxRow.done_at).is_(None), col(OutboxRow.next_at) <= now())
        .order_by(col(OutboxRow.next_at), col(OutboxRow.id))
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = session.exec(statement).one_or_none()
    if row is None:
        return None
    row.attempts += 1
    row.held = True
    row.next_at = now() + timedelta(seconds=LEASE_S)
    session.add(row)
    session.flush()
    return row


def let_go(session: Session) -> None:
    """What a sender held that is known to be dead is due at once."""
    begin_writing(session)
    held = select(OutboxRow).where(col(OutboxRow.done_at).is_(None), col(OutboxRow.held))
    for row in session.exec(held):
        row.held, row.next_at = False, now()
        session.add(row)


def settle(session: Session, identity: int) -> None:
    """The sink has taken it."""
    row = session.get_one(OutboxRow, identity)
    row.done_at, row.sent, row.held, row.problem = now(), True, False, None
    session.add(row)


def put_off(
    session: Session, identity: int, problem: str, retry_after_s: float | None, for_good: bool
) -> bool:
    """The attempt failed. It comes again, later each time; after a day, or `for_good`, it is given
    up. Returns whether it was."""
    row = session.get_one(OutboxRow, identity)
    row.problem, row.held = problem, False
    pause = min(FIRST_PAUSE_S * 2 ** (row.attempts - 1), LONGEST_PAUSE_S)
    row.next_at = now() + timedelta(seconds=max(pause, retry_after_s or 0.0))
    if for_good or row.next_at - row.created_at > GIVEN_UP_AFTER:
        row.done_at = now()
    session.add(row)
    return row.done_at is not None


def waiting(session: Session) -> bool:
    """Whether anything is still to be sent."""
    statement = select(OutboxRow.id).where(col(OutboxRow.done_at).is_(None)).limit(1)
    return session.exec(statement).first() is not None


def newest(session: Session, environment_id: int, limit: int) -> Sequence[OutboxRow]:
    """Newest first."""
    statement = (
        select(OutboxRow)
        .where(col(OutboxRow.environment_id) == environment_id)
        .order_by(col(OutboxRow.id).desc())
        .limit(limit)
    )
    return session.exec(statement).all()


def forget(session: Session, environment_id: int) -> None:
    """Remove what was told of an environment that never had a deployment: that a closed window let
    none begin."""
    session.exec(delete(OutboxRow).where(col(OutboxRow.environment_id) == environment_id))
    session.flush()


def _facts(
    session: Session, environment: Environment, row: DeploymentRow, happening: Happening
) -> Facts:
    to = session.get_one(RevisionRow, row.to_revision_id)
    before = session.get_one(RevisionRow, row.from_revision_id) if row.from_revision_id else None
    serving = row.serving.get("version") if row.serving else None
    problem = row.error.get("message") if row.error else None
    return Facts(
        event=happening,
        app=environment.app,
        environment=environment.name,
        environment_type=environment.type.value,
        deployment=f"d{row.seq}",
        kind=row.kind,
        phase=row.phase,
        from_version=before.version if before else None,
        to_version=to.version,
        serving=serving if isinstance(serving, str) else None,
        result=row.result,
        problem=problem if isinstance(problem, str) else None,
        plan_digest=row.plan_digest,
        actor=row.actor,
        on_behalf_of=row.on_behalf_of,
        untrusted_reason=row.reason,
        at=now().strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
