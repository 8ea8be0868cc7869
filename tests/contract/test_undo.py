"""After each step of each strategy, and in the middle of each, everything can be taken back."""

from __future__ import annotations

import pytest

from orchestrate.core.deployment import Kind
from orchestrate.core.environment import StrategyName
from tests.contract.driver import Driver, changing
from tests.support.platform import Platform, refuse_unable_strategy
from tests.support.waiting import eventually

pytestmark = [pytest.mark.contract, pytest.mark.system, pytest.mark.timeout(600)]

EACH = pytest.mark.parametrize("strategy", list(StrategyName), ids=lambda s: s.value)


class TestStrategies:
    @EACH
    def test_end_with_the_new_revision_alone(
        self, request: pytest.FixtureRequest, platform: Platform, strategy: StrategyName
    ) -> None:
        refuse_unable_strategy(request, platform, strategy)
        old, new = platform.live("1.0.0", 2), platform.pinned("1.1.0")
        driver = Driver(platform, old, new)
        driver.carry_out(driver.plan(strategy).steps)
        wanted = frozenset({(new.key, 2, 2)}), frozenset({(new.key, 100)})
        eventually(lambda: driver.state() == wanted)
        assert platform.served() == {"1.1.0"}

    @EACH
    def test_begin_from_nothing(
        self, request: pytest.FixtureRequest, platform: Platform, strategy: StrategyName
    ) -> None:
        refuse_unable_strategy(request, platform, strategy)
        new = platform.pinned("1.0.0")
        driver = Driver(platform, None, new)
        plan = driver.plan(strategy)
        driver.carry_out(plan.steps)
        assert platform.served() == {"1.0.0"}
        driver.take_back(plan.steps)
        eventually(lambda: driver.state() == (frozenset(), frozenset()))

    def test_roll_back_to_what_was_there(self, platform: Platform) -> None:
        old, new = platform.live("1.0.0", 2), platform.pinned("1.1.0")
        there = Driver(platform, old, new)
        before = there.state()
        there.carry_out(there.plan(StrategyName.ROLLING).steps)
        back = Driver(platform, new, old)
        back.carry_out(back.plan(StrategyName.ROLLING, Kind.ROLLBACK).steps)
        eventually(lambda: back.state() == before)
        assert platform.served() == {"1.0.0"}


class TestUndo:
    @EACH
    def test_after_each_step_restores_what_was_there(
        self, request: pytest.FixtureRequest, platform: Platform, strategy: StrategyName
    ) -> None:
        refuse_unable_strategy(request, platform, strategy)
        old, new = platform.live("1.0.0", 2), platform.pinned("1.1.0")
        driver = Driver(platform, old, new)
        before, plan = driver.state(), driver.plan(strategy)
        for count in changing(plan):
            driver.carry_out(plan.steps[:count])
            driver.take_back(plan.steps[:count])
            eventually(lambda: driver.state() == before)
            assert platform.served() == {"1.0.0"}, f"after {count} steps of {strategy}"

    @EACH
    def test_in_the_middle_of_each_step_restores_what_was_there(
        self, request: pytest.FixtureRequest, platform: Platform, strategy: StrategyName
    ) -> None:
        refuse_unable_strategy(request, platform, strategy)
        old, new = platform.live("1.0.0", 2), platform.pinned("1.1.0")
        driver = Driver(platform, old, new)
        before, plan = driver.state(), driver.plan(strategy)
        for count in changing(plan):
            driver.carry_out(plan.steps[:count], cut=True)
            driver.take_back(plan.steps[:count])
            eventually(lambda: driver.state() == before)
            assert platform.served() == {"1.0.0"}, f"in step {count} of {strategy}"
