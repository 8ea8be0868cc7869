"""How likely an accident is: the tail of the binomial distribution, without a library."""

import math


def at_least(bad: int, total: int, ratio: float) -> float:
    """Chance of at least `bad` failures of `total`, each of which fails with chance `ratio`."""
    if bad <= 0 or ratio >= 1:
        return 1.0
    if ratio <= 0:
        return 0.0
    log_p, log_q, whole = math.log(ratio), math.log1p(-ratio), math.lgamma(total + 1)
    return min(
        math.fsum(
            math.exp(
                whole
                - math.lgamma(k + 1)
                - math.lgamma(total - k + 1)
                + k * log_p
                + (total - k) * log_q
            )
            for k in range(bad, total + 1)
        ),
        1.0,
    )
