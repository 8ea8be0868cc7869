"""Whether the requests arrive as they are routed: a sample-ratio mismatch makes counts useless.

The chance of any share of the new revision, all of them equally likely, over the greatest chance
that a share near the routed one gives: an e-value for shares that are not near (Wasserman,
Ramdas, Balakrishnan, "Universal inference", arXiv:1912.11436; Lindon and Malek, arXiv:2011.03567).
"""

import math

NEAR = 1.5
"""Odds of a request for the new revision, times or over the routed ones, that pass as routed:
connections that are kept, and clients that retry, are no mismatch."""
ALPHA = 0.001
"""Chance that traffic which arrives as routed is ever said not to."""


def mismatched(new: int, both: int, percent: int) -> bool:
    """Whether `new` of `both` requests cannot be the result of routing `percent` of them."""
    if not 0 < percent < 100:
        return False
    return log_mismatch(new, both, percent / 100) >= -math.log(ALPHA)


def log_mismatch(new: int, both: int, share: float, near: float = NEAR) -> float:
    """Log e-value against all shares whose odds are within a factor `near` of those of `share`."""
    odds = share / (1 - share)
    low, high = _share(odds / near), _share(odds * near)
    closest = min(max(new / both if both else share, low), high)
    old = both - new
    any_share = math.lgamma(new + 1) + math.lgamma(old + 1) - math.lgamma(both + 2)
    return any_share - new * math.log(closest) - old * math.log1p(-closest)


def _share(odds: float) -> float:
    return odds / (1 + odds)
