"""Who may end the analysis of a release in its favour."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from orchestrate.core.approval import Approvals
from orchestrate.core.deployment import Action
from orchestrate.core.environment import EnvironmentType
from orchestrate.core.errors import ConfirmationNeeded
from orchestrate.core.identity import Principal, Role
from orchestrate.store import deployments, environments
from orchestrate.store.database import Store
from orchestrate.tools.deployments import ControlDeployment, control_deployment
from orchestrate.tools.operation import Caller, Context, Service
from tests.support.records import deploy, environment

DEPLOYER = frozenset({Role.VIEWER, Role.DEPLOYER})
AGENT = Principal("claude", "lee", "agent", DEPLOYER)
LEE = Principal("lee", "lee", "person", DEPLOYER)


def sent(tmp_path: Path, principal: Principal, **settings: object) -> list[int]:
    """The deployments that were told to go on."""
    found: list[int] = []
    store = Store(f"sqlite:///{tmp_path / 'store.db'}", tmp_path)
    store.migrate()
    with store.session() as session:
        place = environments.put(session, environment().model_copy(update=settings)).id or 0
        seq = deploy(session, place, "1.0.0")
        watched = next(step for step in deployments.steps(session, seq) if step.kind == "verify")
        deployments.begin_step(session, watched, None)
    worker = SimpleNamespace(send=lambda seq, message, key: found.append(seq))
    service = cast(Service, SimpleNamespace(store=store, worker=worker))
    given = ControlDeployment(deployment=f"d{seq}", action=Action.PROMOTE)
    try:
        control_deployment(Context(service, Caller(principal)), given)
    finally:
        store.close()
    return found


@pytest.mark.parametrize(
    "settings",
    [
        {"type": EnvironmentType.PRODUCTION},
        {"requires_approval": True},
        {"approvals": Approvals(count=2)},
    ],
)
def test_an_agent_does_not_cut_short_what_people_agreed_to(
    tmp_path: Path, settings: dict[str, object]
) -> None:
    with pytest.raises(ConfirmationNeeded) as caught:
        sent(tmp_path, AGENT, **settings)
    assert caught.value.fix == ("a person runs: orchestrate deploy promote d1",)


def test_a_person_does_and_an_agent_where_nobody_is_asked(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    assert sent(tmp_path / "one", LEE, requires_approval=True) == [1]
    assert sent(tmp_path / "two", AGENT) == [1]
