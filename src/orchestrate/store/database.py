"""The engine, sessions and the schema's version.

SQLite in WAL mode by default; any SQLAlchemy URL by ORCHESTRATE_DATABASE_URL. DBOS keeps its own
tables in the same database, so that a row of ours and its checkpoint commit together.
"""

import copy
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import Session as Session  # for tools and engine: they know the store only
from sqlmodel import SQLModel

from orchestrate.core.errors import DiskFull, NotNow, StoreUnreachable, UsageProblem
from orchestrate.store import turns

SCOPE = "scope"
"""In a session's `info`: the environments that it shows; none means all."""
HEAD = "0009"
"""Newest revision of the schema; a test compares it with the migrations."""
STORE_FAILED = (sa.exc.OperationalError, sa.exc.TimeoutError)
"""What says that the store cannot be asked now; the latter, that no connection became free."""


AGAIN_S = 5.0
"""When to ask again what a database did not answer."""


class Held(Enum):
    """What one transaction at a time decides about; the value is PostgreSQL's advisory lock. The
    migrations have 7203119. The trail is always the last that is taken."""

    TRAIL = 7203120
    PEOPLE = 7203121
    MASTER_KEYS = 7203122


def database_url(home: Path) -> str:
    """Where the store is: ORCHESTRATE_DATABASE_URL, or `orchestrate.db` in the home."""
    given = os.environ.get("ORCHESTRATE_DATABASE_URL")
    if not given:
        return f"sqlite:///{home / 'orchestrate.db'}"
    url = sa.make_url(given)
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    return url.render_as_string(hide_password=False)


def make_engine(url: str, *, durable: bool = True) -> sa.Engine:
    """An engine for `url`.

    `durable` waits for the disk at each commit (synchronous=FULL): for intents and decisions.
    Parameters never appear in errors or logs: they may hold what is not for everyone's eyes.
    """
    if not url.startswith("sqlite"):
        return sa.create_engine(
            url, pool_size=10, max_overflow=10, pool_pre_ping=True, hide_parameters=True
        )
    engine = sa.create_engine(
        url,
        pool_size=20,
        max_overflow=30,
        hide_parameters=True,
        pool_timeout=60,
        connect_args={"factory": turns.Connection},
    )
    queue = turns.of(engine.url.database)

    def prepare(connection: turns.Connection, _: ConnectionPoolEntry) -> None:
        connection.turns = queue
        if sqlite3.sqlite_version_info < (3, 42):
            # DBOS 3.4 asks for unixepoch('subsec') on Python 3.12+, which SQLite has from 3.42 on.
            connection.create_function("unixepoch", -1, lambda *_: time.time())
        connection.isolation_level = "IMMEDIATE"
        for pragma in (
            f"busy_timeout={turns.BUSY_S * 1000:.0f}",
            "foreign_keys=ON",
            "journal_mode=WAL",
            f"synchronous={'FULL' if durable else 'NORMAL'}",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    sa.event.listen(engine, "connect", prepare)
    return engine


class Store:
    """The records: sessions for reading and for short writes."""

    def __init__(self, url: str, home: Path | None = None) -> None:
        from orchestrate.store.keys import Keys  # which stands on this module

        self.url = url
        self.keys = Keys(home)
        """The master keys; `subkey` for whatever needs a key of its own."""
        self.engine = make_engine(url)
        self.sessions = sessionmaker(self.engine, class_=Session, expire_on_commit=False)
        # DBOS binds its sessions to the engine itself.
        self.unbound_sessions = sessionmaker(class_=Session, expire_on_commit=False)
        self._scope: tuple[str, ...] = ()

    def within(self, scope: tuple[str, ...]) -> "Store":
        """The same records as somebody sees them who is limited to the environments in `scope`,
        `app/name` or `name`: all others are not there."""
        found = copy.copy(self)
        found._scope = scope
        return found

    def migrate(self) -> None:
        """Bring the schema to HEAD. Callers hold the service's lock, or the database's own.

        Raises UsageProblem for a database of a newer version, which is left as it is.
        """
        found = self.schema()
        if found == HEAD:
            return
        if found is not None and found > HEAD:
            raise UsageProblem(
                "the database is of a newer version of Orchestrate",
                why=[f"its schema is {found}, and this version knows {HEAD}; nothing was changed"],
                fix=["install the version that wrote it, or restore the database from before"],
            )
        from orchestrate.store.migrations import upgrade

        upgrade(self.engine)

    def schema(self) -> str | None:
        """The schema's revision, None in an empty database."""
        with self.engine.connect() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return None
            found = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
            return None if found is None else str(found)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction: committed at the end, rolled back on an error.

        Raises DiskFull when the database says that there is no room, and NotNow where somebody
        else wrote the same at this moment.
        """
        try:
            with self.sessions.begin() as session:
                session.info[SCOPE] = self._scope
                yield session
        except sa.exc.IntegrityError as error:
            if not _is_twin(error):
                raise
            raise NotNow(
                "somebody else wrote the same at this moment; nothing was changed by this",
                fix=["do it again"],
            ) from error
        except sa.exc.OperationalError as error:
            raise _named(error) from error

    def close(self) -> None:
        self.engine.dispose()


def begin_writing(session: Session) -> None:
    """Begin the transaction as one that writes, so that nothing it reads is changed by another.

    On SQLite a transaction begins with its first write; what was read before it may be stale by
    then. On PostgreSQL rows are locked as they are read, by `with_for_update`.
    """
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        raw = connection.connection.driver_connection
        if isinstance(raw, sqlite3.Connection) and not raw.in_transaction:
            connection.exec_driver_sql("BEGIN IMMEDIATE")


def hold(session: Session, what: Held) -> None:
    """Begin the transaction as the only one, until it ends, that decides about `what`: for a rule
    over many rows, which no row's lock holds. Taken before any row of it is read."""
    begin_writing(session)
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({what.value})"))


def add_once(session: Session, row: type[SQLModel], values: dict[str, object]) -> None:
    """Insert a row unless there is one of its key: of two that do so at once, both may go on."""
    from sqlalchemy.dialects import postgresql, sqlite

    mine = session.connection().dialect.name
    insert = postgresql.insert if mine == "postgresql" else sqlite.insert
    session.connection().execute(insert(row).values(**values).on_conflict_do_nothing())


def unreachable(error: Exception) -> StoreUnreachable:
    """One of STORE_FAILED in words that can be shown. The database's own first line names a host or
    a socket, and never a password."""
    said = str(getattr(error, "orig", None) or error).strip().splitlines()
    return StoreUnreachable(
        "the database could not be asked",
        why=[said[0][:300] if said else type(error).__name__],
        fix=[
            "see that it runs; what serves is not affected, and deployments go on once it is back"
        ],
        retry_after_s=AGAIN_S,
    )


def is_away(error: Exception) -> bool:
    """Whether an error says that the database cannot be asked now, and is no mistake of ours."""
    if isinstance(error, sa.exc.OperationalError) and isinstance(
        error.orig, sqlite3.OperationalError
    ):
        return error.orig.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
    return isinstance(error, STORE_FAILED)


def silence(url: str) -> str | None:
    """Why the database does not answer; None when it does."""
    engine = sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True)
    try:
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
    except STORE_FAILED as error:
        return "; ".join(unreachable(error).why)
    return None


def _is_twin(error: sa.exc.IntegrityError) -> bool:
    """Whether a row of the same key was there: any other broken rule is a mistake of ours."""
    code = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "sqlite_errorname", None)
    return code in ("23505", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY")


def _named(error: sa.exc.OperationalError) -> Exception:
    original = error.orig
    if isinstance(original, sqlite3.OperationalError) and "full" in str(original):
        return DiskFull(
            "the disk is full, nothing was recorded or changed",
            why=["the database could not be written"],
            fix=["free some space, then do it again; what serves is not affected"],
        )
    return error
