"""The absolute limit: do surely more requests fail than is taken, whatever the other revision does?

Errors one by one are judged by an exact likelihood ratio, errors in bursts bucket by bucket, by the
same sequence as differences. Before there are buckets enough to tell the two apart, as much
correlation is assumed as is judged soundly anywhere here.
"""

import math
from collections.abc import Sequence

from orchestrate.core.analysis.counts import Counts
from orchestrate.core.analysis.dispersion import MOST, own
from orchestrate.core.analysis.evidence import above, log_above, log_mean
from orchestrate.core.analysis.sequence import Running

MIN_FAILURES = 5
"""Failures before a release is refused: a ratio over a handful of requests says nothing."""
BROKEN_FAILURES = 20
BROKEN_RATIO = 0.5
"""So many failures, and so great a share, need no statistics."""
TOGETHER = 0.05
"""Correlation of the errors of one bucket that is assumed while nothing is known of it."""


def surely_above(step: Counts, buckets: Sequence[Counts], limit: float, alpha: float) -> bool:
    """Whether more than `limit` of a step's requests fail, at a chance of at most `alpha` to say so
    ever without cause. `step` is all that was counted in it, `buckets` what of that is in buckets.
    """
    if step.failed >= BROKEN_FAILURES and step.ratio >= BROKEN_RATIO:
        return True
    if step.failed < MIN_FAILURES or step.ratio <= limit:
        return False
    bursts = own(buckets)
    if bursts is None:
        return log_above_together(step.failed, step.total, limit) >= -math.log(alpha)
    if bursts <= MOST:
        return log_above(step.failed, step.total, limit) >= -math.log(alpha)
    lower = _excess(buckets, limit).lower(alpha)
    return lower is not None and lower > 0


def log_above_together(bad: int, total: int, limit: float) -> float:
    """Log e-value for a share above `limit`, of requests whose errors are correlated by TOGETHER
    (beta-binomial), as if all were of one bucket."""
    if limit >= 1 or total == 0:
        return 0.0
    base = _log_beta_binomial(bad, total, limit)
    shares = (_log_beta_binomial(bad, total, share) - base for share in above(limit))
    return log_mean(tuple(shares))


def _excess(buckets: Sequence[Counts], limit: float) -> Running:
    """What failed in each bucket beyond the limit."""
    found = Running()
    for each in buckets:
        if each.total:
            by_chance = each.total * limit * (1 - limit)
            found.add(each.failed - limit * each.total, by_chance)
    return found


def _log_beta_binomial(bad: int, total: int, share: float) -> float:
    """Up to a constant of bad and total."""
    certain = (1 - TOGETHER) / TOGETHER
    a, b = share * certain, (1 - share) * certain
    return _log_beta(a + bad, b + total - bad) - _log_beta(a, b)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
