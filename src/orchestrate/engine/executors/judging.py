"""Watch a new revision under traffic: analysis at a weight, and baking at full traffic."""

from collections.abc import Mapping

from pydantic import JsonValue

from orchestrate.core.analysis import Counts, Verdict, judge
from orchestrate.core.environment import AnalysePolicy
from orchestrate.core.errors import AnalysisAbort, Unhealthy
from orchestrate.core.protocols import RequestCounts
from orchestrate.core.revision import Ref
from orchestrate.core.steps import Analyse, Bake, Step
from orchestrate.engine.executors.health import MOST_RESTARTS
from orchestrate.engine.executors.look import Look, Memory, Scene, elapsed, failed


def analyse(step: Step, scene: Scene, memory: Memory) -> Look:
    """Done at a promote verdict. Raises AnalysisAbort, or Unhealthy when replicas keep ending."""
    assert isinstance(step, Analyse)
    _refuse_crashing(scene, step.revision, memory)
    verdict, kept = _verdict(scene, memory, step.revision, step.baseline, step.policy)
    if verdict.outcome == "abort":
        raise _aborted(scene, step.revision, step.baseline, verdict)
    return Look(
        verdict.outcome == "promote",
        f"{verdict.outcome}: {verdict.reason}",
        memory=kept,
        data={"verdict": _document(verdict)},
        again_s=_pace(step.policy.window_s),
    )


def bake(step: Step, scene: Scene, memory: Memory) -> Look:
    """Done when the time is over. Raises as `analyse` does."""
    assert isinstance(step, Bake)
    _refuse_crashing(scene, step.revision, memory)
    policy = step.policy.model_copy(update={"window_s": step.for_s, "min_requests": 0})
    verdict, kept = _verdict(scene, memory, step.revision, step.baseline, policy)
    if verdict.outcome == "abort":
        raise _aborted(scene, step.revision, step.baseline, verdict)
    left = max(step.for_s - elapsed(memory), 0.0)
    done = verdict.outcome == "promote"
    text = f"failed {verdict.new}" if done else f"about {left:.0f}s to go"
    return Look(done, text, memory=kept, again_s=min(_pace(step.for_s), max(left, 0.05)))


def _verdict(
    scene: Scene, memory: Memory, revision: Ref, baseline: Ref | None, policy: AnalysePolicy
) -> tuple[Verdict, dict[str, JsonValue]]:
    """The verdict on what was counted since the first look, and what to remember."""
    counts = scene.provider.requests()
    start = memory.get("start")
    begun: Mapping[str, JsonValue] = start if isinstance(start, dict) else _snapshot(counts)
    new = _now(counts, revision).minus(_then(begun, revision))
    old = _now(counts, baseline).minus(_then(begun, baseline)) if baseline else Counts(0, 0)
    verdict = judge(new, old, policy, elapsed(memory))
    kept: dict[str, JsonValue] = {
        "start": dict(begun),
        "restarts": memory.get("restarts", _restarts(scene, revision)),
    }
    return verdict, kept


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


def _aborted(scene: Scene, new: Ref, old: Ref | None, verdict: Verdict) -> Exception:
    reason = f"{new.version} {verdict.reason}"
    if old is not None and verdict.old.total:
        reason += f"; {old.version} failed {verdict.old}"
    error = failed(AnalysisAbort, f"analysis says abort: {reason}", scene, new, why=[])
    error.details = {"verdict": "abort", "failed": verdict.new.failed, "total": verdict.new.total}
    return error


def _document(verdict: Verdict) -> dict[str, JsonValue]:
    return {
        "outcome": verdict.outcome,
        "metric": "errors",
        "new": {"failed": verdict.new.failed, "total": verdict.new.total},
        "old": {"failed": verdict.old.failed, "total": verdict.old.total},
        "limit_ratio": verdict.limit_ratio,
        "reason": verdict.reason,
    }


def _restarts(scene: Scene, revision: Ref) -> int:
    return sum(r.restarts for r in scene.provider.observe().replicas(revision.key))


def _snapshot(counts: Mapping[str, RequestCounts]) -> dict[str, JsonValue]:
    return {key: [c.failed, c.total] for key, c in counts.items()}


def _now(counts: Mapping[str, RequestCounts], revision: Ref) -> Counts:
    found = counts.get(revision.key)
    return Counts(found.failed, found.total) if found else Counts(0, 0)


def _then(begun: Mapping[str, JsonValue], revision: Ref) -> Counts:
    found = begun.get(revision.key)
    if isinstance(found, list) and len(found) == 2:
        failed_then, total_then = found
        if isinstance(failed_then, int) and isinstance(total_then, int):
            return Counts(failed_then, total_then)
    return Counts(0, 0)


def _pace(window_s: float) -> float:
    """Often enough to stop soon, seldom enough not to fill the journal."""
    return min(max(window_s / 30, 0.25), 5.0)
