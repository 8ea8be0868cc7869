"""A store in each database that is supported, empty and at the newest schema."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrate.store import environments
from orchestrate.store.database import Store
from tests.support.postgres import Postgres, postgres
from tests.support.records import environment

DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.system)]


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    with postgres() as found:
        yield found


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty database is."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    server: Postgres = request.getfixturevalue("server")
    return server.database()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    found = Store(url)
    found.migrate()
    yield found
    found.close()


@pytest.fixture
def environment_id(store: Store) -> int:
    """An environment `staging` of the app `shop`."""
    with store.session() as session:
        row = environments.put(session, environment())
        assert row.id is not None
        return row.id
