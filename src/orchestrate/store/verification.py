"""What was asked after a change and what was answered, and the migrations that were carried out."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import JSON, Column, Index, exists
from sqlmodel import Field, Session, col, select

from orchestrate.core.deployment import Phase, StepState
from orchestrate.core.migrations import Migration
from orchestrate.store.tables import Base, DeploymentRow, RevisionRow, StepRow, now


class CheckRow(Base, table=True):
    """One answer, at one step of one deployment."""

    __tablename__ = "deployment_checks"
    __table_args__ = (
        Index("uq_deployment_checks_name", "deployment", "position", "name", unique=True),
    )

    id: int | None = Field(default=None, primary_key=True)
    deployment: int = Field(foreign_key="deployments.seq")
    position: int
    """Of the step that asked."""
    number: int
    """Order among the answers of the step."""
    name: str
    at: datetime = Field(default_factory=now)
    body: dict[str, JsonValue] = Field(sa_column=Column(JSON, nullable=False))
    """Result, text, fix, duration, evidence, and what was written, as `untrusted_lines`."""


class MigrationRow(Base, table=True):
    """A migration that a deployment has carried out. It stays, whatever is rolled back."""

    __tablename__ = "environment_migrations"
    __table_args__ = (
        Index("uq_environment_migrations_name", "environment_id", "name", unique=True),
    )

    id: int | None = Field(default=None, primary_key=True)
    environment_id: int = Field(foreign_key="environments.id")
    name: str
    phase: str
    deployment: int = Field(foreign_key="deployments.seq")
    at: datetime = Field(default_factory=now)


def record_checks(
    session: Session, seq: int, position: int, answers: Sequence[dict[str, JsonValue]]
) -> None:
    """Record the answers of a step that are not recorded yet. An answer never changes."""
    known = {row.name for row in _of_step(session, seq, position)}
    for number, answer in enumerate(answers):
        name = str(answer["name"])
        if name not in known:
            session.add(
                CheckRow(deployment=seq, position=position, number=number, name=name, body=answer)
            )


def checks(session: Session, seq: int) -> Sequence[CheckRow]:
    """A deployment's answers, in the order they were given."""
    statement = select(CheckRow).where(col(CheckRow.deployment) == seq)
    return session.exec(statement.order_by(col(CheckRow.position), col(CheckRow.number))).all()


def newest_of(
    session: Session, environment_id: int, revision_key: str, name: str
) -> dict[str, JsonValue] | None:
    """The evidence of the check `name` when the revision was last verified, if it ever was."""
    statement = (
        select(CheckRow)
        .join(DeploymentRow, col(CheckRow.deployment) == col(DeploymentRow.seq))
        .join(RevisionRow, col(DeploymentRow.to_revision_id) == col(RevisionRow.id))
        .where(
            col(DeploymentRow.environment_id) == environment_id,
            col(DeploymentRow.phase) == Phase.SUCCEEDED.value,
            col(RevisionRow.key) == revision_key,
            col(CheckRow.name) == name,
        )
        .order_by(col(CheckRow.id).desc())
        .limit(1)
    )
    row = session.exec(statement).first()
    found = row.body.get("evidence") if row is not None else None
    return found if isinstance(found, dict) else None


def record_migration(session: Session, environment_id: int, seq: int, migration: Migration) -> None:
    """Record that a migration is applied; the first deployment that found so counts."""
    statement = select(MigrationRow).where(
        col(MigrationRow.environment_id) == environment_id,
        col(MigrationRow.name) == migration.name,
    )
    if session.exec(statement).first() is None:
        session.add(
            MigrationRow(
                environment_id=environment_id,
                name=migration.name,
                phase=migration.phase,
                deployment=seq,
            )
        )


def migrated(session: Session, seq: int) -> list[Migration]:
    """What a deployment has migrated."""
    statement = select(MigrationRow).where(col(MigrationRow.deployment) == seq)
    return [_migration(row) for row in session.exec(statement.order_by(col(MigrationRow.id)))]


def ahead_of(session: Session, environment_id: int, revision_id: int) -> list[Migration]:
    """Migrations that were carried out since a revision was last verified here: those it has never
    been seen working with. By sequence, not by the clock. One that was verified and serves although
    what it replaced did not stop was verified all the same."""
    seen = exists().where(
        col(StepRow.deployment) == col(DeploymentRow.seq),
        col(StepRow.key) == "verify-100",
        col(StepRow.state) == StepState.DONE.value,
    )
    verified = (
        select(DeploymentRow.seq)
        .where(
            col(DeploymentRow.environment_id) == environment_id,
            col(DeploymentRow.to_revision_id) == revision_id,
            (col(DeploymentRow.phase) == Phase.SUCCEEDED.value) | seen,
        )
        .order_by(col(DeploymentRow.seq).desc())
        .limit(1)
    )
    last = session.exec(verified).first() or 0
    statement = select(MigrationRow).where(
        col(MigrationRow.environment_id) == environment_id, col(MigrationRow.deployment) > last
    )
    return [_migration(row) for row in session.exec(statement.order_by(col(MigrationRow.id)))]


def _of_step(session: Session, seq: int, position: int) -> Sequence[CheckRow]:
    statement = select(CheckRow).where(
        col(CheckRow.deployment) == seq, col(CheckRow.position) == position
    )
    return session.exec(statement).all()


def _migration(row: MigrationRow) -> Migration:
    return Migration.model_validate({"name": row.name, "phase": row.phase})
