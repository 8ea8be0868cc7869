"""Following a change that ECS makes: our own deployment, in the very slot we asked, to its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from pydantic import JsonValue

from orchestrate.core.errors import StepFailed, Unhealthy
from orchestrate.core.protocols import Progress
from orchestrate.core.revision import Revision
from orchestrate.providers.aws_ecs.definitions import Definitions
from orchestrate.providers.aws_ecs.fence import PREFIX, marks
from orchestrate.providers.aws_ecs.observing import place_tags
from orchestrate.providers.aws_ecs.rollouts import Rollouts, judge
from orchestrate.providers.aws_ecs.seen import Place

SINCE = f"{PREFIX}since"
"""Tag: when the newest deployment before our write began. Ours is later."""
FOR = f"{PREFIX}for"
"""Tag: the key of the revision that a service was last asked for."""
OURS = "deployment"
"""In the memory: the ARN of our deployment, once it was seen."""
MISMATCH_S = 30.0
"""How long a service may show another task definition than its deployment ended with."""


class Following:
    """How ECS stands with what it was asked for."""

    def __init__(self, definitions: Definitions, rollouts: Rollouts) -> None:
        self._definitions = definitions
        self._rollouts = rollouts

    def progress(
        self,
        places: Sequence[Place],
        revision: Revision,
        replicas: int,
        watched_s: float,
        memory: Mapping[str, JsonValue],
    ) -> Progress:
        """Raises Unhealthy or StepFailed when ECS has given up, gone back, or runs another."""
        definition = self._definitions.find(revision.key)
        place = asked_of(places, revision.key, definition)
        if definition is None or place is None:
            return Progress(False, "ECS does not show the change yet")
        arn = memory.get(OURS)
        found = self._rollouts.known(arn) if isinstance(arn, str) else None
        found = found or self._rollouts.ours(place.slot.service, definition, since_of(place))
        if found is None:
            return _settled(place, definition, revision, replicas)
        target = found.get("targetServiceRevision", {}).get("arn")
        towards = self._rollouts.definition(target) == definition
        said = judge(found, revision.version, place.reasons(definition), towards)
        if said.done:
            said = self._as_it_ended(place, definition, revision, said, watched_s, memory)
        return replace(said, memory={**said.memory, OURS: found["serviceDeploymentArn"]})

    def _as_it_ended(
        self,
        place: Place,
        definition: str,
        revision: Revision,
        said: Progress,
        watched_s: float,
        memory: Mapping[str, JsonValue],
    ) -> Progress:
        """A deployment that succeeded counts once the service shows what it ended with."""
        if place.primary == definition:
            return said
        since = memory.get("other_since")
        since = float(since) if isinstance(since, int | float) else watched_s
        if watched_s - since < MISMATCH_S:
            text = f"{said.text}; the service does not show it yet"
            return Progress(False, text, memory={"other_since": since})
        other = self._definitions.ref(place.primary)
        name = other.version if other else place.primary.rpartition("/")[2]
        raise StepFailed(
            f"{place.slot.service} runs {name}, not {revision.version}",
            why=[said.text, "somebody else has deployed to this service since"],
        )


def asked_of(places: Sequence[Place], key: str, definition: str | None) -> Place | None:
    """The slot that was asked for a revision last; where none was, one that is to run it."""
    asked = [p for p in places if place_tags(p).get(FOR) == key]
    if asked:
        return max(asked, key=_newest)
    runs = [p for p in places if p.primary == definition]
    return max(runs, key=lambda place: place.service["desiredCount"], default=None)


def since_of(place: Place) -> datetime | None:
    """When the newest deployment before the last write to a slot began."""
    found = place_tags(place).get(SINCE)
    return datetime.fromisoformat(found) if found else None


def _newest(place: Place) -> int:
    return max((mark.number for mark in marks(place_tags(place))), default=0)


def _settled(place: Place, definition: str, revision: Revision, replicas: int) -> Progress:
    """How a service stands that needed no new deployment, only more tasks."""
    if place.primary != definition:
        return Progress(False, "ECS does not show the change yet")
    deployment = place.deployment(definition)
    if deployment is not None and deployment.get("rolloutState") == "FAILED":
        raise Unhealthy(
            f"ECS gave {revision.version} up by itself",
            why=[deployment.get("rolloutStateReason", ""), *place.reasons(definition)],
        )
    serving = place.serving(definition)
    return Progress(serving >= replicas, f"{serving} of {replicas} tasks serve")
