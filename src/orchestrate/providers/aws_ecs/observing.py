"""What an environment on ECS looks like now, from its services, tasks, targets and rule."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from orchestrate.core.protocols import LiveState, RunningRevision
from orchestrate.core.revision import Ref
from orchestrate.core.steps import Share
from orchestrate.providers.aws_ecs.definitions import Definitions
from orchestrate.providers.aws_ecs.fence import PREFIX, Mark, marks_in
from orchestrate.providers.aws_ecs.seen import Place, shares_of

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import ServiceTypeDef

FALLBACK = f"{PREFIX}fallback"


@dataclass(frozen=True)
class View:
    """One observation. `percent` is the rule's, by target group; empty without a rule."""

    places: tuple[Place, ...]
    percent: Mapping[str, int]
    rule_tags: Mapping[str, str]
    definitions: Definitions
    ask_tasks: bool

    @cached_property
    def refs(self) -> tuple[Ref | None, ...]:
        """The revision that each slot is to run; None for what is not of this environment."""
        return tuple(self.definitions.ref(place.primary) for place in self.places)

    @property
    def marks(self) -> list[Mark]:
        """Every write that left its tag."""
        return marks_in([*(place_tags(place) for place in self.places), self.rule_tags])

    def place_of(self, key: str) -> Place | None:
        """The slot that is to run a revision; of two the one with traffic, or with more tasks."""
        both = zip(self.places, self.refs, strict=True)
        mine = [place for place, ref in both if ref is not None and ref.key == key]
        return max(mine, key=self.weight, default=None)

    def weight(self, place: Place) -> tuple[int, int]:
        """What a slot counts: its traffic, then its tasks."""
        percent = self.percent.get(place.slot.target_group or "", 0)
        return percent, place.service["desiredCount"]

    def state(self, address: str | None, autoscaled: Container[str]) -> LiveState:
        """What is seen; `autoscaled` are the services whose tasks Auto Scaling counts."""
        return LiveState(
            running=tuple(self._running(autoscaled)),
            shares=self.shares(),
            fallback=self._fallback(),
            address=address,
            write=max((mark.number for mark in self.marks), default=0),
        )

    def shares(self) -> tuple[Share, ...]:
        """The traffic by revision: of each slot its percent, within a slot by tasks that serve."""
        found: list[Share] = []
        for place, primary in zip(self.places, self.refs, strict=True):
            group = place.slot.target_group
            whole = self.percent.get(group, 0) if group else 100
            # One service that runs what is not ours, or is to run nothing, serves nothing of ours.
            if not whole or (group is None and _nothing_of_ours(place, primary)):
                continue
            counted = [
                (self.definitions.ref(arn), place.serving(arn)) for arn in place.definitions()
            ]
            ours = [(ref, n) for ref, n in counted if ref is not None]
            if not any(n for _, n in ours) and group and primary is not None:
                ours = [(primary, 1)]  # the rule sends it there, whoever answers
            parts = shares_of(ours)
            for ref, _ in ours:
                percent = round(parts.get(ref.key, 0) * whole / 100)
                if percent:
                    found.append(Share(revision=ref, percent=percent))
        return tuple(found)

    def _running(self, autoscaled: Container[str]) -> list[RunningRevision]:
        found = []
        # Of two slots that hold one revision, the one that serves stands for it.
        for place in sorted(self.places, key=self.weight, reverse=True):
            counted = place.slot.service in autoscaled
            for arn in place.definitions():
                ref = self.definitions.ref(arn)
                replicas = place.replicas(arn, self._port(arn))
                if ref is not None and replicas:
                    found.append(RunningRevision(ref, place.wanted(arn), replicas, counted))
        return found

    def _port(self, arn: str) -> int | None:
        """Where tasks can be asked directly, when config says that they can."""
        if not self.ask_tasks:
            return None
        for place in self.places:
            for balancer in place.service.get("loadBalancers", ()):
                if "containerPort" in balancer:
                    return balancer["containerPort"]
        described = self.definitions.described(arn)
        containers = described["containerDefinitions"] if described else []
        ports = [m.get("containerPort") for c in containers for m in c.get("portMappings", ())]
        return next((port for port in ports if port), None)

    def _fallback(self) -> Ref | None:
        key, _, version = self.rule_tags.get(FALLBACK, "").partition(" ")
        return Ref(key=key, version=version) if key and version else None


def place_tags(place: Place) -> dict[str, str]:
    return tags_of(place.service)


def tags_of(service: ServiceTypeDef) -> dict[str, str]:
    """A service's tags by name."""
    return {t.get("key", ""): t.get("value", "") for t in service.get("tags", ())}


def _nothing_of_ours(place: Place, primary: Ref | None) -> bool:
    return primary is None or place.service["desiredCount"] == 0
