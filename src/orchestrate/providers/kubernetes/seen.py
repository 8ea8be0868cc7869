"""What is seen of an environment: Pods as replicas, colours as revisions, endpoints as shares.
Pure: objects in, the core's records out."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from orchestrate.core.protocols import Replica, ReplicaState, RunningRevision
from orchestrate.core.revision import Ref
from orchestrate.core.steps import Share
from orchestrate.providers.kubernetes.colors import Color
from orchestrate.providers.kubernetes.diagnosis import container_troubles
from orchestrate.providers.kubernetes.endpoints import Endpoint, ref_of
from orchestrate.providers.kubernetes.objects import (
    Json,
    condition,
    items,
    label,
    name_of,
    note,
    number,
    text,
)
from orchestrate.providers.kubernetes.traffic import Pointed, Split


def running(
    colors: Sequence[Color], pods: Iterable[Json], autoscaled: bool, container: str
) -> tuple[RunningRevision, ...]:
    """Revisions that are asked for, or have a Pod left. During a roll one colour has two.
    `autoscaled` says that an autoscaler will count them, before it has; `container` is the one
    whose image is deployed."""
    by_name = {color.name: color for color in colors}
    wanted: dict[str, tuple[Ref, int, bool]] = {}
    for color in colors:
        if color.asked > 0:
            counted = autoscaled or color.autoscaled
            wanted[color.revision.key] = (color.revision, color.wanted, counted)
    of: dict[str, list[Json]] = {key: [] for key in wanted}
    for pod in pods:
        of.setdefault(label(pod, "revision"), []).append(pod)
    found = []
    for key, mine in of.items():
        if not key:
            continue
        ref, count, counted = wanted.get(key) or (ref_of(mine[0]), 0, False)
        found.append(RunningRevision(ref, count, _replicas(mine, by_name, container), counted))
    return tuple(sorted(found, key=lambda each: each.revision.key))


def shares(
    colors: Sequence[Color], pointed: Pointed, split: Split | None, ready: Sequence[Endpoint]
) -> tuple[Share, ...]:
    """The traffic by revision: the Service's colour, and what is led beside it. Where a colour
    holds two revisions for a while, by their ready endpoints."""
    by_name = {color.name: color for color in colors if color.asked > 0}
    base = by_name.get(pointed.color or "")
    if base is None:
        return ()
    beside = by_name.get(split.color) if split is not None else None
    percent = split.percent if split is not None and beside is not None else 0
    found = _parts(base, 100 - percent, ready)
    if beside is not None and percent:
        found += _parts(beside, percent, ready)
    return tuple(found)


def _parts(color: Color, percent: int, ready: Sequence[Endpoint]) -> list[Share]:
    mine = [e.revision for e in ready if e.color == color.name and e.revision.key]
    refs = {ref.key: ref for ref in mine} or {color.revision.key: color.revision}
    counted = Counter(ref.key for ref in mine)
    total, given, found = sum(counted.values()), 0, []
    for at, key in enumerate(sorted(refs), 1):
        last = at == len(refs)
        part_of = percent - given if last else round(percent * counted[key] / total)
        given += part_of
        found.append(Share(revision=refs[key], percent=part_of))
    return found


def _replicas(
    pods: Sequence[Json], colors: Mapping[str, Color], container: str
) -> tuple[Replica, ...]:
    """Numbers go by age; Pods that are ending come last, since they are replaced already."""
    ordered = sorted(
        pods,
        key=lambda pod: (
            bool(text(pod, "metadata", "deletionTimestamp")),
            text(pod, "metadata", "creationTimestamp"),
            name_of(pod),
        ),
    )
    return tuple(
        _replica(at, pod, _artifact(pod, colors.get(label(pod, "color")), container))
        for at, pod in enumerate(ordered)
    )


def _artifact(pod: Json, color: Color | None, container: str) -> str | None:
    """Digest of what a Pod really runs: that of its image, and where this is the image of the
    revision that the colour holds, that of the revision's artifact, which may be more."""
    told = next((c for c in items(pod, "spec", "containers") if c.get("name") == container), {})
    said = [s for s in items(pod, "status", "containerStatuses") if s.get("name") == container]
    found = text(told, "image").partition("@")[2]
    # By a tag it is not known before the image was pulled.
    found = found or (text(said[0], "imageID").rpartition("@")[2] if said else "")
    if not found or color is None or not note(color.deployment, "artifact"):
        return None
    if color.revision.key != label(pod, "revision"):
        return None if note(color.deployment, "manifests") else found
    wanted = note(color.deployment, "image").partition("@")[2]
    return note(color.deployment, "artifact") if found == wanted else found


def _replica(at: int, pod: Json, artifact: str | None) -> Replica:
    statuses = items(pod, "status", "containerStatuses")
    troubles = container_troubles(pod)
    trouble = troubles[0] if troubles else None
    ended = [t for t in troubles if t.cause == "crash"]
    return Replica(
        number=at,
        state=_state(pod, bool(ended)),
        started_at=text(pod, "status", "startTime") or None,
        restarts=sum(number(status, "restartCount") for status in statuses),
        exit_code=ended[0].exit_code if ended else None,
        reason=_reason(trouble.what if trouble else None, ended[0].exit_code if ended else None),
        artifact=artifact,
    )


def _reason(what: str | None, exit_code: int | None) -> str | None:
    if exit_code is not None:
        return f"exited with code {exit_code}: {what}"
    return what


def _state(pod: Json, ended: bool) -> ReplicaState:
    phase = text(pod, "status", "phase")
    if phase in ("Failed", "Succeeded"):
        return "exited"
    if text(pod, "metadata", "deletionTimestamp"):
        return "stopping"
    if text(condition(pod, "Ready"), "status") == "True":
        return "running"
    if ended:
        return "exited"
    return "unknown" if phase == "Unknown" else "starting"
