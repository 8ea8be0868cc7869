"""A real PostgreSQL of the test run's own: on a unix socket, in a directory that goes with it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from tests.support.real import need_program
from tests.support.waiting import eventually

INSTALL = "apt-get install postgresql (and /usr/lib/postgresql/*/bin on PATH)"
USER = "postgres"


@dataclass
class Postgres:
    """A running server. Each database is made empty."""

    directory: Path
    made: int = 0

    def database(self) -> str:
        """SQLAlchemy URL of a new database."""
        self.made += 1
        name = f"test_{self.made}"
        engine = sa.create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self.url(name)

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://{USER}@/{name}?host={self.directory}"


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server; root runs it as the user `postgres`, since it refuses to run as root."""
    programs = [need_program(name, INSTALL) for name in ("initdb", "postgres")]
    user = USER if os.geteuid() == 0 else None
    directory = Path(tempfile.mkdtemp(prefix="orc-pg-", dir="/tmp"))
    if user:
        shutil.chown(directory, user)
    data = str(directory / "data")
    subprocess.run(
        [programs[0], "-D", data, "-U", USER, "--auth=trust", "--no-sync", "--encoding=UTF8"],
        user=user,
        check=True,
        capture_output=True,
        cwd=directory,
    )
    with (directory / "log").open("wb") as log:
        settings = ["--listen_addresses=", "--fsync=off", "--shared_buffers=16MB"]
        server = subprocess.Popen(
            [programs[1], "-D", data, "-k", str(directory), *settings],
            user=user,
            stdout=log,
            stderr=log,
            cwd=directory,
        )
    found = Postgres(directory)
    try:
        eventually(lambda: _answers(found, server), within_s=30)
        yield found
    finally:
        server.send_signal(signal.SIGINT)  # ends sessions too
        server.wait(timeout=30)
        shutil.rmtree(directory)


def _answers(server: Postgres, process: subprocess.Popen[bytes]) -> bool:
    log = (server.directory / "log").read_text("utf-8", "replace")
    assert process.poll() is None, log
    engine = sa.create_engine(server.url("postgres"))
    try:
        with engine.connect():
            return True
    except sa.exc.OperationalError:
        return False
    finally:
        engine.dispose()
