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
    program: str
    user: str | None
    made: int = 0
    process: subprocess.Popen[bytes] | None = None

    def database(self) -> str:
        """SQLAlchemy URL of a new database."""
        self.made += 1
        name = f"test_{self.made}"
        engine = sa.create_engine(self.url("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return self.url(name)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = ["--listen_addresses=", "--fsync=off", "--shared_buffers=16MB"]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    self.program,
                    "-D",
                    str(self.directory / "data"),
                    "-k",
                    str(self.directory),
                    *settings,
                ],
                user=self.user,
                stdout=log,
                stderr=log,
                cwd=self.directory,
            )
        eventually(lambda: _answers(self), within_s=30)

    def stop(self) -> None:
        """End it, and every session with it."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=30)
            self.process = None

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
    found = Postgres(directory, programs[1], user)
    try:
        found.start()
        yield found
    finally:
        found.stop()
        shutil.rmtree(directory)


def _answers(server: Postgres) -> bool:
    log = (server.directory / "log").read_text("utf-8", "replace")
    assert server.process is not None and server.process.poll() is None, log
    engine = sa.create_engine(server.url("postgres"))
    try:
        with engine.connect():
            return True
    except sa.exc.OperationalError:
        return False
    finally:
        engine.dispose()
