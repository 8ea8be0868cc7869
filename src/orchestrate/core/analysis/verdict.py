"""The verdict at a look: abort, promote or hold, with the counts behind it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from orchestrate.core.analysis.collect import Evidence
from orchestrate.core.analysis.counts import Counts, Metric, strata
from orchestrate.core.analysis.evidence import log_above
from orchestrate.core.analysis.readings import Design, Reading, readings
from orchestrate.core.environment import AnalysePolicy

MIN_FAILURES = 5
"""Failures before a release is refused: a ratio over a handful of requests says nothing."""
BROKEN_FAILURES = 20
BROKEN_RATIO = 0.5
"""So many failures, and so great a share, need no statistics."""

Outcome = Literal["promote", "abort", "hold"]
State = Literal[
    "watching", "no_data", "suspicious", "baseline", "inconclusive", "refused", "clean", "proven"
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
    """What is judged."""
    return ("errors",) if policy.latency_quantile is None else ("errors", "latency")


def design(policy: AnalysePolicy, metric: Metric) -> Design:
    """What is fixed of a metric's tests; alpha is divided among the metrics (Bonferroni).

    Promotion needs every metric, so beta is not divided (intersection and union).
    """
    alpha = policy.alpha / len(metrics(policy))
    if metric == "latency":
        return Design(alpha, policy.alpha, tolerated=policy.margin**0.5, margin=policy.margin)
    return Design(alpha, policy.alpha, margin=policy.margin, negligible=policy.negligible)


def read(evidence: Evidence, policy: AnalysePolicy, metric: Metric) -> Iterator[Reading]:
    """One reading of a metric after each bucket."""
    return readings(
        strata(evidence.counted(), metric), design(policy, metric), set(evidence.starts)
    )


def judge(evidence: Evidence, policy: AnalysePolicy, elapsed_s: float) -> Verdict:
    """The verdict after `elapsed_s` seconds of this step.

    With a horizon a release is promoted only once it is proven not to be worse than the margin;
    without one, at the end of the window unless something speaks against it. No data is neither
    pass nor fail.
    """
    last = [
        (metric, found[-1])
        for metric in metrics(policy)
        if (found := list(read(evidence, policy, metric)))
    ]
    outcome, state, reason = _say(evidence, policy, elapsed_s, last)
    return Verdict(
        outcome,
        state,
        reason,
        evidence.failed_new,
        evidence.failed_old,
        policy.max_error_ratio,
        tuple(last),
    )


def _say(
    evidence: Evidence,
    policy: AnalysePolicy,
    elapsed_s: float,
    last: Sequence[tuple[Metric, Reading]],
) -> tuple[Outcome, State, str]:
    new = evidence.failed_new
    refused = _over_limit(new, policy) or _harmed(last, policy)
    if refused:
        return "abort", "refused", refused
    if evidence.blind:
        return "hold", "no_data", "no data: the counters could not be read"
    if elapsed_s < policy.window_s:
        return "hold", "watching", f"{elapsed_s:.0f}s of {policy.window_s:.0f}s"
    if new.total < policy.min_requests:
        text = f"no data: answered {new.total} of at least {policy.min_requests} requests"
        return "hold", "no_data", text
    doubt = _doubt(new, last, policy)
    if policy.horizon_s is None:
        return ("hold", "suspicious", doubt) if doubt else _clean(new, last, policy)
    return _with_proof(new, last, policy, doubt, elapsed_s)


def _over_limit(new: Counts, policy: AnalysePolicy) -> str | None:
    """The absolute floor: too many failures, whatever the baseline does."""
    if new.failed >= BROKEN_FAILURES and new.ratio >= BROKEN_RATIO:
        return f"failed {new}"
    if new.failed < MIN_FAILURES or new.ratio <= policy.max_error_ratio:
        return None
    sure = log_above(new.failed, new.total, policy.max_error_ratio)
    if sure < -math.log(policy.alpha):
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
        if not reading.placebo and reading.evidence >= 1 / policy.alpha:
            return f"{_word(metric, policy)} {reading.new}, the old one {reading.old}: suspicious"
    return None


def _clean(
    new: Counts, last: Sequence[tuple[Metric, Reading]], policy: AnalysePolicy
) -> tuple[Outcome, State, str]:
    text = f"failed {new}, limit {_percent(policy.max_error_ratio)}"
    if last and all(reading.proven for _, reading in last):
        return "promote", "proven", f"{text}; proven to be below {policy.margin:g} times the old"
    if any(reading.placebo for _, reading in last):
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
    placebo = any(reading.placebo for _, reading in last)
    proven = last and not placebo and all(reading.proven for _, reading in last)
    if proven and not doubt:
        text = f"failed {new}; proven to be below {policy.margin:g} times the old one"
        return "promote", "proven", text
    text = "the baseline disagrees with itself" if placebo else doubt or _unproven(last, policy)
    horizon_s = policy.horizon_s or 0.0
    if elapsed_s >= horizon_s:
        return "hold", "inconclusive", f"no verdict within {horizon_s:.0f}s: {text}"
    return "hold", "baseline" if placebo else "suspicious" if doubt else "watching", text


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
    return "failed"


def _percent(ratio: float) -> str:
    return f"{100 * ratio:g}%"
