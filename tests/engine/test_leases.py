"""Leases: a slot is held by one process for as long as it lives."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from orchestrate.engine.leases import Lease, is_free, take_first_free
from tests.support.postgres import Postgres, postgres
from tests.support.service import kill
from tests.support.waiting import eventually

HOLD = """
import sys
from pathlib import Path
from orchestrate.engine.leases import Lease
lease = Lease("slot-0", Path(sys.argv[1]), sys.argv[2])
print(lease.take(), flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as found:
        yield found


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.system)])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return "sqlite:///store.db"
    server: Postgres = request.getfixturevalue("server")
    return server.database()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path


@pytest.fixture
def holder(home: Path, url: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds slot-0."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home), url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    yield process
    process.communicate(timeout=20)


def test_a_slot_that_another_process_holds_is_not_given(
    home: Path, url: str, holder: subprocess.Popen[str]
) -> None:
    assert not Lease("slot-0", home, url).take()
    assert not is_free("slot-0", home, url)


def test_a_slot_is_free_once_its_holder_was_killed(
    home: Path, url: str, holder: subprocess.Popen[str]
) -> None:
    kill(holder.pid)
    lease = Lease("slot-0", home, url)
    eventually(lease.take)
    lease.drop()


def test_asking_whether_a_slot_is_free_does_not_take_it(home: Path, url: str) -> None:
    assert is_free("slot-0", home, url)
    lease = Lease("slot-0", home, url)
    assert lease.take()
    lease.check()
    lease.drop()
    assert is_free("slot-0", home, url)


def test_there_is_one_slot_on_a_file_and_many_on_a_server(
    home: Path, url: str, holder: subprocess.Popen[str]
) -> None:
    found = take_first_free(home, url)
    if url.startswith("sqlite"):
        assert found is None
    else:
        assert found is not None
        assert found.slot == "slot-1"
        found.drop()


def test_each_lease_has_a_token_of_its_own(home: Path, url: str) -> None:
    assert Lease("slot-0", home, url).token != Lease("slot-0", home, url).token


@pytest.mark.system
@pytest.mark.attack(
    "CF06", "PostgreSQL ends the session that a worker holds its lease by", "it stops"
)
def test_a_lease_whose_session_was_ended_is_lost_and_free_for_another(
    home: Path, server: Postgres
) -> None:
    url = server.database()
    lease = Lease("slot-0", home, url)
    assert lease.take()
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    engine.dispose()
    with pytest.raises(sa.exc.OperationalError):
        lease.check()
    other = Lease("slot-0", home, url)
    eventually(other.take)
    other.drop()
    lease.drop()
