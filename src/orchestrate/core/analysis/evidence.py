"""Exact evidence from counts: what one bucket says for a ratio of odds against another.

Given the errors of a bucket together, how many of them are the new revision's follows Fisher's
noncentral hypergeometric distribution, whatever the error rate of that moment is. So drift of the
common rate and changes of the traffic's weight cancel exactly. Products of likelihood ratios over
buckets are e-processes: the chance that one ever reaches 1/alpha without cause is at most alpha.
"""

import math
from functools import lru_cache

HARM_GRID = tuple(1.15 * (20.0 / 1.15) ** (j / 11) for j in range(12))
"""Odds ratios, times the one that is tolerated, that speak for harm: evenly spaced in logarithm."""
SAFE_GRID = (0.85, 1.0)
"""Odds ratios that speak for a release as good as its baseline."""
Ratios = tuple[float, ...]


@lru_cache(maxsize=16384)
def log_ratios(bad: int, new: int, all_bad: int, old: int, against: float, to: Ratios) -> Ratios:
    """Log likelihood ratios of each odds ratio in `to` against the odds ratio `against`.

    bad: bad requests among `new` ones; all_bad: among the `new` and `old` ones together. A bucket
    in which everything or nothing is bad, or one side is empty, says nothing: zeros.
    """
    low, high = max(0, all_bad - old), min(new, all_bad)
    if low == high:
        return tuple(0.0 for _ in to)
    weights = _log_weights(new, all_bad, old, low, high)
    base = _log_sum(weights, low, bad, math.log(against))
    return tuple(base - _log_sum(weights, low, bad, math.log(ratio)) for ratio in to)


def log_mean(logs: Ratios) -> float:
    """The logarithm of the mean of what `logs` are logarithms of."""
    top = max(logs)
    return top + math.log(sum(math.exp(each - top) for each in logs) / len(logs))


@lru_cache(maxsize=4096)
def log_above(bad: int, total: int, limit: float) -> float:
    """Log e-value for a share of bad requests above `limit`, against all shares up to it."""
    if limit >= 1 or total == 0:
        return 0.0
    return _log_binomial(bad, total, limit, above(limit))


def above(limit: float) -> Ratios:
    """Shares above `limit` that speak against it."""
    return tuple(limit + (1 - limit) * part for part in (0.05, 0.1, 0.2, 0.4, 0.7, 0.98))


@lru_cache(maxsize=4096)
def log_below(bad: int, total: int, limit: float) -> float:
    """Log e-value for a share of bad requests below `limit`, against all shares from it on."""
    shares = tuple(limit * part for part in (0.02, 0.2, 0.5))
    return _log_binomial(bad, total, limit, shares)


def _log_weights(new: int, all_bad: int, old: int, low: int, high: int) -> Ratios:
    """log C(new, k) C(old, all_bad - k) for k from low to high, up to a common constant."""
    found = [0.0]
    for k in range(low, high):
        up = (new - k) * (all_bad - k)
        down = (k + 1) * (old - all_bad + k + 1)
        found.append(found[-1] + math.log(up / down))
    return tuple(found)


def _log_sum(weights: Ratios, low: int, bad: int, log_ratio: float) -> float:
    """log of the sum over k of weight(k) ratio^(k - bad)."""
    terms = [weight + (low + j - bad) * log_ratio for j, weight in enumerate(weights)]
    top = max(terms)
    return top + math.log(sum(math.exp(term - top) for term in terms))


def _log_binomial(bad: int, total: int, limit: float, shares: Ratios) -> float:
    good = total - bad
    return log_mean(
        tuple(
            bad * math.log(share / limit) + good * math.log((1 - share) / (1 - limit))
            for share in shares
        )
    )
