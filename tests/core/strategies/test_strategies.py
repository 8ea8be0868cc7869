"""Every strategy, carried out on a platform in memory: no request lost, and a way back from
every step."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrate.core.deployment import Kind
from orchestrate.core.environment import (
    Environment,
    EnvironmentType,
    HealthGate,
    Strategy,
    StrategyName,
)
from orchestrate.core.plan import Plan, make_plan
from orchestrate.core.protocols import Capabilities
from orchestrate.core.revision import Artifact, Ref, Revision, snapshot
from orchestrate.core.steps import Analyse, Bake, Route, Step, Stop, Switch, Verify, undo_of
from tests.support.simulator import Platform

pytestmark = pytest.mark.unit

LEFTOVER = Ref(key="0" * 12, version="0.9.0")


@dataclass(frozen=True)
class World:
    """What is there before a change."""

    strategy: StrategyName
    kind: Kind = Kind.DEPLOY
    old_replicas: int = 2
    """0: nothing was ever deployed."""
    new_replicas: int = 2
    new_running: int = 0
    """Replicas of the target that run already."""
    same: bool = False
    """The target is the live revision."""
    native: bool = False
    leftover: bool = False
    settings: Strategy = field(default_factory=Strategy)

    def environment(self) -> Environment:
        return Environment(
            app="shop",
            name="staging",
            type=EnvironmentType.STAGING,
            provider="local",
            strategy=self.settings.model_copy(update={"type": self.strategy}),
            health=HealthGate(),
        )

    def revision(self, version: str) -> Revision:
        artifact = Artifact(kind="directory", reference=version, digest=f"sha256:{version}")
        return snapshot(self.environment(), version, artifact)

    @property
    def target(self) -> Revision:
        return self.revision("1.0.0" if self.same else "1.1.0")

    @property
    def live(self) -> Revision | None:
        return self.revision("1.0.0") if self.old_replicas else None

    def platform(self) -> Platform:
        found = Platform(gap_allowed=self.strategy is StrategyName.RECREATE)
        if self.live:
            count = self.new_running if self.same else self.old_replicas
            found.put(self.live.ref, count)
            if count:
                found.apply(Switch(to=self.live.ref))
        if self.new_running and not self.same:
            found.put(self.target.ref, self.new_running)
        if self.leftover:
            found.put(LEFTOVER, 1)
        return found

    def plan(self) -> Plan:
        return make_plan(
            self.environment(),
            kind=self.kind,
            target=self.target,
            live=self.live,
            observed=self.platform().observe(),
            capabilities=Capabilities(
                frozenset(StrategyName), native_rolling=self.native, counts_requests=True
            ),
            replicas=self.new_replicas,
            live_replicas=self.old_replicas,
        )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    small = st.integers(1, 5)
    kind = draw(st.sampled_from([Kind.DEPLOY, Kind.DEPLOY, Kind.ROLLBACK]))
    return World(
        strategy=draw(st.sampled_from(StrategyName)),
        kind=kind,
        old_replicas=draw(small) if kind is Kind.ROLLBACK else draw(st.integers(0, 5)),
        new_replicas=(new := draw(small)),
        new_running=draw(st.sampled_from([0, 0, new])),
        native=draw(st.booleans()),
        leftover=draw(st.booleans()),
        settings=Strategy(
            steps=draw(st.sampled_from([(100,), (10, 25, 50, 100), (1, 99, 100)])),
            batch=draw(st.integers(1, 3)),
            bake_s=draw(st.sampled_from([0.0, 5.0])),
            keep_old_s=draw(st.sampled_from([0.0, 600.0])),
        ),
    )


@settings(deadline=None, max_examples=100)
@given(worlds())
def test_ends_with_all_traffic_on_all_replicas_of_the_new_revision(world: World) -> None:
    platform, plan = world.platform(), world.plan()
    for step in plan.steps:
        platform.apply(step)
    key = world.target.key
    assert platform.traffic() == {key: 100}
    assert platform.serving() == platform.running[key] == max(world.new_replicas, world.new_running)
    kept = {k for k, n in platform.running.items() if n} - {key}
    later = {s.revision.key for s in plan.steps if isinstance(s, Stop) and s.after_s}
    assert kept == later


@settings(deadline=None, max_examples=100)
@given(worlds())
@pytest.mark.trap(35)
def test_somebody_serves_at_every_moment_but_in_recreate(world: World) -> None:
    platform = world.platform()
    if not platform.serving() or world.strategy is StrategyName.RECREATE:
        return
    least = min(world.old_replicas, world.new_replicas)
    for step in world.plan().steps:
        platform.apply(step)
        assert platform.serving() >= least


@settings(deadline=None, max_examples=100)
@given(worlds())
def test_undoing_any_part_returns_to_where_it_was(world: World) -> None:
    before, steps = world.platform(), world.plan().steps
    platform = before.copy()
    came_back(world, before, platform, ())
    for count, step in enumerate(steps, 1):
        came_back(world, before, platform, steps[:count])  # begun, and without effect
        platform.apply(step)
        came_back(world, before, platform, steps[:count])


def came_back(world: World, before: Platform, now: Platform, begun: tuple[Step, ...]) -> None:
    platform = now.copy()
    for step in undo_of(begun):
        platform.apply(step)
        if before.serving() and world.strategy is not StrategyName.RECREATE:
            assert platform.serving() >= min(world.old_replicas, world.new_replicas)
    assert platform.traffic() == before.traffic()
    # Making room is not taken back, nor what a platform that rolls by itself has replaced.
    gone = {LEFTOVER.key} | ({world.target.key} if world.native else set())
    for key in (before.running.keys() | platform.running.keys()) - gone:
        assert platform.running.get(key, 0) == before.running.get(key, 0), key


@pytest.mark.parametrize("strategy", StrategyName)
@pytest.mark.parametrize("running", [0, 1])
def test_a_live_revision_that_lost_replicas_is_completed_and_never_taken_away(
    strategy: StrategyName, running: int
) -> None:
    world = World(strategy, old_replicas=2, new_replicas=2, new_running=running, same=True)
    platform, plan = world.platform(), world.plan()
    key = world.target.key
    assert plan.steps
    for step in plan.steps:
        platform.apply(step)
        assert platform.running[key] >= running
    for step in undo_of(plan.steps):
        platform.apply(step)
        assert platform.running[key] == 2
    assert platform.traffic() == {key: 100}


@pytest.mark.parametrize("strategy", StrategyName)
def test_there_is_nothing_to_do_when_the_target_has_everything(strategy: StrategyName) -> None:
    assert World(strategy, same=True, new_running=2).plan().steps == ()


@pytest.mark.parametrize("strategy", set(StrategyName) - {StrategyName.ROLLING})
def test_the_old_revision_is_kept_until_the_new_one_was_verified_under_traffic(
    strategy: StrategyName,
) -> None:
    world = World(strategy)
    steps = [s for s in world.plan().steps if isinstance(s, Verify | Stop)]
    if strategy is StrategyName.RECREATE:
        steps.reverse()
    assert isinstance(steps[-2], Verify)
    assert steps[-2].percent == 100
    assert isinstance(steps[-1], Stop)


def test_blue_green_is_verified_before_it_gets_traffic_and_takes_all_at_once() -> None:
    steps = World(StrategyName.BLUE_GREEN).plan().steps
    verify, switch = steps[2:4]
    assert isinstance(verify, Verify)
    assert verify.percent == 0
    assert isinstance(switch, Switch)
    assert switch.fallback == World(StrategyName.BLUE_GREEN).revision("1.0.0").ref


def test_a_canary_is_judged_at_each_weight_below_all() -> None:
    settings = Strategy(steps=(5, 50, 100), bake_s=9)
    steps = World(StrategyName.CANARY, settings=settings).plan().steps
    assert [s.percent for s in steps if isinstance(s, Analyse)] == [5, 50]
    weights = [s.shares[-1].percent for s in steps if isinstance(s, Route)]
    assert weights == [5, 50, 100, 100]
    assert all(s.fallback for s in steps if isinstance(s, Route) and s is not steps[-3])


def test_a_first_canary_has_nothing_to_be_compared_with() -> None:
    steps = World(StrategyName.CANARY, old_replicas=0).plan().steps
    assert not [s for s in steps if isinstance(s, Analyse)]


def test_rolling_never_has_more_than_a_batch_too_many() -> None:
    settings = Strategy(batch=2)
    world = World(StrategyName.ROLLING, old_replicas=5, new_replicas=5, settings=settings)
    platform = world.platform()
    for step in world.plan().steps:
        platform.apply(step)
        assert sum(platform.running.values()) <= 5 + 2


def test_a_platform_that_rolls_by_itself_is_left_to_it() -> None:
    steps = World(StrategyName.ROLLING, native=True).plan().steps
    assert [step.kind for step in steps] == ["roll", "verify"]


@pytest.mark.parametrize("strategy", set(StrategyName) - {StrategyName.RECREATE})
def test_a_rollback_to_what_still_runs_switches_first(strategy: StrategyName) -> None:
    steps = World(strategy, kind=Kind.ROLLBACK, new_running=2).plan().steps
    assert isinstance(steps[0], Switch)
    assert steps[0].fallback is not None


@pytest.mark.trap(11)
def test_a_rollback_does_not_watch_or_weigh() -> None:
    settings = Strategy(bake_s=60)
    steps = World(StrategyName.CANARY, kind=Kind.ROLLBACK, settings=settings).plan().steps
    assert not [s for s in steps if isinstance(s, Analyse | Bake)]
