"""Changing services: which slot a revision goes to, how many tasks it gets, what ECS is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from orchestrate.core.errors import Refused
from orchestrate.core.revision import Ref
from orchestrate.providers.aws_ecs.seen import Place
from orchestrate.providers.aws_ecs.settings import Deploying

if TYPE_CHECKING:
    from types_boto3_ecs.literals import DeploymentStrategyType
    from types_boto3_ecs.type_defs import DeploymentConfigurationTypeDef

STRATEGIES: Mapping[str, DeploymentStrategyType] = {
    "rolling": "ROLLING",
    "blue-green": "BLUE_GREEN",
    "linear": "LINEAR",
    "canary": "CANARY",
}


def slot_for(
    ref: Ref, places: Sequence[Place], refs: Sequence[Ref | None], percent: Mapping[str, int]
) -> Place:
    """Where a revision is or can be started: its own slot, else one without traffic, an empty one
    before one that is kept. Raises Refused when both have traffic."""
    for place, other in zip(places, refs, strict=True):
        if other is not None and other.key == ref.key:
            return place
    free = [p for p in places if not percent.get(p.slot.target_group or "")]
    if not free:
        raise Refused(
            f"{ref.version} has no place to be started",
            why=["both slots have traffic, and there are two"],
            fix=["end the change that is under way, or take it back"],
        )
    return min(free, key=lambda place: place.service["desiredCount"] > 0)


def with_traffic(places: Sequence[Place], percent: Mapping[str, int]) -> Place | None:
    """The slot that has most of the traffic."""
    busy = [p for p in places if percent.get(p.slot.target_group or "")]
    return max(busy, key=lambda p: percent[p.slot.target_group or ""], default=None)


def desired_in_place(
    place: Place, replicas: int, autoscaled: Mapping[str, tuple[int, int]]
) -> int | None:
    """Tasks a service shall run when its revision is replaced; None leaves the number alone, which
    is Application Auto Scaling's wherever that has a say."""
    limits = autoscaled.get(place.slot.service)
    if limits is None:
        return replicas
    return None if place.service["desiredCount"] else max(replicas, limits[0])


def desired_beside(
    place: Place,
    same: bool,
    replicas: int,
    busy: Place | None,
    autoscaled: Mapping[str, tuple[int, int]],
) -> int:
    """Tasks a slot shall run beside the one that serves. Where the number is Auto Scaling's, the
    new revision gets as many as the present one needs now."""
    here = place.service["desiredCount"] if same else 0
    limits = autoscaled.get(place.slot.service)
    if limits is None:
        return max(replicas, here)
    there = busy.service["desiredCount"] if busy is not None and busy is not place else 0
    return max(replicas, here, limits[0], min(there, limits[1]))


def given_up(place: Place, definition: str) -> bool:
    """Whether ECS starts no more tasks of what is wanted, unless it is told to begin anew."""
    found = place.deployment(definition)
    wanted = place.primary == definition
    return wanted and found is not None and found.get("rolloutState") == "FAILED"


def configured(
    place: Place, deploying: Deploying, rollback: bool
) -> DeploymentConfigurationTypeDef:
    """The deployment configuration of a service with what we ask for; its percentages, hooks and
    breaker's threshold stay as they are."""
    before = place.service.get("deploymentConfiguration", {})
    kept: DeploymentConfigurationTypeDef = {}
    if "maximumPercent" in before:
        kept["maximumPercent"] = before["maximumPercent"]
    if "minimumHealthyPercent" in before:
        kept["minimumHealthyPercent"] = before["minimumHealthyPercent"]
    if "lifecycleHooks" in before:
        kept["lifecycleHooks"] = before["lifecycleHooks"]  # type: ignore[typeddict-item]  # as read
    breaker = {
        **before.get("deploymentCircuitBreaker", {}),
        "enable": True,
        "rollback": rollback,
    }
    found: DeploymentConfigurationTypeDef = {
        **kept,
        "strategy": STRATEGIES[deploying.way],
        "deploymentCircuitBreaker": breaker,  # type: ignore[typeddict-item]  # of its own parts
    }
    if deploying.alarms:
        found["alarms"] = {
            "alarmNames": list(deploying.alarms),
            "enable": True,
            "rollback": rollback,
        }
    elif "alarms" in before:
        kept_alarms = before["alarms"]
        found["alarms"] = {
            "alarmNames": kept_alarms["alarmNames"],
            "enable": kept_alarms["enable"],
            "rollback": kept_alarms["rollback"],
        }
    if deploying.way != "rolling":
        found["bakeTimeInMinutes"] = deploying.bake_minutes
    if deploying.way == "linear":
        found["linearConfiguration"] = {
            "stepPercent": deploying.percent,
            "stepBakeTimeInMinutes": deploying.step_minutes,
        }
    if deploying.way == "canary":
        found["canaryConfiguration"] = {
            "canaryPercent": deploying.percent,
            "canaryBakeTimeInMinutes": deploying.step_minutes,
        }
    return found
