"""Leases: which worker lives. The kernel, or PostgreSQL, knows; no clock is asked.

A worker holds one slot for as long as its process, or its database session, lives. Whoever can
take a slot's lock knows that its holder is gone.
"""

import fcntl
import os
import secrets
from pathlib import Path
from typing import IO

import sqlalchemy as sa


class Lease:
    """An exclusive hold on an executor slot: `flock` here, an advisory lock in PostgreSQL."""

    def __init__(self, slot: str, home: Path, url: str) -> None:
        self.slot = slot
        self.token = secrets.token_hex(8)
        """Carried with every write to a provider."""
        self._home = home
        self._url = url
        self._file: IO[str] | None = None
        self._connection: sa.Connection | None = None

    def take(self) -> bool:
        """Try to hold the slot. False when somebody alive holds it."""
        return self._lock_file() if self._url.startswith("sqlite") else self._lock_session()

    def check(self) -> None:
        """Raise when the hold was lost: a worker without its lease must stop at once."""
        if self._connection is not None:
            self._connection.execute(sa.text("SELECT 1"))

    def drop(self) -> None:
        """Let the slot go."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._connection is not None:
            engine = self._connection.engine
            self._connection.close()
            engine.dispose()
            self._connection = None

    def _lock_file(self) -> bool:
        path = self._home / "run" / f"{self.slot}.lock"
        handle = open(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            return False
        self._file = handle
        return True

    def _lock_session(self) -> bool:
        engine = sa.create_engine(
            self._url,
            poolclass=sa.NullPool,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            connect_args={
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
            },
        )
        connection = engine.connect()
        held = connection.scalar(
            sa.text("SELECT pg_try_advisory_lock(hashtext('orchestrate'), hashtext(:slot))"),
            {"slot": self.slot},
        )
        if not held:
            connection.close()
            engine.dispose()
            return False
        self._connection = connection
        return True


def take_first_free(home: Path, url: str) -> Lease | None:
    """The lowest free slot. On SQLite there is one slot, so None means: a service lives."""
    for number in range(1 if url.startswith("sqlite") else 64):
        lease = Lease(f"slot-{number}", home, url)
        if lease.take():
            return lease
    return None


def is_free(slot: str, home: Path, url: str) -> bool:
    """Whether the slot's holder is gone."""
    lease = Lease(slot, home, url)
    taken = lease.take()
    lease.drop()
    return taken
