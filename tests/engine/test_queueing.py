"""Whose turn it is, and that one's trouble is nobody else's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from orchestrate.core.deployment import Phase
from orchestrate.core.errors import ArtifactMissing, NoDataError, OrchestrateError, TemporaryError
from orchestrate.core.protocols import Capabilities, LiveState
from orchestrate.engine import asking
from orchestrate.engine.guarding import Guard
from orchestrate.engine.queueing import Queue
from orchestrate.engine.secrets import EnvironmentSecrets
from orchestrate.engine.site import Place, Site
from orchestrate.store import deployments, environments
from orchestrate.store.database import Store
from orchestrate.store.tables import DeploymentRow, EnvironmentRow, now
from tests.support.pretended import Pretended
from tests.support.records import deploy, environment

pytestmark = pytest.mark.unit


@dataclass
class Turns:
    """A queue over a store, whose deployments are taken as a test says."""

    place: Place
    answers: dict[int, list[bool | Exception]] = field(default_factory=dict)
    """What comes of taking a deployment; nothing said means that it begins."""
    begun: list[int] = field(default_factory=list)
    tried: list[int] = field(default_factory=list)
    clock: float = 0.0

    def __post_init__(self) -> None:
        self.queue = Queue(self.place, lambda seq: None, self.take, lambda: self.clock)

    def ask(self, name: str, version: str = "1.0.0") -> int:
        with self.place.store.session() as session:
            row = environments.put(session, environment(name))
            return deploy(session, row.id or 0, version, taken=False)

    def take(self, place: Place, seq: int) -> bool:
        self.tried.append(seq)
        answers = self.answers.get(seq)
        answer = answers.pop(0) if answers else True
        if isinstance(answer, Exception):
            raise answer
        if answer:
            with place.store.session() as session:
                deployments.take(session, deployments.get(session, seq))
        return answer

    def look(self, begin: Callable[[int], None] | None = None) -> list[int]:
        """One look; which deployments it tried."""
        self.tried.clear()
        self.queue.begin_due(begin or self.begun.append)
        return list(self.tried)

    def row(self, seq: int) -> DeploymentRow:
        with self.place.store.session() as session:
            return deployments.get(session, seq)

    def spoil(self, name: str) -> None:
        """Have an environment's settings that nobody can read."""
        with self.place.store.session() as session:
            session.execute(
                text("UPDATE environments SET config = '[]' WHERE name = :n"), {"n": name}
            )


@pytest.fixture
def turns(tmp_path: Path) -> Iterator[Turns]:
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    store.migrate()
    yield Turns(Place(tmp_path, store))
    store.close()


@pytest.mark.parametrize("error", [TemporaryError("away"), NoDataError("no list of migrations")])
def test_one_that_cannot_be_planned_now_keeps_its_turn(
    turns: Turns, error: OrchestrateError
) -> None:
    first, second = turns.ask("staging"), turns.ask("staging", "2.0.0")
    turns.answers[first] = [error, error]
    assert turns.look() == [first]
    assert turns.look() == [], "not at once again, and nobody passes it"
    turns.clock += 11
    assert turns.look() == [first]
    turns.clock += 11
    turns.look()
    assert turns.begun == [first]
    assert turns.row(second).phase == "pending"
    with turns.place.store.session() as session:
        said = [e.text for e in deployments.events(session, first) if e.state == "waiting"]
    assert len([each for each in said if error.message in each]) == 1, "said once"


def test_it_comes_again_when_the_platform_says(turns: Turns) -> None:
    first = turns.ask("staging")
    turns.answers[first] = [TemporaryError("busy", retry_after_s=60)]
    turns.look()
    turns.clock += 59
    assert turns.look() == []
    turns.clock += 2
    assert turns.look() == [first]


def test_one_that_cannot_be_carried_out_any_more_ends(turns: Turns) -> None:
    first, second = turns.ask("staging"), turns.ask("staging", "2.0.0")
    turns.answers[first] = [ArtifactMissing("1.0.0 is gone")]
    turns.look()
    assert (turns.row(first).phase, turns.row(first).result) == ("failed", "artifact_missing")
    turns.look()
    assert turns.begun == [second]


def test_one_that_cannot_begin_keeps_no_other_from_it(turns: Turns) -> None:
    first, second = turns.ask("staging"), turns.ask("production")

    def begin(seq: int) -> None:
        if seq == first:
            raise RuntimeError("its workflow cannot be started")
        turns.begun.append(seq)

    turns.look(begin)
    assert turns.begun == [second]


def test_one_of_a_spoiled_environment_ends_and_keeps_nobody(turns: Turns) -> None:
    first, second = turns.ask("staging"), turns.ask("production")
    turns.spoil("staging")
    turns.answers[first] = [ArtifactMissing("1.0.0 is gone")]
    turns.look()
    assert turns.row(first).phase == "failed", "that nobody can be told of it does not matter"
    assert turns.begun == [second]


def test_a_deployment_of_a_spoiled_environment_can_end(turns: Turns) -> None:
    seq = turns.ask("staging")
    turns.spoil("staging")
    with turns.place.store.session() as session:
        row = deployments.get(session, seq)
        deployments.set_phase(session, row, Phase.VALIDATING)
        deployments.set_phase(session, row, Phase.FAILED)
    assert turns.row(seq).finished_at is not None


def test_nothing_is_retired_while_a_deployment_runs(turns: Turns) -> None:
    seq = turns.ask("staging")
    turns.look()
    with turns.place.store.session() as session:
        row = environments.get(session, turns.row(seq).environment_id)
        row.kept_until = now() - timedelta(minutes=1)
        session.add(row)
        place, kept_until = row.id or 0, row.kept_until
    turns.spoil("staging")
    assert asking.retire(turns.place, place) is None, "nobody is asked what runs"
    with turns.place.store.session() as session:
        assert environments.get(session, place).kept_until == kept_until


def released(turns: Turns) -> EnvironmentRow:
    """An environment whose old revision is kept beside what is live."""
    seq = turns.ask("staging")
    turns.look()
    with turns.place.store.session() as session:
        done = deployments.get(session, seq)
        done.phase, done.finished_at = Phase.SUCCEEDED.value, now()
        row = environments.get(session, done.environment_id)
        row.kept_until, row.live_deployment = now() + timedelta(hours=1), seq
        row.live_revision_id = done.to_revision_id
        session.add(row)
    return row


class Slow(Pretended):
    """It does not like to be asked more often than each 30 s."""

    capabilities = Capabilities(strategies=frozenset(), counts_requests=True, ask_every_s=30)
    looks = 0

    def observe(self) -> LiveState:
        self.looks += 1
        return super().observe()


def guard_of(turns: Turns, platform: Slow) -> Guard:
    def site(found: EnvironmentRow, place: Place) -> Site:
        known = environments.as_environment(found)
        return Site(found.id or 0, known, platform, EnvironmentSecrets(known, place.store))

    return Guard(turns.place, site, lambda: turns.clock)


def test_a_release_is_watched_no_more_often_than_its_platform_likes(turns: Turns) -> None:
    row, platform = released(turns), Slow()
    guard = guard_of(turns, platform)
    looks = []
    for _ in range(61):
        assert guard.watch(row) is None
        looks.append(platform.looks)
        turns.clock += 1
    assert (looks[0], looks[29], looks[30], looks[60]) == (1, 1, 2, 3)


@pytest.mark.parametrize(
    ("phase", "watched"),
    [
        (Phase.FAILED, True),
        (Phase.REJECTED, True),
        (Phase.AWAITING_APPROVAL, True),
        (Phase.PENDING, True),
        (Phase.DEPLOYING, False),
        (Phase.ROLLED_BACK, False),
    ],
)
def test_a_release_is_watched_until_something_was_changed_after_it(
    turns: Turns, phase: Phase, watched: bool
) -> None:
    row, platform = released(turns), Slow()
    later = turns.ask("staging", "2.0.0")
    with turns.place.store.session() as session:
        made = deployments.get(session, later)
        made.phase, made.finished_at = phase.value, now() if phase.terminal else None
        if phase not in (Phase.PENDING, Phase.FAILED):
            made.taken_at = now()
        session.add(made)
    guard_of(turns, platform).watch(row)
    assert platform.looks == int(watched)
