"""Strategies: pure functions from a change to steps, one file each.

What belongs here: the order of steps. What does not: carrying anything out. To add one, write a
file with `steps(change)` and add its line below; strategies do not import each other.
"""

from collections.abc import Callable, Mapping

from orchestrate.core.change import Change
from orchestrate.core.environment import StrategyName
from orchestrate.core.steps import Step
from orchestrate.core.strategies import blue_green, canary, recreate, rolling

STRATEGIES: Mapping[StrategyName, Callable[[Change], tuple[Step, ...]]] = {
    StrategyName.RECREATE: recreate.steps,
    StrategyName.ROLLING: rolling.steps,
    StrategyName.BLUE_GREEN: blue_green.steps,
    StrategyName.CANARY: canary.steps,
}
