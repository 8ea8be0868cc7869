"""Divide the traffic, drain replicas and stop them."""

from datetime import UTC, datetime

from pydantic import JsonValue

from orchestrate.core.errors import EdgeFailed, StepFailed
from orchestrate.core.protocols import LiveState, Replica, Write
from orchestrate.core.steps import Drain, Route, Share, Step, Stop, Switch
from orchestrate.engine.executors.look import Look, Memory, Scene, elapsed


def route(step: Step, scene: Scene, write: Write) -> None:
    assert isinstance(step, Route)
    scene.provider.route(step.shares, step.fallback, write)


def routed(step: Step, scene: Scene, memory: Memory) -> Look:
    """Done when the split that was asked for is the one that is observed."""
    assert isinstance(step, Route)
    seen = scene.provider.observe()
    wanted = {s.revision.key: s.percent for s in step.shares if s.percent}
    found = {s.revision.key: s.percent for s in seen.shares if s.percent}
    if not _near(wanted, found, seen.tolerance):
        raise EdgeFailed(
            "the traffic is not divided as asked",
            why=[f"asked for {wanted}, observed {found}"],
        )
    if not step.shares:
        return Look(True, "nothing is served")
    parts = [f"{found[s.revision.key]}% on {s.revision.version}" for s in step.shares if s.percent]
    text = ", ".join(reversed(parts))
    if found != wanted:
        text += "; asked for " + " and ".join(f"{p}%" for p in reversed(wanted.values()))
    return Look(True, text, data={"serving": serving(seen)})


def _near(wanted: dict[str, int], found: dict[str, int], tolerance: int) -> bool:
    """Whether the same revisions have the traffic, each as much of it as the platform can do."""
    if found.keys() != wanted.keys():
        return False
    return all(abs(found[key] - percent) <= tolerance for key, percent in wanted.items())


def serving(seen: LiveState) -> dict[str, JsonValue]:
    """What serves, by version, as the records keep it."""
    weights: dict[str, JsonValue] = {}
    for share in seen.shares:
        if share.percent:
            weights[share.revision.version] = share.percent
    whole = [version for version, percent in weights.items() if percent == 100]
    return {
        "version": whole[0] if whole else None,
        "observed_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "weights_percent": weights,
    }


def switch(step: Step, scene: Scene, write: Write) -> None:
    assert isinstance(step, Switch)
    scene.provider.route([Share(revision=step.to, percent=100)], step.fallback, write)


def switched(step: Step, scene: Scene, memory: Memory) -> Look:
    assert isinstance(step, Switch)
    as_route = Route(shares=(Share(revision=step.to, percent=100),))
    return routed(as_route, scene, memory)


def drained(step: Step, scene: Scene, memory: Memory) -> Look:
    """Done when no connection is open at the replicas, or the time is over."""
    assert isinstance(step, Drain)
    replicas = _alive(scene, step.revision.key, step.beyond)
    if replicas and all(r.connections is None for r in replicas):
        return Look(True, "the platform counts no connections; what it stops may finish first")
    open_ones = sum(r.connections or 0 for r in replicas)
    if open_ones == 0:
        return Look(True, "no connection is open")
    if elapsed(memory) >= step.within_s:
        # Not a failure: stopping is graceful, and lets what is in flight finish.
        return Look(True, f"{open_ones} still open after {step.within_s:g}s")
    return Look(False, f"{open_ones} open", again_s=0.2)


def stop(step: Step, scene: Scene, write: Write) -> None:
    """Ask for fewer replicas, or none. A stop that is due later is left to its time."""
    assert isinstance(step, Stop)
    if step.after_s > 0:
        return
    if step.keep > 0:
        scene.provider.scale(step.revision, step.keep, write)
    else:
        scene.provider.stop(step.revision, write)


def stopped(step: Step, scene: Scene, memory: Memory) -> Look:
    assert isinstance(step, Stop)
    if step.after_s > 0:
        return Look(True, "kept for a rollback")
    left = _alive(scene, step.revision.key, step.keep)
    if not left:
        return Look(True, "stopped")
    within_s = scene.provider.capabilities.stops_within_s
    if elapsed(memory) >= within_s:
        raise StepFailed(
            f"{step.revision.version} did not stop within {within_s:g}s",
            why=[f"replica {r.number} is {r.state}" for r in left],
        )
    return Look(False, f"{len(left)} stopping", again_s=0.1)


def _alive(scene: Scene, key: str, beyond: int) -> list[Replica]:
    replicas = scene.provider.observe().replicas(key)
    return [r for r in replicas if r.number >= beyond and r.state != "exited"]
