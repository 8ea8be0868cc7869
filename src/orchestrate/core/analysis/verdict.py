"""The verdict at a look: abort, promote or hold, with the counts behind it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from orchestrate.core.analysis.collect import Evidence
from orchestrate.core.analysis.counts import Counts, Metric, Stratum, strata
from orchestrate.core.analysis.limit import MIN_FAILURES, surely_above
from orchestrate.core.analysis.readings import LIMIT_PART, Design, Reading, readings
from orchestrate.core.analysis.shares import mismatched
from orchestrate.core.environment import AnalysePolicy
from orchestrate.core.metrics import EDGE, ERRORS

Outcome = Literal["promote", "abort", "hold"]
State = Literal[
    "watching",
    "no_data",
    "suspicious",
    "baseline",
    "mismatch",
    "inconclusive",
    "refused",
    "clean",
    "proven",
]


@dataclass(frozen=True)
class Verdict:
    """What the analysis says at one look."""

    outcome: Outcome
    state: State
    reason: str
    """A sentence with the counts behind it."""
    new: Counts
    """In this step."""
    old: Counts
    limit_ratio: float
    readings: tuple[tuple[Metric, Reading], ...] = ()
    """The last reading of each metric, over all steps."""


def metrics(policy: AnalysePolicy) -> tuple[Metric, ...]:
    """What is judged: what the edge counts, and what is asked of a metric source."""
    edge = (ERRORS,) if policy.latency_quantile is None else (ERRORS, "latency")
    sourced = policy.metrics.queries if policy.metrics else ()
    return (*edge, *(name for name in sourced if name not in edge))


def critical(policy: AnalysePolicy) -> tuple[Metric, ...]:
    """The metrics without whose data, or proof, a release is not promoted."""
    if policy.metrics is None:
        return metrics(policy)
    queries = policy.metrics.queries
    return tuple(m for m in metrics(policy) if m not in queries or queries[m].critical)


def design(policy: AnalysePolicy, metric: Metric) -> Design:
    """What is fixed of a metric's tests; alpha is divided among the metrics (Bonferroni).

    Promotion needs every critical metric, so beta is not divided (intersection and union).
    """
    alpha = policy.alpha / len(metrics(policy))
    if metric == ERRORS:
        return Design(alpha, policy.alpha, margin=policy.margin, negligible=policy.negligible)
    return Design(alpha, policy.alpha, tolerated=policy.margin**0.5, margin=policy.margin)


def read(evidence: Evidence, policy: AnalysePolicy, metric: Metric) -> Iterator[Reading]:
    """One reading of a metric after each bucket."""
    found, starts = _strata(evidence, policy, metric)
    return readings(found, design(policy, metric), set(starts))


def _strata(
    evidence: Evidence, policy: AnalysePolicy, metric: Metric
) -> tuple[list[Stratum], tuple[int, ...]]:
    if policy.metrics is not None and metric in policy.metrics.queries:
        return evidence.sourced.strata(metric), evidence.sourced.starts
    kind = "latency" if metric in EDGE else "errors"
    return strata(evidence.counted(), kind), evidence.starts


def judge(
    evidence: Evidence,
    policy: AnalysePolicy,
    elapsed_s: float,
    *,
    percent: int = 0,
    waited_s: float = 0.0,
    dark_s: float | None = None,
) -> Verdict:
    """The verdict after `elapsed_s` seconds of this step in which something could be counted, of
    `waited_s` in all, with `percent` of the traffic routed to the new revision. There have been no
    data for the last `dark_s` of them; None: for all of them.

    With a horizon a release is promoted only once it is proven not to be worse than the margin;
    without one, at the end of the window unless something speaks against it. No data is neither
    pass nor fail.
    """
    last = [
        (metric, found[-1])
        for metric in metrics(policy)
        if (found := list(read(evidence, policy, metric)))
    ]
    outcome, state, reason = _say(evidence, policy, elapsed_s, last, percent)
    if state == "no_data" and _dark_for_too_long(policy, waited_s, dark_s):
        state, reason = "inconclusive", f"no verdict within {waited_s:.0f}s: {reason}"
    return Verdict(
        outcome,
        state,
        reason,
        evidence.failed_new,
        evidence.failed_old,
        policy.max_error_ratio,
        tuple(last),
    )


def _dark_for_too_long(policy: AnalysePolicy, waited_s: float, dark_s: float | None) -> bool:
    """Whether there were no data for `no_data_s` in a row, after the window: one look in vain is
    no lack of them, however long the step has gone on."""
    if policy.no_data_s is None or waited_s < policy.window_s + policy.no_data_s:
        return False
    return dark_s is None or dark_s >= policy.no_data_s


def _say(
    evidence: Evidence,
    policy: AnalysePolicy,
    elapsed_s: float,
    last: Sequence[tuple[Metric, Reading]],
    percent: int,
) -> tuple[Outcome, State, str]:
    new, old = evidence.failed_new, evidence.failed_old
    new_buckets, old_buckets = _in_step(evidence, policy)
    alpha = _limit_alpha(evidence, policy)
    sick = _over_limit(old, old_buckets, policy, alpha)
    refused = None if sick else _over_limit(new, new_buckets, policy, alpha)
    mismatch = mismatched(new.total, new.total + old.total, percent)
    if not mismatch:
        refused = refused or _harmed(last, policy)
    if refused:
        return "abort", "refused", refused
    if lacking := _lacking(evidence, policy):
        return "hold", "no_data", f"no data: {lacking}"
    if mismatch:
        return "hold", *_ended("mismatch", _mismatch(new, old, percent), policy, elapsed_s)
    if sick:
        text = f"the old one {sick} itself, the new one {new}"
        return "hold", *_ended("baseline", text, policy, elapsed_s)
    if elapsed_s < policy.window_s:
        return "hold", "watching", f"{elapsed_s:.0f}s of {policy.window_s:.0f}s"
    if new.total < policy.min_requests:
        text = f"no data: answered {new.total} of at least {policy.min_requests} requests"
        return "hold", "no_data", text
    if silent := _silent(last, policy):
        return "hold", "no_data", f"no data: nothing was counted of {silent} yet"
    doubt = _doubt(new, last, policy)
    if policy.horizon_s is None:
        return ("hold", "suspicious", doubt) if doubt else _clean(new, last, policy)
    return _with_proof(new, last, policy, doubt, elapsed_s)


def _ended(state: State, text: str, policy: AnalysePolicy, elapsed_s: float) -> tuple[State, str]:
    """What keeps a verdict from being given: until the horizon, where there is one."""
    if policy.horizon_s is None or elapsed_s < policy.horizon_s:
        return state, text
    return "inconclusive", f"no verdict within {policy.horizon_s:.0f}s: {text}"


def _lacking(evidence: Evidence, policy: AnalysePolicy) -> str | None:
    """What could not be read, of what must be."""
    if evidence.blind:
        return "the counters could not be read"
    if policy.metrics is None:
        return None
    if evidence.sourced.trouble is not None and policy.metrics.critical:
        return evidence.sourced.trouble
    name = evidence.sourced.lacking(policy.metrics)
    return f"{policy.metrics.source} has no values of {name} for both versions" if name else None


def _silent(last: Sequence[tuple[Metric, Reading]], policy: AnalysePolicy) -> str | None:
    """A critical metric of a source that has not compared a single bucket."""
    seen = {metric for metric, reading in last if reading.difference is not None}
    queries = policy.metrics.queries if policy.metrics else {}
    return next((m for m in critical(policy) if m in queries and m not in seen), None)


def _mismatch(new: Counts, old: Counts, percent: int) -> str:
    both = new.total + old.total
    return (
        f"{100 * new.total / both:.1f}% of {both:,} requests reached the new one and {percent}% "
        "are routed to it: counts that do not arrive as routed cannot be compared"
    )


def _in_step(
    evidence: Evidence, policy: AnalysePolicy
) -> tuple[Sequence[Counts], Sequence[Counts]]:
    """Errors by bucket since this step began, of the new and of the old revision."""
    found, starts = _strata(evidence, policy, ERRORS)
    if not found:  # a bake, of a release whose errors a source counts
        found, starts = evidence.sourced.strata(ERRORS), evidence.sourced.starts
    here = found[max(starts, default=0) :]
    return [each.new for each in here], [each.old for each in here]


def _limit_alpha(evidence: Evidence, policy: AnalysePolicy) -> float:
    """The limit's part of alpha, half of it at the first weight, a quarter at the next."""
    steps = max(len(evidence.starts), len(evidence.sourced.starts))
    return float(LIMIT_PART * policy.alpha / 2 ** (steps + 1))


def _over_limit(
    new: Counts, buckets: Sequence[Counts], policy: AnalysePolicy, alpha: float
) -> str | None:
    """The absolute limit: too many failures, whatever the baseline does."""
    if not surely_above(new, buckets, policy.max_error_ratio, alpha):
        return None
    return f"failed {new}, over the limit of {_percent(policy.max_error_ratio)}"


def _harmed(last: Sequence[tuple[Metric, Reading]], policy: AnalysePolicy) -> str | None:
    for metric, reading in last:
        if reading.harm is None:
            continue
        word = _word(metric, policy)
        return (
            f"{word} {reading.new}, the old one {reading.old}: worse in {reading.buckets} "
            f"buckets, with a chance of at most {_percent(policy.alpha)} to be wrong "
            f"({_why(reading)})"
        )
    return None


def _why(reading: Reading) -> str:
    if reading.harm == "sequence" and reading.lower is not None and reading.lower > 0:
        return f"at least {100 * reading.lower:.2f} points more"
    return f"e-value {reading.evidence:.3g}"


def _doubt(
    new: Counts, last: Sequence[tuple[Metric, Reading]], policy: AnalysePolicy
) -> str | None:
    """What keeps a release from being promoted though it is not refused."""
    if new.failed >= MIN_FAILURES and new.ratio > policy.max_error_ratio:
        return f"failed {new}, over the limit of {_percent(policy.max_error_ratio)}, not yet sure"
    for metric, reading in last:
        said = f"{_word(metric, policy)} {reading.new}, the old one {reading.old}"
        if not reading.placebo and reading.evidence >= 1 / policy.alpha:
            return f"{said}: suspicious"
        if reading.placebo and reading.lower is not None and reading.lower > 0:
            return f"{said}: it looks worse, and the old one disagrees with itself"
    return None


def _clean(
    new: Counts, last: Sequence[tuple[Metric, Reading]], policy: AnalysePolicy
) -> tuple[Outcome, State, str]:
    text = f"failed {new}, limit {_percent(policy.max_error_ratio)}"
    placebo = any(reading.placebo for _, reading in last)
    if last and not placebo and all(reading.proven for _, reading in last):
        return "promote", "proven", f"{text}; proven to be below {policy.margin:g} times the old"
    if placebo:
        text += "; not compared with the old one, which disagrees with itself"
    return "promote", "clean", text


def _with_proof(
    new: Counts,
    last: Sequence[tuple[Metric, Reading]],
    policy: AnalysePolicy,
    doubt: str | None,
    elapsed_s: float,
) -> tuple[Outcome, State, str]:
    """Promote only with proof; at the horizon without it the analysis has ended without an
    answer."""
    needed = [(m, reading) for m, reading in last if m in critical(policy)]
    placebo = any(reading.placebo for _, reading in needed)
    proven = needed and not placebo and all(reading.proven for _, reading in needed)
    if proven and not doubt:
        text = f"failed {new}; proven to be below {policy.margin:g} times the old one"
        return "promote", "proven", text
    text = "the baseline disagrees with itself" if placebo else doubt or _unproven(needed, policy)
    state: State = "baseline" if placebo else "suspicious" if doubt else "watching"
    return "hold", *_ended(state, text, policy, elapsed_s)


def _unproven(last: Sequence[tuple[Metric, Reading]], policy: AnalysePolicy) -> str:
    for metric, reading in last:
        if not reading.proven:
            return (
                f"{_word(metric, policy)} {reading.new}: not yet proven to be below "
                f"{policy.margin:g} times the old one (e-value {reading.safe:.3g} of "
                f"{1 / policy.alpha:.3g})"
            )
    return "nothing was counted yet"


def _word(metric: Metric, policy: AnalysePolicy) -> str:
    if metric == "latency" and policy.latency_quantile is not None:
        return f"slower than the old one's {100 * policy.latency_quantile:g}th percentile:"
    return "failed" if metric == ERRORS else f"{metric}: bad"


def _percent(ratio: float) -> str:
    return f"{100 * ratio:g}%"
