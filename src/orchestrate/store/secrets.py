"""Secrets of the built-in store: immutable versions, sealed, one after the other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from orchestrate.core.errors import SecretMissing, SecretUnreadable
from orchestrate.core.secret import Secret
from orchestrate.store import environments
from orchestrate.store.identity import store_id
from orchestrate.store.keys import Keys
from orchestrate.store.sealed import SecretRow, envelope, erase
from orchestrate.store.sealing import about, seal, unseal
from orchestrate.store.tables import EnvironmentRow, now


@dataclass(frozen=True)
class Known:
    """What may be told of a secret."""

    name: str
    version: int
    """The newest one."""
    versions: int
    """How many are kept."""
    set_at: datetime
    set_by: str
    short: bool


def put(
    session: Session,
    keys: Keys,
    environment: EnvironmentRow,
    name: str,
    value: Secret,
    *,
    by: str,
    short: bool = False,
) -> tuple[SecretRow, bool]:
    """Keep `value` as the newest version of `name`. False when the newest one has it already.

    The environment is held until the transaction ends, so versions have no gap and no twin.
    """
    environments.lock(session, environment.id or 0)
    newest = _newest(session, environment, name)
    before, version = would_be(session, keys, environment, name, value)
    if newest is not None and before == version:
        return newest, False
    master = keys.for_sealing(session)
    text = value.reveal().encode("utf-8", "surrogatepass")
    sealed = seal(master, text, _about(store_id(session), environment, name, version))
    row = SecretRow(
        environment_id=environment.id or 0,
        name=name,
        version=version,
        created_by=by,
        short=short,
        **vars(sealed),
    )
    session.add(row)
    session.flush()
    return row, True


def would_be(
    session: Session, keys: Keys, environment: EnvironmentRow, name: str, value: Secret
) -> tuple[int | None, int]:
    """The newest version, and the one that `put` would answer."""
    newest = _newest(session, environment, name)
    if newest is None:
        return None, 1
    if newest.removed_at is not None:
        return None, newest.version + 1
    same = _opened(session, keys, environment, newest) == value
    return newest.version, newest.version if same else newest.version + 1


def get(
    session: Session,
    keys: Keys,
    environment: EnvironmentRow,
    name: str,
    version: int | None = None,
) -> Secret:
    """The value of a version, or of the newest. Raises SecretMissing, SecretUnreadable."""
    row = _row(session, environment, name, version)
    if row is None or row.removed_at is not None:
        raise _missing(environment, name, version, row)
    return _opened(session, keys, environment, row)


def newest(session: Session, environment: EnvironmentRow) -> dict[str, int]:
    """The newest version of each secret that is kept."""
    return {known.name: known.version for known in listed(session, environment)}


def listed(session: Session, environment: EnvironmentRow) -> list[Known]:
    """Every secret that is kept here, by name."""
    rows = session.exec(
        select(SecretRow)
        .where(col(SecretRow.environment_id) == environment.id)
        .order_by(col(SecretRow.name), col(SecretRow.version))
    ).all()
    found: dict[str, list[SecretRow]] = {}
    for row in rows:
        found.setdefault(row.name, []).append(row)
    return [
        Known(
            name=name,
            version=versions[-1].version,
            versions=sum(1 for row in versions if row.removed_at is None),
            set_at=versions[-1].created_at,
            set_by=versions[-1].created_by,
            short=versions[-1].short,
        )
        for name, versions in found.items()
        if versions[-1].removed_at is None
    ]


def values(session: Session, keys: Keys, environment: EnvironmentRow) -> Iterator[Secret]:
    """The value of every version that is kept, to mask it. One that does not open is passed by:
    nobody can have it from here."""
    rows = session.exec(
        select(SecretRow)
        .where(col(SecretRow.environment_id) == environment.id)
        .where(col(SecretRow.removed_at).is_(None))
        .where(col(SecretRow.short).is_(False))
    ).all()
    for row in rows:
        try:
            yield _opened(session, keys, environment, row)
        except SecretUnreadable:
            continue


def remove(
    session: Session, environment: EnvironmentRow, name: str, version: int | None, by: str
) -> list[int]:
    """Erase a version, or all of them; what was erased. Their numbers are never used again.

    Raises SecretMissing.
    """
    environments.lock(session, environment.id or 0)
    statement = select(SecretRow).where(
        col(SecretRow.environment_id) == environment.id,
        col(SecretRow.name) == name,
        col(SecretRow.removed_at).is_(None),
    )
    if version is not None:
        statement = statement.where(col(SecretRow.version) == version)
    rows = session.exec(statement.order_by(col(SecretRow.version))).all()
    if not rows:
        raise _missing(environment, name, version, _row(session, environment, name, version))
    for row in rows:
        erase(row)
        row.removed_at, row.removed_by = now(), by
        session.add(row)
    return [row.version for row in rows]


def bound_to(session: Session, rows: Sequence[SecretRow]) -> list[bytes]:
    """What each of these rows is bound to, by its own columns."""
    store = store_id(session)
    of = {number: environments.get(session, number) for number in {r.environment_id for r in rows}}
    return [_about(store, of[r.environment_id], r.name, r.version) for r in rows]


def _about(store: str, environment: EnvironmentRow, name: str, version: int) -> bytes:
    # The id too: an environment that is made again under the same name is another one.
    where = f"{environment.id}:{environment.app}/{environment.name}"
    return about("orchestrate/secret/v1", store, where, name, str(version))


def _opened(session: Session, keys: Keys, environment: EnvironmentRow, row: SecretRow) -> Secret:
    sealed = envelope(row)
    if sealed is None:
        raise SecretUnreadable(
            f"{row.name} v{row.version} of {environment.name} is kept, and parts of it are gone",
            fix=["restore the store from a backup, or set the secret again"],
        )
    try:
        aad = _about(store_id(session), environment, row.name, row.version)
        value = unseal(keys.find(session, sealed.kid), sealed, aad)
    except SecretUnreadable as error:
        raise SecretUnreadable(
            f"{row.name} v{row.version} of {environment.name} does not open",
            why=error.why,
            fix=error.fix,
            details={"name": row.name, "version": row.version},
        ) from None
    return Secret(value.decode("utf-8", "surrogatepass"))


def _row(
    session: Session, environment: EnvironmentRow, name: str, version: int | None
) -> SecretRow | None:
    if version is None:
        return _newest(session, environment, name)
    statement = select(SecretRow).where(
        col(SecretRow.environment_id) == environment.id,
        col(SecretRow.name) == name,
        col(SecretRow.version) == version,
    )
    return session.exec(statement).one_or_none()


def _newest(session: Session, environment: EnvironmentRow, name: str) -> SecretRow | None:
    statement = (
        select(SecretRow)
        .where(col(SecretRow.environment_id) == environment.id, col(SecretRow.name) == name)
        .order_by(col(SecretRow.version).desc())
        .limit(1)
    )
    return session.exec(statement).one_or_none()


def _missing(
    environment: EnvironmentRow, name: str, version: int | None, row: SecretRow | None
) -> SecretMissing:
    what = f"{environment.name} has no secret {name}" + (f" v{version}" if version else "")
    why = []
    if row is not None and row.removed_at is not None:
        why = [f"v{row.version} was removed by {row.removed_by} at {row.removed_at:%F %H:%M} UTC"]
    fix = f"orchestrate secrets set {name} --env {environment.name}      (asks for the value)"
    return SecretMissing(what, why=why, fix=[fix], details={"name": name})
