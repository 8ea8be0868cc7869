"""An environment is asked for: held for a moment, and kept from nobody without need."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrate.core.deployment import Kind, Phase
from orchestrate.core.environment import StrategyName
from orchestrate.core.errors import EnvironmentBusy, VerdictOutOfReach
from orchestrate.core.plan import Plan
from orchestrate.core.protocols import LiveState
from orchestrate.core.steps import Analyse
from orchestrate.engine.asking import Request, take
from orchestrate.engine.planning import Draft
from orchestrate.store import deployments, environments, revisions
from orchestrate.store.database import Store
from orchestrate.store.tables import now
from tests.support.records import deploy, environment, revision

POLICY = environment().strategy.analyse


class Asked(Exception):
    """The provider was asked for its traffic."""

    def __init__(self, others_may_write: bool) -> None:
        super().__init__()
        self.others_may_write = others_may_write


class Provider:
    def __init__(self, database: Path) -> None:
        self.database = database

    def requests(self) -> dict[str, Any]:
        raise Asked(self._others_may_write())

    def _others_may_write(self) -> bool:
        other = sqlite3.connect(self.database, timeout=0)
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        finally:
            other.close()
        return True


def canary(store: Store, provider: Provider) -> Draft:
    """The plan of a canary in an environment that serves already."""
    with store.session() as session:
        row = environments.put(session, environment())
        seq = deploy(session, row.id or 0, "1")
        first = deployments.get(session, seq)
        live = revisions.get(session, first.to_revision_id)
        row.live_revision_id, row.live_deployment = live.id, seq
        first.phase, first.finished_at = Phase.SUCCEEDED.value, now()
        target = revision("2")
        old = revisions.as_revision(live).ref
        plan = Plan(
            app=row.app,
            environment=row.name,
            kind=Kind.DEPLOY,
            strategy=StrategyName.CANARY,
            from_digest=live.digest,
            to_digest=target.digest,
            old=old,
            new=target.ref,
            steps=(Analyse(revision=target.ref, baseline=old, percent=10, policy=POLICY),),
        )
        site = SimpleNamespace(id=row.id, environment=environment(), provider=provider)
        return Draft(row, cast(Any, site), plan, target, 1, live, LiveState(), None)


def test_the_traffic_is_asked_for_while_others_may_write(store: Store, tmp_path: Path) -> None:
    draft = canary(store, Provider(tmp_path / "store.db"))
    with pytest.raises(Asked) as asked:
        take(store, draft, Request(actor="lee", queue=True))
    assert asked.value.others_may_write


def test_a_plan_that_must_run_out_of_time_is_refused_and_not_begun(store: Store) -> None:
    draft = canary(store, cast(Any, SimpleNamespace(requests=dict)))
    window_s = POLICY.window_s
    with pytest.raises(VerdictOutOfReach) as refused:
        take(store, draft, Request(actor="lee", timeout_s=window_s))
    assert "it watches takes 1m at least, and its time is 1m" in refused.value.why[0]
    seq, taken = take(store, draft, Request(actor="lee", timeout_s=window_s + 1))
    assert taken and seq


@pytest.mark.parametrize("runs", [Kind.RETIRE, Kind.DEPLOY])
def test_a_retirement_that_nobody_asked_for_keeps_nobody_out(store: Store, runs: Kind) -> None:
    draft = canary(store, cast(Any, SimpleNamespace(requests=dict)))
    with store.session() as session:
        deploy(session, draft.site.id, "1", kind=runs, actor="orchestrate")
    if runs is Kind.DEPLOY:
        with pytest.raises(EnvironmentBusy):
            take(store, draft, Request(actor="lee"))
        return
    seq, taken = take(store, draft, Request(actor="lee"))
    assert not taken, "it waits for its turn"
    with store.session() as session:
        assert deployments.get(session, seq).phase == Phase.PENDING.value
