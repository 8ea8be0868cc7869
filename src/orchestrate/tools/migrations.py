"""Migrations: what the database has, what is to come, and its contraction when a person says so."""

from typing import Literal

from pydantic import Field

from orchestrate.core.errors import ConfirmationNeeded, NothingToDo
from orchestrate.core.migrations import Migration, stays
from orchestrate.engine.asking import take
from orchestrate.engine.migrating import applied, listed
from orchestrate.engine.planning import Draft, draft_retirement
from orchestrate.engine.site import secrets_of
from orchestrate.store import deployments, environments, revisions
from orchestrate.store.database import Session
from orchestrate.store.tables import EnvironmentRow
from orchestrate.tools import present
from orchestrate.tools.documents import DeploymentDocument, Document
from orchestrate.tools.operation import Arguments, Context
from orchestrate.tools.starting import refuse_asking_again, request_of


class GetMigrations(Arguments):
    environment: str = Field(description="Environment name, or app/name")


class Contract(Arguments):
    environment: str = Field(description="Environment name, or app/name")
    reason: str | None = Field(default=None, max_length=500, description="Why, for the record")
    confirmed: bool = False


class MigrationDocument(Document):
    name: str
    phase: str
    applied: bool


class MigrationsDocument(Document):
    schema_: Literal["orchestrate.migrations.v1"] = "orchestrate.migrations.v1"
    app: str
    environment: str
    version: str | None
    """The live one: what it brings is listed."""
    configured: bool
    items: list[MigrationDocument]
    summary: str
    next: list[str]


def get_migrations(context: Context, given: GetMigrations) -> MigrationsDocument:
    """The migrations of the live version, and which of them the database has, as the project's own
    commands tell: they run."""
    place = context.service.place
    with context.service.store.session() as session:
        row = environments.find(session, given.environment)
        live = revisions.live(session, row)
    environment = environments.as_environment(row)
    version = live.version if live else None
    items: list[MigrationDocument] = []
    if environment.migrations is not None and version is not None:
        secrets = secrets_of(environment, place)
        known = set(applied(environment, secrets, version))
        items = [_item(m, known) for m in listed(environment, secrets, version)]
    left = [item for item in items if not item.applied]
    waiting = [item for item in left if item.phase == "contract"]
    return MigrationsDocument(
        app=row.app,
        environment=row.name,
        version=version,
        configured=environment.migrations is not None,
        items=items,
        summary=_summary(row, version, environment.migrations is not None, items),
        next=[f"orchestrate deploy migrate --env {row.name} --contract"] if waiting else [],
    )


def contract_database(context: Context, given: Contract) -> DeploymentDocument:
    """Stop what is kept for a quick rollback, and remove from the database what only it needed."""
    service = context.service
    with service.store.session() as session:
        row = environments.find(session, given.environment)
        draft = draft_retirement(session, service.place, row)
        _refuse(session, row, draft, given.confirmed)
        assert draft is not None
        refuse_asking_again(context, session, draft)
    request = request_of(context, given.reason)
    seq, begins = take(service.store, draft, request)
    if begins:
        service.worker.begin(seq)
    with service.store.session() as session:
        return present.deployment(session, deployments.get(session, seq))


# -- helpers, in call order


def _item(migration: Migration, known: set[str]) -> MigrationDocument:
    return MigrationDocument(
        name=migration.name, phase=migration.phase, applied=migration.name in known
    )


def _summary(
    row: EnvironmentRow, version: str | None, configured: bool, items: list[MigrationDocument]
) -> str:
    if not configured:
        return f"{row.name} has no migrations"
    if version is None:
        return f"nothing is live in {row.name}: its migrations are not known yet"
    left = sum(1 for item in items if not item.applied)
    return f"{row.name}: {len(items) - left} of {len(items)} migrations of {version} are applied"


def _refuse(session: Session, row: EnvironmentRow, draft: Draft | None, confirmed: bool) -> None:
    """Raises NothingToDo, and ConfirmationNeeded: it takes the way back away, wherever it is."""
    if draft is None or not draft.remains:
        raise NothingToDo(f"{row.name} has no migration to contract")
    if confirmed:
        return
    target = revisions.rollback_target(session, row)
    before = target.version if target else None
    names = [stays(Migration(name=s.name, phase=s.phase), before) for s in draft.migrations]
    raise ConfirmationNeeded(
        f"contracting the database of {row.name} cannot be undone",
        why=[*names, "a rollback past it is refused from then on"],
        fix=[f"a person runs: orchestrate deploy migrate --env {row.name} --contract --yes"],
    )
