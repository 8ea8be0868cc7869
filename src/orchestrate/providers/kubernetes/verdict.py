"""What a Deployment's status means. Pure: objects in, a verdict out.

The order of the questions is everything. Right after a write the status still speaks of the old
generation and says that all is well: a check without `observedGeneration` calls every bad release
done within milliseconds. And `Available=True` stays true through every failed roll, since the old
Pods serve: it says nothing about the new ones.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from orchestrate.providers.kubernetes.objects import condition, number, part, text

State = Literal["done", "wait", "late", "paused", "refused"]


@dataclass(frozen=True)
class Verdict:
    """`wait`: not yet. `late`: past its progress deadline. `paused`: it will never go on by itself.
    `refused`: no Pod can be made now, such as by a quota."""

    state: State
    text: str


def judge(deployment: Mapping[str, object]) -> Verdict:
    """How far a Deployment is with its present template."""
    generation = number(deployment, "metadata", "generation")
    seen = number(deployment, "status", "observedGeneration")
    if generation > seen:
        return Verdict("wait", f"generation {generation} is not seen yet, the last seen is {seen}")
    wanted = replicas_of(deployment)
    updated = number(deployment, "status", "updatedReplicas")
    there = number(deployment, "status", "replicas")
    available = number(deployment, "status", "availableReplicas")
    progressing = condition(deployment, "Progressing")
    if text(progressing, "reason") == "ProgressDeadlineExceeded":
        return Verdict("late", text(progressing, "message") or "its progress deadline is over")
    if part(deployment, "spec").get("paused") is True and (updated < wanted or there > updated):
        return Verdict("paused", "its rollout is paused")
    refused = condition(deployment, "ReplicaFailure")
    if text(refused, "status") == "True" and updated < wanted:
        return Verdict("refused", text(refused, "message") or text(refused, "reason"))
    if updated < wanted:
        return Verdict("wait", f"{updated} of {wanted} replicas are of the new version")
    if there > updated:
        return Verdict("wait", f"{there - updated} old replicas are left")
    if available < updated:
        return Verdict("wait", f"{available} of {updated} new replicas are available")
    return Verdict("done", f"{available} of {wanted} replicas are available")


def replicas_of(deployment: Mapping[str, object]) -> int:
    """Replicas asked for; the API's default is 1."""
    if "replicas" not in part(deployment, "spec"):
        return 1
    return number(deployment, "spec", "replicas")
