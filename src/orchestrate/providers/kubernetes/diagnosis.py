"""Why a rollout does not get on. Pure: objects in, troubles and lines of explanation out.

Read in the order in which causes hide behind each other: the Deployment's conditions, its newest
ReplicaSet, that one's Pods, whether they were scheduled, what their containers wait for or ended
with, then events and logs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from orchestrate.core.untrusted import clean
from orchestrate.providers.kubernetes.objects import (
    Json,
    condition,
    items,
    name_of,
    number,
    part,
    text,
    uid_of,
)

Cause = Literal["quota", "refused", "image", "config", "crash", "unschedulable", "unready"]
"""The worst first. `refused`: no Pod may be made, and not for want of room."""
REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"
_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
_CONFIG = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
LINES = 10
EVENTS = 8


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong with a Pod or its ReplicaSet now."""

    cause: Cause
    what: str
    """In one line."""
    pod: str = ""
    container: str = ""
    restarts: int = 0
    ended: bool = False
    """The container has ended before: its previous log can be read."""
    exit_code: int | None = None

    @property
    def key(self) -> str:
        """The same for the same kind of trouble, whichever Pod has it."""
        return self.cause


def newest_set(deployment: Mapping[str, object], sets: Iterable[Json]) -> Json | None:
    """The ReplicaSet that holds the Deployment's present template."""
    revision = text(deployment, "metadata", "annotations", REVISION)
    for each in sets:
        owners = {text(owner, "uid") for owner in items(each, "metadata", "ownerReferences")}
        if uid_of(deployment) not in owners:
            continue
        if text(each, "metadata", "annotations", REVISION) == revision:
            return each
    return None


def pods_of(replica_set: Mapping[str, object] | None, pods: Iterable[Json]) -> list[Json]:
    """The Pods of a ReplicaSet that are not on their way out."""
    if replica_set is None:
        return []
    of = text(replica_set, "metadata", "labels", HASH)
    return [
        pod
        for pod in pods
        if text(pod, "metadata", "labels", HASH) == of
        and not text(pod, "metadata", "deletionTimestamp")
    ]


def troubles(
    deployment: Mapping[str, object], replica_set: Mapping[str, object] | None, pods: Iterable[Json]
) -> list[Trouble]:
    """What is wrong with the new version, the worst first."""
    found = list(_unmade(deployment, replica_set))
    for pod in pods:
        found += _of_pod(pod)
    order: Sequence[Cause] = get_args(Cause)
    return sorted(found, key=lambda trouble: order.index(trouble.cause))


def _unmade(
    deployment: Mapping[str, object], replica_set: Mapping[str, object] | None
) -> Iterator[Trouble]:
    for holder in (deployment, replica_set or {}):
        refused = condition(holder, "ReplicaFailure")
        if text(refused, "status") == "True":
            said = text(refused, "message")
            # By anything else, such as the namespace's Pod Security or a webhook, it is no quota.
            cause: Cause = "quota" if "exceeded quota" in said else "refused"
            yield Trouble(cause, f"{text(refused, 'reason')}: {said}")
            return


def container_troubles(pod: Json) -> list[Trouble]:
    """What is wrong with one Pod, the worst first."""
    return troubles({}, None, [pod])


def _of_pod(pod: Json) -> Iterator[Trouble]:
    name = name_of(pod)
    scheduled = condition(pod, "PodScheduled")
    if text(scheduled, "status") == "False":
        said = text(scheduled, "message") or text(scheduled, "reason")
        yield Trouble("unschedulable", f"Pod {name} was given no node: {said}", name)
        return
    for kind in ("initContainerStatuses", "containerStatuses"):
        for status in items(pod, "status", kind):
            yield from _of_container(name, status)


def _of_container(pod: str, status: Json) -> Iterator[Trouble]:
    name, restarts = text(status, "name"), number(status, "restartCount")
    waiting, now = part(status, "state", "waiting"), part(status, "state", "terminated")
    before = part(status, "lastState", "terminated")
    ended = now or before
    code = number(ended, "exitCode") if ended else None
    where = f"container {name} of Pod {pod}"
    reason = text(waiting, "reason")
    said = f"{reason}: {text(waiting, 'message')}".rstrip(": ")

    def trouble(cause: Cause, what: str) -> Trouble:
        return Trouble(cause, f"{where}: {what}", pod, name, restarts, bool(before), code)

    if reason in _IMAGE:
        yield trouble("image", said)
    elif reason in _CONFIG:
        yield trouble("config", said)
    elif ended and status.get("ready") is not True and code != 0:
        yield trouble("crash", f"{_ended(ended)}, started {restarts + 1} times")
    elif ended and reason == "CrashLoopBackOff":
        yield trouble("crash", f"{_ended(ended)}, started {restarts + 1} times")
    elif part(status, "state", "running") and status.get("ready") is not True:
        yield trouble("unready", "it runs and is not ready")


def _ended(ended: Json) -> str:
    reason, code = text(ended, "reason"), number(ended, "exitCode")
    if reason == "OOMKilled":
        return f"killed: it needed more than its memory (OOMKilled, exit code {code})"
    return f"ended with code {code}" + (f" ({reason})" if reason not in ("", "Error") else "")


def warnings(events: Iterable[Json]) -> list[str]:
    """Warning events in words, the newest last, each sentence once."""
    found: dict[str, str] = {}
    for event in sorted(events, key=lambda each: text(each, "lastTimestamp")):
        if text(event, "type") != "Warning":
            continue
        said = clean(text(event, "message")).strip()
        line = f"{text(event, 'reason')}: {said}"
        times = number(event, "count")
        found.pop(line, None)
        found[line] = line + (f" ({times} times)" if times > 1 else "")
    return list(found.values())[-EVENTS:]


def explain(
    deployment: Mapping[str, object],
    found: Sequence[Trouble],
    events: Sequence[Json],
    log: Sequence[str],
) -> list[str]:
    """The lines of an error's `why`: troubles, conditions that are not as they should be, events,
    and the log. What the cluster and the application said is untrusted."""
    lines = [f"untrusted | {clean(each.what)}" for each in _once(found)]
    for kind in ("Progressing", "ReplicaFailure"):
        state = condition(deployment, kind)
        if text(state, "status") in ("True", "") and kind == "Progressing":
            continue
        if state:
            lines.append(
                f"untrusted | {kind}: {text(state, 'reason')}: " + clean(text(state, "message"))
            )
    lines += [f"untrusted | event: {line}" for line in warnings(events)]
    if log:
        lines.append("last lines of its log:")
        lines += [f"untrusted | {clean(line)}" for line in log[-LINES:]]
    return lines


def _once(found: Sequence[Trouble]) -> list[Trouble]:
    """One of each kind: three Pods of one bad image have one cause."""
    kept: dict[str, Trouble] = {}
    for each in found:
        if each.key not in kept or each.restarts > kept[each.key].restarts:
            kept[each.key] = each
    return list(kept.values())
