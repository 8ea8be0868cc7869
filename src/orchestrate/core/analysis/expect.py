"""How long the analysis will take, before it begins, at the traffic of today."""

import math
from dataclasses import dataclass

from orchestrate.core.analysis.collect import bucket_length
from orchestrate.core.analysis.counts import Counts
from orchestrate.core.analysis.readings import FAST_PART
from orchestrate.core.analysis.sequence import FIRST, radius
from orchestrate.core.analysis.sourced import slot_length
from orchestrate.core.analysis.verdict import design
from orchestrate.core.environment import AnalysePolicy
from orchestrate.core.metrics import ERRORS

RISES = (2.0, 3.0, 10.0)
"""Times the error rate of today of which is told how soon they are seen."""
MIXTURE = 1.25
"""What it costs not to know the rise beforehand: times longer, as measured."""
LONGEST_S = 30 * 86400.0
"""What takes longer is not worth a number."""


@dataclass(frozen=True)
class Traffic:
    """Today's traffic of the live revision."""

    per_second: float
    failed: Counts


@dataclass(frozen=True)
class Expected:
    """How soon there can be a verdict at the first weight."""

    percent: int
    sees: tuple[tuple[float, float | None], ...]
    """Rise of the error rate, and seconds until it is seen; None when never."""
    promote_s: float | None
    """Seconds until a release as good as today's is promoted; None when never."""
    within_s: float | None
    """The horizon."""
    problem: str | None
    """Why there may be no verdict."""


def expect(traffic: Traffic | None, percent: int, policy: AnalysePolicy) -> Expected:
    """What can be expected at a weight of `percent`; `traffic` is None when it is not known."""
    if traffic is None or traffic.per_second <= 0:
        text = "hardly any traffic was counted, so nothing could be seen of a release"
        return Expected(
            percent, tuple((rise, None) for rise in RISES), None, policy.horizon_s, text
        )
    share = percent / 100
    sees = tuple((rise, _short(_sees(rise, traffic, share, policy))) for rise in RISES)
    promote_s = _short(_promotes(traffic, share, policy))
    return Expected(percent, sees, promote_s, policy.horizon_s, _problem(promote_s, policy))


def _problem(promote_s: float | None, policy: AnalysePolicy) -> str | None:
    if policy.horizon_s is None or (promote_s is not None and promote_s <= policy.horizon_s):
        return None
    took = f"about {promote_s / 60:.0f} min" if promote_s is not None else "longer than a month"
    return (
        f"proof that a release is below {policy.margin:g} times today's error rate takes {took} "
        f"at today's traffic, and the horizon is {policy.horizon_s / 60:.3g} min"
    )


def _sees(rise: float, traffic: Traffic, share: float, policy: AnalysePolicy) -> float:
    """Seconds until a rise is seen by the quicker of the two tests."""
    base = _base(traffic)
    worse = min(base * rise, 0.99)
    by_evidence = _evidence(base, worse, traffic, share, policy)
    by_sequence = _sequence(base, worse, traffic, share, policy)
    return policy.warm_up_s + _delay(policy) + min(by_evidence, by_sequence)


def _evidence(
    base: float, worse: float, traffic: Traffic, share: float, policy: AnalysePolicy
) -> float:
    """Errors needed are ln(1/alpha) over the information each brings."""
    errors = traffic.per_second * (share * worse + (1 - share) * base)
    odds = (worse / (1 - worse)) / (base / (1 - base))
    needed = math.log(2 / (FAST_PART * design(policy, ERRORS).alpha)) / _information(
        share * odds / (share * odds + 1 - share), share
    )
    return MIXTURE * needed / errors


def _sequence(
    base: float, worse: float, traffic: Traffic, share: float, policy: AnalysePolicy
) -> float:
    """Buckets needed until the difference is as wide as the sequence's half width."""
    length = _length(policy)
    here = traffic.per_second * length
    deviation = math.sqrt(
        worse * (1 - worse) / (share * here) + base * (1 - base) / ((1 - share) * here)
    )
    alpha = (1 - FAST_PART) * design(policy, ERRORS).alpha
    buckets = FIRST
    while radius(buckets, alpha) * deviation > worse - base:
        buckets = math.ceil(buckets * 1.02)
        if buckets * length > LONGEST_S:
            return math.inf
    return buckets * length


def _promotes(traffic: Traffic, share: float, policy: AnalysePolicy) -> float:
    least = max(policy.window_s, policy.min_requests / (traffic.per_second * share))
    if policy.horizon_s is None:
        return least + _delay(policy)
    base = _base(traffic)
    odds = policy.margin
    against = share * odds / (share * odds + 1 - share)
    enough = math.log(1 / policy.alpha)
    proof = enough / _information(share, against) / (traffic.per_second * base)
    if base < policy.negligible:
        requests = (enough + math.log(3)) / _information(base, policy.negligible)
        proof = min(proof, requests / (traffic.per_second * share))
    proof = max(MIXTURE * proof, FIRST * _length(policy))
    return max(least, policy.warm_up_s + proof) + _delay(policy)


def _length(policy: AnalysePolicy) -> float:
    """Seconds of a bucket of errors."""
    length = bucket_length(policy)
    if policy.metrics is None or ERRORS not in policy.metrics.queries:
        return length
    return 2 * slot_length(policy.metrics, length)


def _delay(policy: AnalysePolicy) -> float:
    """Seconds until what was counted is known."""
    metrics = policy.metrics
    return metrics.delay_s if metrics is not None and ERRORS in metrics.queries else 0.0


def _base(traffic: Traffic) -> float:
    """Today's share of errors; with none among few requests it may still be more than none."""
    return (traffic.failed.failed + 0.5) / (traffic.failed.total + 1)


def _information(true: float, other: float) -> float:
    """Kullback and Leibler's divergence of two coins."""
    return true * math.log(true / other) + (1 - true) * math.log((1 - true) / (1 - other))


def _short(seconds: float) -> float | None:
    return round(seconds, 1) if seconds <= LONGEST_S else None
