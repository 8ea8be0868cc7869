"""The tables. A row is a record of what was asked, decided and seen; nothing here decides."""

from datetime import UTC, datetime

from pydantic import JsonValue
from sqlalchemy import JSON, CheckConstraint, Column, Index, MetaData, text
from sqlmodel import Field, SQLModel

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(SQLModel):
    """Our own metadata: constraints have names (batch migrations need them)."""

    metadata = MetaData(naming_convention=NAMING)


def now() -> datetime:
    return datetime.now(UTC)


def json_column() -> Column[JsonValue]:
    """A column that holds JSON and is never null."""
    return Column(JSON, nullable=False)


def _rules() -> Column[JsonValue]:
    return Column(JSON, nullable=False, server_default="{}")


def _json_or_null() -> Column[JsonValue]:
    return Column(JSON(none_as_null=True), nullable=True)


class EnvironmentRow(Base, table=True):
    """An environment as it is set now, and what is live there. Never deleted once it has history:
    `archived_at` is set instead."""

    __tablename__ = "environments"
    __table_args__ = (
        Index(
            "uq_environments_live_name",
            "app",
            "name",
            unique=True,
            sqlite_where=text("archived_at IS NULL"),
            postgresql_where=text("archived_at IS NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    app: str
    name: str
    type: str
    provider: str
    url: str | None = None
    config: dict[str, JsonValue] = Field(sa_column=json_column())
    strategy: dict[str, JsonValue] = Field(sa_column=json_column())
    health: dict[str, JsonValue] = Field(sa_column=json_column())
    variables: dict[str, str] = Field(sa_column=json_column())
    rules: dict[str, JsonValue] = Field(default_factory=dict, sa_column=_rules())
    """Further settings, those of store/environments.RULES: read and written whole."""
    secret_names: list[str] = Field(sa_column=json_column())
    requires_approval: bool = False
    timeout_s: float
    when_busy: str
    source: str | None = None
    created_at: datetime = Field(default_factory=now)
    updated_at: datetime = Field(default_factory=now)
    deleting_at: datetime | None = None
    """It is being deleted: nothing new may begin here."""
    archived_at: datetime | None = None
    live_revision_id: int | None = None
    live_deployment: int | None = None
    live_since: datetime | None = None
    kept_revision_id: int | None = None
    """Still runs beside the live one, for a rollback by switch."""
    kept_until: datetime | None = None
    write_number: int = 0
    """Number of the newest write journalled for this environment's provider. Only grows."""


class RevisionRow(Base, table=True):
    """An immutable snapshot, in one environment. `state`: new, verified, left (by a rollback),
    quarantined."""

    __tablename__ = "revisions"
    __table_args__ = (Index("uq_revisions_digest", "environment_id", "digest", unique=True),)

    id: int | None = Field(default=None, primary_key=True)
    environment_id: int = Field(foreign_key="environments.id")
    digest: str
    key: str
    version: str
    snapshot: dict[str, JsonValue] = Field(sa_column=json_column())
    parent_id: int | None = Field(default=None, foreign_key="revisions.id")
    """The revision it replaced when it was last deployed: the lineage that rollbacks follow."""
    state: str = "new"
    replicas: int = 1
    created_at: datetime = Field(default_factory=now)
    verified_at: datetime | None = None


class PlanRow(Base, table=True):
    """A plan somebody looked at, by digest."""

    __tablename__ = "plans"

    digest: str = Field(primary_key=True)
    environment_id: int = Field(foreign_key="environments.id")
    kind: str
    version: str
    strategy: str | None = None
    """As it was asked for; None means the environment's own."""
    target: dict[str, JsonValue] = Field(sa_column=json_column())
    """Snapshot of the revision it leads to."""
    body: dict[str, JsonValue] = Field(sa_column=json_column())
    created_at: datetime = Field(default_factory=now)
    expires_at: datetime


class DeploymentRow(Base, table=True):
    """One attempt to carry out one plan. `finished_at` is null exactly while it has not ended."""

    __tablename__ = "deployments"
    __table_args__ = (
        Index("ix_deployments_environment", "environment_id", "seq"),
        Index("ix_deployments_phase", "environment_id", "phase", "seq"),
        Index(
            "ix_deployments_open",
            "environment_id",
            "seq",
            sqlite_where=text("finished_at IS NULL"),
            postgresql_where=text("finished_at IS NULL"),
        ),
        # One deployment at a time: the database itself refuses the second.
        Index(
            "uq_deployments_running",
            "environment_id",
            unique=True,
            sqlite_where=text("taken_at IS NOT NULL AND finished_at IS NULL"),
            postgresql_where=text("taken_at IS NOT NULL AND finished_at IS NULL"),
        ),
        Index(
            "uq_deployments_idempotency",
            "environment_id",
            "idempotency_key",
            unique=True,
            sqlite_where=text("idempotency_key IS NOT NULL"),
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
        CheckConstraint(
            "(finished_at IS NOT NULL) = (phase IN ('succeeded','cancelled','rolled_back',"
            "'rollback_failed','failed','rejected','expired'))",
            name="ended",
        ),
    )

    seq: int | None = Field(default=None, primary_key=True)
    environment_id: int = Field(foreign_key="environments.id")
    kind: str
    phase: str = "pending"
    paused: bool = False
    strategy: str
    plan_digest: str
    plan: dict[str, JsonValue] = Field(sa_column=json_column())
    from_revision_id: int | None = Field(default=None, foreign_key="revisions.id")
    to_revision_id: int = Field(foreign_key="revisions.id")
    actor: str
    on_behalf_of: str | None = None
    person: str | None = None
    """The human who asked, or whose agent did, by the name that is the same at every door."""
    reason: str | None = None
    idempotency_key: str | None = None
    forced: bool = False
    needs_approval: bool = False
    """Somebody must say yes before it begins; see the table `approvals`."""
    break_glass: str | None = None
    """Why it was to pass by the approvals and windows of the environment."""
    quarantine: bool = False
    """A rollback by hand was asked to quarantine what it leaves."""
    timeout_s: float
    created_at: datetime = Field(default_factory=now)
    taken_at: datetime | None = None
    """When it took the environment."""
    deadline_at: datetime | None = None
    finished_at: datetime | None = None
    result: str | None = None
    error: dict[str, JsonValue] | None = Field(default=None, sa_column=_json_or_null())
    verdict: dict[str, JsonValue] | None = Field(default=None, sa_column=_json_or_null())
    serving: dict[str, JsonValue] | None = Field(default=None, sa_column=_json_or_null())
    requests: dict[str, JsonValue] | None = Field(default=None, sa_column=_json_or_null())
    quarantined: bool = False
    remains: list[str] = Field(
        default_factory=list, sa_column=Column(JSON, nullable=False, server_default="[]")
    )
    """What no rollback takes back: migrations."""
    undoes: int | None = None
    undone_by: int | None = None


class StepRow(Base, table=True):
    """One step of a deployment, with the undo that was recorded before it began."""

    __tablename__ = "deployment_steps"
    __table_args__ = (Index("uq_deployment_steps_position", "deployment", "position", unique=True),)

    id: int | None = Field(default=None, primary_key=True)
    deployment: int = Field(foreign_key="deployments.seq")
    position: int
    key: str
    kind: str
    state: str = "waiting"
    undoing: bool = False
    body: dict[str, JsonValue] = Field(sa_column=json_column())
    write_number: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    text: str | None = None


class EventRow(Base, table=True):
    """What happened to a deployment, in order."""

    __tablename__ = "deployment_events"
    __table_args__ = (Index("ix_deployment_events_deployment", "deployment", "seq"),)

    seq: int | None = Field(default=None, primary_key=True)
    deployment: int = Field(foreign_key="deployments.seq")
    at: datetime = Field(default_factory=now)
    step: str
    state: str
    duration_s: float | None = None
    text: str = ""
