"""Look at what was counted of two revisions, by the platform and by a metric source."""

from collections.abc import Mapping

from orchestrate.core.analysis import collect, sourced
from orchestrate.core.analysis.collect import (
    Evidence,
    Seen,
    Triple,
    bucket_length,
    frozen,
    in_step,
    seen,
)
from orchestrate.core.analysis.sourced import NOTHING, Due, Slots
from orchestrate.core.environment import AnalysePolicy
from orchestrate.core.errors import NoDataError, OrchestrateError, TemporaryError
from orchestrate.core.metrics import ERRORS, Metrics
from orchestrate.core.protocols import MetricSource, RequestCounts
from orchestrate.core.revision import Ref
from orchestrate.core.steps import Analyse, Bake
from orchestrate.engine.executors.look import Memory, Scene

ENOUGH_FOR_A_QUANTILE = 100
"""Answers of the old revision before its quantile is taken."""


def look(evidence: Evidence, scene: Scene, step: Analyse | Bake, memory: Memory) -> Evidence:
    """The evidence with what is counted now. That something cannot be read is not the release's
    fault: it is said, and nothing passes by it."""
    metrics = step.policy.metrics
    if metrics is None or ERRORS not in metrics.queries:
        evidence = _platform(evidence, scene, step, _now(scene, memory))
    if metrics is not None and (isinstance(step, Analyse) or ERRORS in metrics.queries):
        evidence = _source(evidence, scene, step, memory, metrics)
    return evidence


def unread(evidence: Evidence, scene: Scene, step: Bake, memory: Memory) -> str | None:
    """What a metric source has still to tell of a bake; None when it has told all of it, and where
    nothing is asked of it."""
    metrics = step.policy.metrics
    if metrics is None or ERRORS not in metrics.queries:
        return None
    if evidence.sourced.trouble is not None:
        return f"no data: {evidence.sourced.trouble}"
    bucket_s = 2 * sourced.slot_length(metrics, bucket_length(step.policy))
    end = begun_at(scene, memory) + step.for_s
    if evidence.sourced.until is None or evidence.sourced.until <= end - bucket_s:
        return f"until {metrics.source} has counted it"
    return None


def begun_at(scene: Scene, memory: Memory) -> float:
    """When this step was first looked at, in seconds since the epoch."""
    begun = memory.get("begun_at")
    return float(begun) if isinstance(begun, int | float) else _now(scene, memory)


def _now(scene: Scene, memory: Memory) -> float:
    last = memory.get("last")
    return float(last) if isinstance(last, int | float) else scene.clock()


def _platform(evidence: Evidence, scene: Scene, step: Analyse | Bake, at: float) -> Evidence:
    try:
        counts = scene.provider.requests()
    except (NoDataError, TemporaryError):
        return collect.unseen(evidence)
    new = counts.get(step.revision.key, RequestCounts())
    old = counts.get(step.baseline.key, RequestCounts()) if step.baseline else RequestCounts()
    quantile = step.policy.latency_quantile
    if quantile is not None and evidence.slow_over_s is None:
        bound = _bound(old, quantile)
        evidence = evidence if bound is None else frozen(evidence, bound)
    now = Seen(at=at, new=_triple(new, evidence), old=_triple(old, evidence))
    return seen(evidence, now, step.policy)


def _source(
    evidence: Evidence, scene: Scene, step: Analyse | Bake, memory: Memory, metrics: Metrics
) -> Evidence:
    begun = begun_at(scene, memory) + step.policy.warm_up_s
    bucket_s = bucket_length(step.policy, in_step(evidence))
    what = sourced.due(evidence.sourced, metrics, bucket_s, begun, _now(scene, memory))
    if what is None:
        return evidence
    if scene.source is None:
        return collect.unanswered(evidence, f"{metrics.source} is not set up here")
    try:
        return collect.read(evidence, what, _asked(scene.source, step, what, metrics))
    except OrchestrateError as problem:
        return collect.unanswered(evidence, problem.message)


def _asked(
    source: MetricSource, step: Analyse | Bake, what: Due, metrics: Metrics
) -> Mapping[str, tuple[Slots, Slots]]:
    """All metrics of both revisions, or what is raised by the first that has no answer: a bucket of
    which only a part is known is read again. At full traffic the errors of the new one alone."""

    def ask(name: str, revision: Ref) -> Slots:
        query = metrics.queries[name]
        return source.read(query, name, revision, what.since, what.slots, what.slot_s)

    if isinstance(step, Bake):
        return {ERRORS: (ask(ERRORS, step.revision), (NOTHING,) * what.slots)}
    return {name: (ask(name, step.revision), ask(name, step.baseline)) for name in metrics.queries}


def again_s(policy: AnalysePolicy, evidence: Evidence) -> float:
    """When to look next: twice a bucket."""
    length = bucket_length(policy, in_step(evidence))
    if policy.metrics is None:
        return length / 2
    slot_s = sourced.slot_length(policy.metrics, length)
    return min(slot_s, length / 2) if ERRORS not in policy.metrics.queries else slot_s


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
