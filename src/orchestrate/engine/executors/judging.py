"""Watch a new revision under traffic: analysis at a weight, and baking at full traffic."""

from pydantic import JsonValue, TypeAdapter

from orchestrate.core.analysis.collect import (
    Evidence,
    Seen,
    Triple,
    bucket_length,
    frozen,
    next_step,
    seen,
    unseen,
)
from orchestrate.core.analysis.verdict import Verdict, judge
from orchestrate.core.environment import AnalysePolicy
from orchestrate.core.errors import (
    AnalysisAbort,
    NoDataError,
    NoVerdict,
    OrchestrateError,
    TemporaryError,
    Unhealthy,
)
from orchestrate.core.protocols import RequestCounts
from orchestrate.core.revision import Ref
from orchestrate.core.steps import Analyse, Bake, Step
from orchestrate.engine.executors.health import MOST_RESTARTS
from orchestrate.engine.executors.look import Look, Memory, Scene, elapsed, failed

FEWER_S = 30.0
"""How long a revision may have fewer replicas than it began a step with."""
ENOUGH_FOR_A_QUANTILE = 100
"""Answers of the old revision before its quantile is taken."""
Json = dict[str, JsonValue]


def analyse(step: Step, scene: Scene, memory: Memory) -> Look:
    """Done at a promote verdict. Ends with AnalysisAbort or NoVerdict; raises Unhealthy when
    replicas keep ending."""
    assert isinstance(step, Analyse)
    _refuse_crashing(scene, step.revision, memory)
    memory = _refuse_fewer(scene, step.revision, memory)
    begun = _evidence(memory)
    evidence = _look(begun if "begun" in memory else next_step(begun), scene, step, memory)
    verdict = judge(evidence, step.policy, evidence.watched_s)
    return Look(
        verdict.outcome == "promote",
        f"{verdict.outcome}: {verdict.reason}",
        memory=_kept(scene, memory, step.revision, evidence),
        data={"verdict": _document(verdict, evidence, step.policy)},
        again_s=bucket_length(step.policy) / 2,
        error=_error(scene, step, verdict),
    )


def bake(step: Step, scene: Scene, memory: Memory) -> Look:
    """Done when the time is over. Raises as `analyse` does."""
    assert isinstance(step, Bake)
    _refuse_crashing(scene, step.revision, memory)
    memory = _refuse_fewer(scene, step.revision, memory)
    # At full traffic there is nothing to compare with: the limit alone is held.
    update = {"window_s": step.for_s, "min_requests": 0, "horizon_s": None, "bucket_s": None}
    policy = step.policy.model_copy(update=update)
    evidence = _look(_evidence(memory), scene, step, memory)
    verdict = judge(evidence, policy, elapsed(memory))
    left = max(step.for_s - elapsed(memory), 0.0)
    done = verdict.outcome == "promote"
    again_s = bucket_length(policy) / 2
    text = f"failed {verdict.new}" if done else f"about {left:.0f}s to go"
    if verdict.state in ("no_data", "suspicious"):
        text = verdict.reason
    error = _error(scene, step, verdict)
    return Look(
        done,
        text,
        memory=_kept(scene, memory, step.revision, evidence),
        data={"verdict": _document(verdict, evidence, policy)} if error else {},
        again_s=min(again_s, left) if left else again_s,
        error=error,
    )


def _look(evidence: Evidence, scene: Scene, step: Analyse | Bake, memory: Memory) -> Evidence:
    """The evidence with what the counters say now. That they cannot be read is not the release's
    fault."""
    try:
        counts = scene.provider.requests()
    except (NoDataError, TemporaryError):
        return unseen(evidence)
    new = counts.get(step.revision.key, RequestCounts())
    old = counts.get(step.baseline.key, RequestCounts()) if step.baseline else RequestCounts()
    quantile = step.policy.latency_quantile
    if quantile is not None and evidence.slow_over_s is None:
        bound = _bound(old, quantile)
        evidence = evidence if bound is None else frozen(evidence, bound)
    last = memory.get("last")
    at = float(last) if isinstance(last, int | float) else scene.clock()
    now = Seen(at=at, new=_triple(new, evidence), old=_triple(old, evidence))
    return seen(evidence, now, step.policy)


def _triple(counts: RequestCounts, evidence: Evidence) -> Triple:
    bound = evidence.slow_over_s
    if bound is None or not counts.latency_buckets:
        return (counts.total, counts.failed, 0)
    all_of_them = max(counts.latency_buckets.values())
    slow = all_of_them - counts.latency_buckets.get(bound, all_of_them)
    return (counts.total, counts.failed, min(slow, counts.total))


def _bound(old: RequestCounts, quantile: float) -> float | None:
    """The least bound of the baseline's histogram that holds `quantile` of its answers."""
    total = max(old.latency_buckets.values(), default=0)
    if total < ENOUGH_FOR_A_QUANTILE:
        return None
    bounds = sorted(old.latency_buckets.items())
    found = next(bound for bound, count in bounds if count >= quantile * total)
    return found if found != float("inf") else None


def _evidence(memory: Memory) -> Evidence:
    return Evidence.model_validate(memory.get("evidence") or {})


def _kept(scene: Scene, memory: Memory, revision: Ref, evidence: Evidence) -> Json:
    return {
        "begun": True,
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
    """The verdict as it is recorded, with the counts it can be computed again from."""
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
        "evidence": TypeAdapter(JsonValue).validate_python(
            evidence.model_dump(mode="json", exclude={"last", "part"})
        ),
        "policy": TypeAdapter(JsonValue).validate_python(policy.model_dump(mode="json")),
    }


def _restarts(scene: Scene, revision: Ref) -> int:
    return sum(r.restarts for r in scene.provider.observe().replicas(revision.key))
