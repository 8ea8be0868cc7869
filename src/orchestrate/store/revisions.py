"""Revisions: recorded once per digest and environment; their state and lineage."""

from collections.abc import Collection
from datetime import UTC, datetime

from sqlmodel import Session, col, select

from orchestrate.core.deployment import Kind, Phase
from orchestrate.core.revision import Revision
from orchestrate.store.tables import DeploymentRow, EnvironmentRow, RevisionRow, now


def record(
    session: Session, environment: EnvironmentRow, revision: Revision, replicas: int
) -> RevisionRow:
    """The row of `revision`, made when it is new."""
    statement = select(RevisionRow).where(
        col(RevisionRow.environment_id) == environment.id,
        col(RevisionRow.digest) == revision.digest,
    )
    row = session.exec(statement).one_or_none()
    if row is None:
        row = RevisionRow.model_validate(
            {
                "environment_id": environment.id,
                "digest": revision.digest,
                "key": revision.key,
                "version": revision.version,
                "snapshot": revision.model_dump(mode="json"),
                "replicas": replicas,
            }
        )
        session.add(row)
        session.flush()
    return row


def get(session: Session, identity: int) -> RevisionRow:
    return session.get_one(RevisionRow, identity)


def live(session: Session, environment: EnvironmentRow) -> RevisionRow | None:
    """The revision that is recorded as live."""
    if environment.live_revision_id is None:
        return None
    return session.get_one(RevisionRow, environment.live_revision_id)


def by_key(session: Session, environment_id: int, key: str) -> RevisionRow | None:
    """The newest revision with this key (12 hexadecimal characters of the digest)."""
    statement = (
        select(RevisionRow)
        .where(col(RevisionRow.environment_id) == environment_id, col(RevisionRow.key) == key)
        .order_by(col(RevisionRow.id).desc())
        .limit(1)
    )
    return session.exec(statement).one_or_none()


def as_revision(row: RevisionRow) -> Revision:
    return Revision.model_validate(row.snapshot)


def rollback_target(session: Session, environment: EnvironmentRow) -> RevisionRow | None:
    """The last verified revision before the live one, by lineage.

    Lineage and not time: after a rollback from B to A the live revision is A, and the target is
    what A replaced, never B. Revisions that were quarantined, or left by a rollback and not
    deployed again since, are passed over.
    """
    row = live(session, environment)
    seen: set[int | None] = {row.id} if row else set()
    while row is not None and (before := _replaced(session, row, seen)) is not None:
        row = session.get_one(RevisionRow, before)
        seen.add(row.id)
        if row.state == "verified":
            return row
    return None


def _replaced(session: Session, row: RevisionRow, seen: Collection[int | None]) -> int | None:
    """The revision that `row` replaced. One that was deployed again replaced another one each
    time: where the last of them was passed already, the one before counts."""
    if row.parent_id is None or row.parent_id not in seen:
        return row.parent_id
    statement = (
        select(DeploymentRow.from_revision_id)
        .where(
            col(DeploymentRow.to_revision_id) == row.id,
            col(DeploymentRow.kind) == Kind.DEPLOY.value,
            col(DeploymentRow.phase) == Phase.SUCCEEDED.value,
            col(DeploymentRow.from_revision_id).not_in([each for each in seen if each]),
        )
        .order_by(col(DeploymentRow.seq).desc())
        .limit(1)
    )
    return session.exec(statement).first()


def newest_of_version(
    session: Session, environment: EnvironmentRow, version: str
) -> RevisionRow | None:
    """The revision of `version` that was last verified here; else the last one recorded."""
    statement = select(RevisionRow).where(
        col(RevisionRow.environment_id) == environment.id, col(RevisionRow.version) == version
    )
    rows = list(session.exec(statement))
    if not rows:
        return None
    never = datetime.min.replace(tzinfo=UTC)
    return max(rows, key=lambda r: (r.state == "verified", r.verified_at or never, r.id or 0))


def by_digest(session: Session, environment_id: int, digest: str) -> RevisionRow | None:
    """The revision with this digest."""
    statement = select(RevisionRow).where(
        col(RevisionRow.environment_id) == environment_id, col(RevisionRow.digest) == digest
    )
    return session.exec(statement).one_or_none()


def versions(session: Session, environment: EnvironmentRow, limit: int = 20) -> list[str]:
    """Versions that were deployed here with success, newest first."""
    statement = (
        select(RevisionRow.version)
        .where(
            col(RevisionRow.environment_id) == environment.id,
            col(RevisionRow.verified_at).is_not(None),
        )
        .order_by(col(RevisionRow.verified_at).desc())
        .limit(limit)
    )
    return list(dict.fromkeys(session.exec(statement)))


def verified(session: Session, environment: EnvironmentRow) -> list[RevisionRow]:
    """Revisions that were live here, oldest first: those that a rollback can name."""
    statement = (
        select(RevisionRow)
        .where(
            col(RevisionRow.environment_id) == environment.id,
            col(RevisionRow.verified_at).is_not(None),
        )
        .order_by(col(RevisionRow.id))
    )
    return list(session.exec(statement))


def quarantined(session: Session, environment: EnvironmentRow) -> list[RevisionRow]:
    statement = select(RevisionRow).where(
        col(RevisionRow.environment_id) == environment.id,
        col(RevisionRow.state) == "quarantined",
    )
    return list(session.exec(statement))


def quarantine(session: Session, row: RevisionRow) -> None:
    """Refuse this revision here from now on, unless somebody forces it."""
    row.state = "quarantined"
    session.add(row)


def leave(session: Session, row: RevisionRow) -> None:
    """A rollback left this revision: it is no target of a later one until it is deployed again."""
    if row.state == "verified":
        row.state = "left"
        session.add(row)


def make_live(session: Session, environment: EnvironmentRow, deployment: DeploymentRow) -> None:
    """Record that the deployment's revision serves, verified."""
    row = session.get_one(RevisionRow, deployment.to_revision_id)
    if deployment.kind == Kind.DEPLOY.value and deployment.from_revision_id != row.id:
        row.parent_id = deployment.from_revision_id
    row.state = "verified"
    row.verified_at = now()
    environment.live_revision_id = row.id
    environment.live_deployment = deployment.seq
    environment.live_since = now()
    session.add(row)
    session.add(environment)


def ids_of_version(session: Session, version: str) -> list[int]:
    """Revisions of a version, in any environment."""
    statement = select(RevisionRow.id).where(col(RevisionRow.version) == version)
    return [identity for identity in session.exec(statement) if identity is not None]
