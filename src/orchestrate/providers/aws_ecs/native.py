"""The strategies of ECS in our words: what a plan says of them, how long they take by themselves,
and what those it cannot do would need."""

from orchestrate.core.environment import StrategyName
from orchestrate.core.protocols import Capabilities, Native
from orchestrate.providers.aws_ecs.settings import WAYS, Deploying, Settings

STOPS_WITHIN_S = 4200.0
"""A target may take an hour to let its requests end, and a task two minutes to end after that."""
_SLOTS = "give `traffic` two slots in config, so that Orchestrate divides the traffic"
_NATIVE = "or let ECS do it: `deployment: {{strategy: {0}}}` in config"


def capabilities_of(settings: Settings) -> Capabilities:
    """What an environment can do: with two slots everything, with one service what ECS is told."""
    if settings.traffic is not None:
        return Capabilities(
            strategies=frozenset(StrategyName),
            native_rolling=True,
            counts_requests=True,
            stops_within_s=STOPS_WITHIN_S,
        )
    deploying = settings.deploying
    ours = WAYS[deploying.way]
    missing = {name: needs(name) for name in StrategyName if name is not ours}
    return Capabilities(
        strategies=frozenset({ours}),
        native={ours: Native(how(deploying), takes_s(deploying))},
        missing=missing,
        stops_within_s=STOPS_WITHIN_S,
    )


def how(deploying: Deploying) -> str | None:
    """`by ECS: 5% for 10m, then all; both stay for 5m`; None for rolling, which says it all."""
    bake = f"; both stay for {deploying.bake_minutes}m" if deploying.bake_minutes else ""
    alarms = f"; alarms {', '.join(deploying.alarms)}" if deploying.alarms else ""
    match deploying.way:
        case "blue-green":
            return f"by ECS: all at once{bake}{alarms}"
        case "canary":
            part = f"{deploying.percent:g}% for {deploying.step_minutes}m, then all"
            return f"by ECS: {part}{bake}{alarms}"
        case "linear":
            part = f"{deploying.percent:g}% more every {deploying.step_minutes}m"
            return f"by ECS: {part}{bake}{alarms}"
        case _:
            return None


def takes_s(deploying: Deploying) -> float:
    """Seconds that ECS waits by itself."""
    bake = deploying.bake_minutes * 60.0
    match deploying.way:
        case "canary":
            return bake + deploying.step_minutes * 60.0
        case "linear":
            steps = -(-100 // deploying.percent)
            return bake + (steps - 1) * deploying.step_minutes * 60.0
        case "blue-green":
            return bake
        case _:
            return 0.0


def needs(name: StrategyName) -> str:
    """What the config would need for a strategy that it cannot do as it is."""
    native = {StrategyName.BLUE_GREEN: "blue-green", StrategyName.CANARY: "canary"}.get(name)
    if name is StrategyName.ROLLING:
        return "leave `deployment` out of config: then ECS rolls"
    return f"{_SLOTS}, {_NATIVE.format(native)}" if native else _SLOTS
