"""Deployments in the store: one running, pages by key, steps and events."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from orchestrate.core.deployment import Phase, StepState
from orchestrate.core.errors import NotNow, UnknownDeployment
from orchestrate.store import deployments, environments
from orchestrate.store.database import Store
from tests.support.records import deploy, environment


class TestTheEnvironment:
    def test_is_taken_by_one_alone(self, store: Store, environment_id: int) -> None:
        with store.session() as session:
            first = deploy(session, environment_id, "1")
        with pytest.raises(NotNow), store.session() as session:
            deploy(session, environment_id, "2")
        with store.session() as session:
            holder = deployments.running(session, environment_id)
            assert holder is not None
            assert holder.seq == first
            assert len(deployments.page(session)) == 1

    def test_is_waited_for_by_any_number(self, store: Store, environment_id: int) -> None:
        with store.session() as session:
            for version in ("1", "2", "3"):
                deploy(session, environment_id, version, taken=version == "1")
            assert len(deployments.open_ones(session, environment_id)) == 3
            waiting = deployments.open_ones(session, environment_id)[1]
        with pytest.raises(NotNow), store.session() as session:
            deployments.take(session, deployments.get(session, waiting.seq or 0))

    def test_is_free_once_the_holder_has_ended(self, store: Store, environment_id: int) -> None:
        with store.session() as session:
            row = deployments.get(session, deploy(session, environment_id, "1"))
            deployments.set_phase(session, row, Phase.FAILED)
            assert row.finished_at is not None
            deploy(session, environment_id, "2")

    def test_of_another_is_another_matter(self, store: Store, environment_id: int) -> None:
        with store.session() as session:
            other = environments.put(session, environment("production")).id or 0
            deploy(session, environment_id, "1")
            deploy(session, other, "1")


def test_a_phase_moves_by_the_table_alone(store: Store, environment_id: int) -> None:
    with store.session() as session:
        row = deployments.get(session, deploy(session, environment_id, "1"))
        with pytest.raises(NotNow):
            deployments.set_phase(session, row, Phase.SUCCEEDED)
        deployments.set_phase(session, row, Phase.VALIDATING)
        deployments.set_phase(session, row, Phase.VALIDATING)
        assert row.phase == "validating"


def test_the_database_itself_knows_what_has_ended(store: Store, environment_id: int) -> None:
    with store.session() as session:
        seq = deploy(session, environment_id, "1")
    with pytest.raises(IntegrityError), store.session() as session:
        deployments.get(session, seq).phase = "succeeded"  # without a time of its end


class TestAPage:
    @pytest.fixture(autouse=True)
    def five(self, store: Store, environment_id: int) -> None:
        with store.session() as session:
            for version, actor in zip("12345", ("lee", "kim", "lee", "kim", "lee"), strict=True):
                deploy(session, environment_id, version, taken=False, actor=actor)

    def test_follows_the_one_before_by_key(self, store: Store) -> None:
        with store.session() as session:
            first = deployments.page(session, limit=2)
            assert [r.seq for r in first] == [5, 4]
            deployments.set_phase(session, first[1], Phase.FAILED)
            assert [r.seq for r in deployments.page(session, before=4, limit=2)] == [3, 2]
            assert [r.seq for r in deployments.page(session, before=2, limit=2)] == [1]

    def test_can_be_of_one_actor_or_phase(self, store: Store) -> None:
        with store.session() as session:
            deployments.set_phase(session, deployments.get(session, 3), Phase.FAILED)
            assert [r.seq for r in deployments.page(session, by="kim")] == [4, 2]
            assert [r.seq for r in deployments.page(session, phase="failed")] == [3]

    @pytest.mark.parametrize("name", ["d9", "9", "d", "dx", "d-1", "d1; drop table deployments"])
    def test_has_no_deployment_that_does_not_exist(self, store: Store, name: str) -> None:
        with store.session() as session, pytest.raises(UnknownDeployment):
            deployments.find(session, name)


def test_steps_and_events_tell_what_happened_in_order(store: Store, environment_id: int) -> None:
    with store.session() as session:
        seq = deploy(session, environment_id, "1")
        row = deployments.step_at(session, seq, 0)
        deployments.begin_step(session, row, 7)
        deployments.end_step(session, row, StepState.DONE, "1 asked for")
    with store.session() as session:
        assert [s.state for s in deployments.steps(session, seq)] == ["done", "waiting", "waiting"]
        events = deployments.events(session, seq)
        assert [(e.step, e.state) for e in events] == [
            ("deploy", "running"),
            ("start", "running"),
            ("start", "done"),
        ]
        after = events[0].seq or 0
        assert len(deployments.events(session, seq, after)) == 2


def test_an_error_rolls_the_whole_transaction_back(store: Store, environment_id: int) -> None:
    with pytest.raises(RuntimeError), store.session() as session:
        deploy(session, environment_id, "1")
        raise RuntimeError("in the midst")
    with store.session() as session:
        assert deployments.page(session) == []
