"""A plan does not begin in an environment whose settings are others by then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrate.core.environment import Environment, EnvironmentType
from orchestrate.core.errors import PlanChanged
from orchestrate.core.identity import Principal, Role
from orchestrate.engine import asking
from orchestrate.engine.anchor import Anchor
from orchestrate.engine.changes import Changes
from orchestrate.engine.credentials import Credentials
from orchestrate.engine.leases import Lease
from orchestrate.engine.planning import Draft, draft_deployment
from orchestrate.engine.worker import Worker
from orchestrate.store import environments
from orchestrate.store.database import Store
from orchestrate.tools import environments as tool
from orchestrate.tools.operation import Caller, Context, Service

LEE = Principal("lee", "lee", "person", frozenset({Role.ADMIN, Role.DEPLOYER}))
DANA = asking.Request(actor="dana")


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    """A service that begins nothing by itself."""
    (tmp_path / "run").mkdir()
    release = tmp_path / "app" / "1.0.0"
    release.mkdir(parents=True)
    (release / "app.py").write_text("print()")
    store = Store(f"sqlite:///{tmp_path / 'store.db'}", tmp_path)
    store.migrate()
    changes = Changes()
    worker = Worker(store, tmp_path, Lease("slot-0", tmp_path, store.url), changes)
    service = Service(
        home=tmp_path,
        store=store,
        worker=worker,
        changes=changes,
        version="1",
        started_at=datetime.now(UTC),
        anchor=Anchor(tmp_path, store),
        credentials=Credentials(tmp_path, store),
    )
    yield Context(service, Caller(LEE))
    worker._durable._engine.dispose()
    store.close()


def at(context: Context, port: int) -> Environment:
    return Environment(
        app="shop",
        name="dev",
        type=EnvironmentType.DEV,
        provider="local",
        url=f"http://127.0.0.1:{port}",
        config={
            "root": str(context.service.home / "app"),
            "artifact": "{version}",
            "command": ["{python}", "app.py"],
        },
    )


def put(context: Context, port: int) -> None:
    tool.set_environments(context, tool.SetEnvironments(environments=[at(context, port)]))


def draft(context: Context) -> Draft:
    place = context.service.place
    with place.store.session() as session:
        return draft_deployment(session, place, environments.find(session, "dev"), "1.0.0")


def test_what_was_planned_does_not_begin_where_the_settings_are_others_by_then(
    context: Context,
) -> None:
    put(context, 18001)
    planned = draft(context)
    put(context, 18002)
    with pytest.raises(PlanChanged, match="changed while it was being planned") as raised:
        asking.take(context.service.store, planned, DANA)
    assert "its settings were changed" in raised.value.why[0]
    assert asking.take(context.service.store, draft(context), DANA)[1]
