"""What looks bring along, written down: answers of checks, and migrations that are applied."""

from pydantic import JsonValue

from orchestrate.core.audit import AuditEvent
from orchestrate.core.deployment import Kind
from orchestrate.core.migrations import Migration, stays
from orchestrate.store import deployments, revisions, verification
from orchestrate.store.audit import append
from orchestrate.store.database import Session
from orchestrate.store.tables import DeploymentRow


def keep(session: Session, seq: int, position: int, data: dict[str, JsonValue]) -> None:
    """Keep what a look at step `position` said: `checks`, `migration`."""
    answers, migration = data.get("checks"), data.get("migration")
    if isinstance(answers, list):
        found = [each for each in answers if isinstance(each, dict)]
        verification.record_checks(session, seq, position, found)
    if isinstance(migration, dict):
        _applied(session, deployments.get(session, seq), Migration.model_validate(migration))


def ahead(session: Session, row: DeploymentRow) -> str | None:
    """What a failed deployment must say of the database; None when it did not touch it."""
    found = verification.migrated(session, row.seq or 0)
    if not found:
        return None
    return "the database is ahead: " + "; ".join(stays(m, _before(session, row)) for m in found)


def _applied(session: Session, row: DeploymentRow, migration: Migration) -> None:
    verification.record_migration(session, row.environment_id, row.seq or 0, migration)
    append(
        session,
        AuditEvent(
            action="migration.apply",
            actor=row.actor,
            on_behalf_of=row.on_behalf_of,
            subject=f"d{row.seq}",
            details={"name": migration.name, "phase": migration.phase},
        ),
    )
    said = stays(migration, _before(session, row))
    if said not in row.remains:
        row.remains = [*row.remains, said]
        session.add(row)


def _before(session: Session, row: DeploymentRow) -> str | None:
    """Version that was live before: the one that must work with it."""
    if row.from_revision_id is None or row.kind != Kind.DEPLOY.value:
        return None
    return revisions.get(session, row.from_revision_id).version
