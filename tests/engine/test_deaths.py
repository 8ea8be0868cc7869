"""Which deaths of the process count against a deployment, and how many."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from orchestrate.core.deployment import Phase
from orchestrate.engine import deaths
from orchestrate.store import deployments, environments
from orchestrate.store.database import Store
from orchestrate.store.tables import EventRow, now
from tests.support import records


@pytest.fixture
def seq(store: Store) -> int:
    """A deployment under way."""
    with store.session() as session:
        row = environments.put(session, records.environment())
        session.flush()
        return records.deploy(session, row.id or 0, "1.0.0")


def goes_on(store: Store, seq: int) -> bool:
    with store.session() as session:
        return deaths.may_go_on(session, deployments.get(session, seq))


def die(store: Store, seq: int, times: int, *, each_s: float = 1.0) -> None:
    """Count deaths, the last one just now."""
    with store.session() as session:
        for left in reversed(range(times)):
            at = now() - timedelta(seconds=left * each_s)
            session.add(EventRow(deployment=seq, step="deploy", state="recovered", at=at))


def test_it_goes_on_until_it_died_too_often(store: Store, seq: int) -> None:
    for _ in range(deaths.MOST_DEATHS - 1):
        deaths.count(store, {seq})
    assert goes_on(store, seq)
    deaths.count(store, {seq})
    assert not goes_on(store, seq)


def test_a_death_of_others_does_not_count(store: Store, seq: int) -> None:
    for _ in range(deaths.MOST_DEATHS):
        deaths.count(store, {seq + 1})
    assert goes_on(store, seq)


def test_what_got_somewhere_begins_anew(store: Store, seq: int) -> None:
    die(store, seq, deaths.MOST_DEATHS)
    with store.session() as session:
        deployments.tell(session, seq, "start-b", "running")
    die(store, seq, deaths.MOST_DEATHS - 1)
    assert goes_on(store, seq)


def test_deaths_that_are_far_apart_do_not_add_up(store: Store, seq: int) -> None:
    die(store, seq, 3 * deaths.MOST_DEATHS, each_s=deaths.AGAIN_S + 60)
    assert goes_on(store, seq)


def test_what_waits_for_people_takes_nothing_along(store: Store, seq: int) -> None:
    die(store, seq, 2 * deaths.MOST_DEATHS)
    assert not goes_on(store, seq)
    with store.session() as session:
        deployments.get(session, seq).phase = Phase.AWAITING_APPROVAL.value
    assert goes_on(store, seq)


def test_the_mark_of_an_orderly_end_holds_once(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert not deaths.take_mark(tmp_path, "slot-0")
    deaths.leave_mark(tmp_path, "slot-0")
    assert not deaths.take_mark(tmp_path, "slot-1")
    assert deaths.take_mark(tmp_path, "slot-0")
    assert not deaths.take_mark(tmp_path, "slot-0")
