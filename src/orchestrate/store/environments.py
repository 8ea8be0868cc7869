"""Environments: found by name, created, changed, archived."""

from collections.abc import Sequence

from pydantic import ValidationError
from sqlmodel import Session, col, select

from orchestrate.core.environment import Environment, HealthGate, Strategy
from orchestrate.core.errors import AmbiguousEnvironment, StoreDamaged, UnknownEnvironment
from orchestrate.core.identity import reaches
from orchestrate.core.names import did_you_mean
from orchestrate.store import evidence
from orchestrate.store.approvals import asked_about
from orchestrate.store.database import SCOPE, begin_writing
from orchestrate.store.sealed import SecretRow
from orchestrate.store.tables import DeploymentRow, EnvironmentRow, PlanRow, now

_FIELDS = (
    "type",
    "provider",
    "url",
    "config",
    "strategy",
    "health",
    "variables",
    "secrets",
    "requires_approval",
    "timeout_s",
    "when_busy",
    "source",
)

RULES: tuple[str, ...] = (
    "approvals",
    "limits",
    "checks",
    "calendar",
    "secret_sources",
    "secret_backends",
    "notifications",
    "verify",
    "migrations",
)
"""Fields of an environment that are kept together in the column `rules`: a new one needs a line
here and no migration."""


def every(session: Session) -> Sequence[EnvironmentRow]:
    """Environments that are not archived and within the session's scope, by app and then in the
    order they were made."""
    statement = (
        select(EnvironmentRow)
        .where(col(EnvironmentRow.archived_at).is_(None))
        .order_by(col(EnvironmentRow.app), col(EnvironmentRow.id))
    )
    return [row for row in session.exec(statement).all() if visible(session, row)]


def visible(session: Session, row: EnvironmentRow) -> bool:
    """Whether the environment is within the session's scope (`Store.within`)."""
    return reaches(session.info.get(SCOPE, ()), row.app, row.name)


def visible_id(session: Session, identity: int) -> bool:
    """The same by its id, for what belongs to an environment."""
    return not session.info.get(SCOPE) or visible(session, get(session, identity))


def visible_ids(session: Session) -> list[int] | None:
    """Ids of the environments within the session's scope, archived ones too; None for all."""
    if not session.info.get(SCOPE):
        return None
    rows = session.exec(select(EnvironmentRow)).all()
    return [row.id or 0 for row in rows if visible(session, row)]


def find(session: Session, name: str) -> EnvironmentRow:
    """The environment `name`, or `app/name`. Raises UnknownEnvironment, AmbiguousEnvironment."""
    app, _, short = name.rpartition("/")
    rows = every(session)
    found = [r for r in rows if r.name == short and app in ("", r.app)]
    if len(found) == 1:
        return found[0]
    if found:
        raise AmbiguousEnvironment(
            f'several apps have an environment "{name}"',
            why=[f"they are {', '.join(f'{r.app}/{r.name}' for r in found)}"],
            fix=["name it with its app, such as " + f"{found[0].app}/{found[0].name}"],
        )
    raise _unknown(name, rows)


def get(session: Session, identity: int) -> EnvironmentRow:
    """The environment with this id, archived or not."""
    return session.get_one(EnvironmentRow, identity)


def lock(session: Session, identity: int) -> EnvironmentRow:
    """The environment, held by this transaction until it ends: what is read of it and of its
    deployments from here on is still true when it is written. Raises UnknownEnvironment for one
    that another call deleted meanwhile; one that it archived is held as any other."""
    begin_writing(session)
    row = session.get(EnvironmentRow, identity, with_for_update=True, populate_existing=True)
    if row is None:
        raise _deleted()
    return row


def lock_current(session: Session, identity: int) -> EnvironmentRow:
    """The same, and UnknownEnvironment for an archived one too."""
    row = lock(session, identity)
    if row.archived_at is not None:
        raise _deleted()
    return row


def as_environment(row: EnvironmentRow) -> Environment:
    """The row as the core's record. Raises StoreDamaged for one that cannot be read: it is that
    environment's affair alone, and the others go on."""
    try:
        return Environment.model_validate(
            {
                "app": row.app,
                "name": row.name,
                "type": row.type,
                "provider": row.provider,
                "url": row.url,
                "config": row.config,
                "strategy": Strategy.model_validate(row.strategy),
                "health": HealthGate.model_validate(row.health),
                "variables": row.variables,
                "secrets": tuple(row.secret_names),
                "requires_approval": row.requires_approval,
                "timeout_s": row.timeout_s,
                "when_busy": row.when_busy,
                "source": row.source,
                **row.rules,
            }
        )
    except (ValidationError, TypeError) as error:
        raise StoreDamaged(
            f"the settings of {row.app}/{row.name} cannot be read",
            why=["their record is not as this program wrote it"],
            fix=["restore the database from a backup; what serves there goes on"],
        ) from error


def existing(session: Session, environment: Environment) -> EnvironmentRow | None:
    """The row of `environment`'s app and name, when there is one."""
    statement = select(EnvironmentRow).where(
        col(EnvironmentRow.app) == environment.app,
        col(EnvironmentRow.name) == environment.name,
        col(EnvironmentRow.archived_at).is_(None),
    )
    return session.exec(statement).one_or_none()


def refuse_outside(session: Session, environment: Environment) -> None:
    """Raise UnknownEnvironment for one that is, or would be, outside the session's scope: asked
    before anything is said of it."""
    if not reaches(session.info.get(SCOPE, ()), environment.app, environment.name):
        raise _unknown(environment.name, every(session))


def put(session: Session, environment: Environment) -> EnvironmentRow:
    """Create the environment, or change it to what is given. Raises UnknownEnvironment for one
    outside the session's scope."""
    refuse_outside(session, environment)
    data = environment.model_dump(mode="json")
    row = existing(session, environment)
    if row is None:
        row = EnvironmentRow.model_validate(
            {
                **data,
                "secret_names": data["secrets"],
                "rules": {},
                "write_number": _last_write(session, environment),
            }
        )
    for field in _FIELDS:
        setattr(row, "secret_names" if field == "secrets" else field, data[field])
    row.rules = {field: data[field] for field in RULES}
    row.updated_at = now()
    session.add(row)
    session.flush()
    return row


def remove(session: Session, row: EnvironmentRow) -> bool:
    """Delete the environment, or archive it when it has a history. Returns whether archived.
    Its secrets are erased in either case."""
    for secret in session.exec(select(SecretRow).where(col(SecretRow.environment_id) == row.id)):
        session.delete(secret)
    history = select(DeploymentRow.seq).where(col(DeploymentRow.environment_id) == row.id).limit(1)
    for plan in session.exec(select(PlanRow).where(col(PlanRow.environment_id) == row.id)):
        session.delete(plan)
    session.flush()
    if session.exec(history).first() is None and not asked_about(session, row.id or 0):
        from orchestrate.store import outbox  # which stands on this module

        evidence.forget(session, row.id or 0)
        outbox.forget(session, row.id or 0)
        session.delete(row)
        return False
    row.archived_at = now()
    session.add(row)
    return True


def next_write(session: Session, identity: int) -> int:
    """Journal the next write to this environment's provider and return its number.

    The number is durable before the write is sent, and a later write always has a higher one, over
    deployments, rollbacks and retries: the target refuses a lower one than it has seen.
    """
    row = lock(session, identity)
    row.write_number += 1
    session.add(row)
    return row.write_number


def note_write(session: Session, identity: int, number: int) -> None:
    """A write of this number was seen at the target: the next one has a higher number."""
    row = lock(session, identity)
    row.write_number = max(row.write_number, number)
    session.add(row)


def _last_write(session: Session, environment: Environment) -> int:
    """Number of the newest write to an archived environment of this name, else 0: the target
    remembers it."""
    statement = (
        select(EnvironmentRow.write_number)
        .where(col(EnvironmentRow.app) == environment.app)
        .where(col(EnvironmentRow.name) == environment.name)
        .order_by(col(EnvironmentRow.id).desc())
        .limit(1)
    )
    return session.exec(statement).one_or_none() or 0


def _deleted() -> UnknownEnvironment:
    return UnknownEnvironment(
        "the environment was deleted by another call, at this moment", fix=["orchestrate env list"]
    )


def _unknown(name: str, rows: Sequence[EnvironmentRow]) -> UnknownEnvironment:
    known = [r.name for r in rows] + [f"{r.app}/{r.name}" for r in rows]
    meant = did_you_mean(name, known)
    names = ", ".join(sorted({r.name for r in rows}))
    return UnknownEnvironment(
        f'there is no environment "{name}"',
        why=[f"known are {names}"] if rows else ["no environment has been created yet"],
        fix=[f"did you mean {meant[0]}?"]
        if meant
        else ["orchestrate env list" if rows else "orchestrate env create --file orchestrate.yaml"],
    )
