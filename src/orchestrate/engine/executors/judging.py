"""Watch a new revision under traffic: analysis at a weight, and baking at full traffic."""

from pydantic import JsonValue, TypeAdapter

from orchestrate.core.analysis.collect import Evidence, next_step
from orchestrate.core.analysis.verdict import Verdict, judge
from orchestrate.core.environment import AnalysePolicy
from orchestrate.core.errors import AnalysisAbort, NoVerdict, OrchestrateError, Unhealthy
from orchestrate.core.revision import Ref
from orchestrate.core.steps import Analyse, Bake, Step
from orchestrate.engine.executors import counting, health
from orchestrate.engine.executors.health import MOST_RESTARTS
from orchestrate.engine.executors.look import Look, Memory, Scene, elapsed, failed

FEWER_S = 30.0
"""How long a revision may have fewer replicas than it began a step with."""
Json = dict[str, JsonValue]
MOST_SICK = 3
"""Looks in a row without data and without a healthy replica that end an analysis."""


def analyse(step: Step, scene: Scene, memory: Memory) -> Look:
    """Done at a promote verdict. Ends with AnalysisAbort or NoVerdict; raises Unhealthy when
    replicas keep ending."""
    assert isinstance(step, Analyse)
    _refuse_crashing(scene, step.revision, memory)
    memory = _refuse_fewer(scene, step.revision, memory)
    begun = _evidence(memory)
    evidence = begun if "begun" in memory else next_step(begun)
    evidence = counting.look(evidence, scene, step, memory)
    verdict = judge(
        evidence,
        step.policy,
        evidence.watched_s,
        # What is routed, and not what was asked for: a platform may do less than a percent.
        percent=scene.provider.observe().percent(step.revision.key),
        waited_s=elapsed(memory),
        dark_s=elapsed(memory) - _dark_since(memory),
    )
    sick = _refuse_sick(scene, step.revision, memory, verdict)
    return Look(
        verdict.outcome == "promote",
        f"{verdict.outcome}: {verdict.reason}",
        memory={
            **_kept(scene, memory, step.revision, evidence),
            "sick": sick,
            "dark": _dark(memory, verdict),
        },
        data={"verdict": _document(verdict, evidence, step.policy)},
        again_s=counting.again_s(step.policy, evidence),
        error=_error(scene, step, verdict),
    )


def bake(step: Step, scene: Scene, memory: Memory) -> Look:
    """Done when the time is over. Raises as `analyse` does."""
    assert isinstance(step, Bake)
    _refuse_crashing(scene, step.revision, memory)
    memory = _refuse_fewer(scene, step.revision, memory)
    # At full traffic there is nothing to compare with: the limit alone is held.
    timed: Json = {"window_s": step.for_s, "horizon_s": None, "bucket_s": None}
    step = step.model_copy(update={"policy": step.policy.model_copy(update=timed)})
    policy = step.policy.model_copy(update={"min_requests": 0, "metrics": None})
    evidence = counting.look(_evidence(memory), scene, step, memory)
    verdict = judge(evidence, policy, elapsed(memory))
    left = max(step.for_s - elapsed(memory), 0.0)
    unread = counting.unread(evidence, scene, step, memory)
    done = verdict.outcome == "promote" and unread is None
    again_s = counting.again_s(step.policy if unread else policy, evidence)
    text = f"failed {verdict.new}" if done else f"about {left:.0f}s to go"
    if verdict.state in ("no_data", "suspicious"):
        text = verdict.reason
    elif unread is not None and left == 0:
        text = unread
    error = _error(scene, step, verdict)
    return Look(
        done,
        text,
        memory=_kept(scene, memory, step.revision, evidence),
        data={"verdict": _document(verdict, evidence, policy)} if error else {},
        again_s=min(again_s, left) if left else again_s,
        error=error,
    )


def _evidence(memory: Memory) -> Evidence:
    return Evidence.model_validate(memory.get("evidence") or {})


def _dark_since(memory: Memory) -> float:
    """Since when, of the time watched, there have been no data; now, where there were some."""
    since = memory.get("dark")
    return float(since) if isinstance(since, int | float) else elapsed(memory)


def _dark(memory: Memory, verdict: Verdict) -> float | None:
    """The same after this look, None where there were data."""
    still = verdict.state == "inconclusive" and memory.get("dark") is not None
    return _dark_since(memory) if verdict.state == "no_data" or still else None


def _kept(scene: Scene, memory: Memory, revision: Ref, evidence: Evidence) -> Json:
    return {
        "begun": True,
        "begun_at": counting.begun_at(scene, memory),
        "evidence": TypeAdapter(Json).validate_python(evidence.model_dump(mode="json")),
        "restarts": memory.get("restarts", _restarts(scene, revision)),
        "alive": memory.get("alive"),
        "fewer": memory.get("fewer"),
    }


def _refuse_crashing(scene: Scene, revision: Ref, memory: Memory) -> None:
    before = memory.get("restarts")
    if not isinstance(before, int):
        return
    more = _restarts(scene, revision) - before
    if more >= MOST_RESTARTS:
        raise failed(
            Unhealthy,
            f"{revision.version} keeps ending",
            scene,
            revision,
            why=[f"its replicas were restarted {more} times under traffic"],
        )


def _refuse_fewer(scene: Scene, revision: Ref, memory: Memory) -> Memory:
    """The memory, with since when fewer replicas run than when this step began. A platform may say
    that all is well long after a version has fallen ill."""
    found = next(
        (r for r in scene.provider.observe().running if r.revision.key == revision.key), None
    )
    alive = sum(r.state == "running" for r in found.replicas) if found else 0
    first = memory.get("alive")
    began = first if isinstance(first, int) else alive
    now, kept = elapsed(memory), {**memory, "alive": began}
    if alive >= min(began, found.wanted if found else began):
        return {**kept, "fewer": None}
    since = memory.get("fewer")
    begun = float(since) if isinstance(since, int | float) else now
    if now - begun >= FEWER_S:
        raise failed(
            Unhealthy,
            f"{revision.version} has lost replicas under traffic",
            scene,
            revision,
            why=[f"{alive} of {began} run, for {now - begun:.0f}s now"],
        )
    return {**kept, "fewer": begun}


def _refuse_sick(scene: Scene, revision: Ref, memory: Memory, verdict: Verdict) -> int:
    """Looks in a row at which no replica was healthy. An edge sends nothing to those, so that the
    counts alone would say for ever that there is no data."""
    if verdict.state not in ("no_data", "mismatch"):
        return 0
    problem = health.sick(scene, revision)
    if problem is None:
        return 0
    before = memory.get("sick")
    looks = (before if isinstance(before, int) else 0) + 1
    if looks < MOST_SICK:
        return looks
    raise failed(
        Unhealthy,
        f"{revision.version} is not healthy any more",
        scene,
        revision,
        why=[problem, "requests do not reach it"],
    )


def _error(scene: Scene, step: Analyse | Bake, verdict: Verdict) -> OrchestrateError | None:
    """What the verdict ends the deployment with, if anything."""
    if verdict.outcome == "abort":
        return _ended(AnalysisAbort, "abort", scene, step, verdict)
    if verdict.state == "inconclusive" and step.policy.at_horizon == "rollback":
        return _ended(NoVerdict, "no verdict", scene, step, verdict)
    return None


def _ended(
    kind: type[AnalysisAbort] | type[NoVerdict],
    word: str,
    scene: Scene,
    step: Analyse | Bake,
    verdict: Verdict,
) -> OrchestrateError:
    new, old = step.revision, step.baseline
    reason = f"{new.version} {verdict.reason}"
    if old is not None and verdict.old.total:
        reason += f"; {old.version} failed {verdict.old} at this weight"
    error = failed(kind, f"analysis says {word}: {reason}", scene, new, why=[])
    error.details = {
        "verdict": verdict.outcome,
        "state": verdict.state,
        "failed": verdict.new.failed,
        "total": verdict.new.total,
    }
    return error


def _document(verdict: Verdict, evidence: Evidence, policy: AnalysePolicy) -> Json:
    """The verdict as it is recorded. The counts it can be computed again from are the memory's."""
    first = verdict.readings[0][0] if verdict.readings else "errors"
    return {
        "outcome": verdict.outcome,
        "metric": first,
        "new": {"failed": verdict.new.failed, "total": verdict.new.total},
        "old": {"failed": verdict.old.failed, "total": verdict.old.total},
        "limit_ratio": verdict.limit_ratio,
        "reason": verdict.reason,
        "state": verdict.state,
        "watched_s": round(evidence.watched_s, 3),
        "window_s": policy.window_s,
        "horizon_s": policy.horizon_s,
        "policy": TypeAdapter(JsonValue).validate_python(policy.model_dump(mode="json")),
    }


def _restarts(scene: Scene, revision: Ref) -> int:
    return sum(r.restarts for r in scene.provider.observe().replicas(revision.key))
