"""An asymptotic confidence sequence: bounds on a mean that hold at all looks together.

Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas, "Time-uniform central limit theory and asymptotic
confidence sequences", arXiv:2103.06476. It needs independent buckets, not independent requests:
errors that come in bursts within a bucket widen it by themselves.
"""

import math
from dataclasses import dataclass

FIRST = 10
"""Values before which nothing is said: the guarantee is asymptotic."""
BEST = 30
"""Number of values at which the bound is narrowest."""


@dataclass
class Running:
    """Mean and variance of the values so far (Welford), in the order they came.

    `least` adds up what each value's variance is if nothing but chance is at work. Few errors of a
    small baseline come late, and until they come the values look too much alike: the deviation
    seen is not believed below that of chance.
    """

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0
    least: float = 0.0

    def add(self, value: float, least_variance: float = 0.0) -> None:
        self.n += 1
        step = value - self.mean
        self.mean += step / self.n
        self.squares += step * (value - self.mean)
        self.least += least_variance

    @property
    def deviation(self) -> float:
        return math.sqrt(max(self.squares, self.least) / self.n) if self.n else 0.0

    def lower(self, alpha: float) -> float | None:
        """A bound the true mean is below with probability at most `alpha`, ever. None before
        FIRST values."""
        return None if self.n < FIRST else self.mean - self.deviation * radius(self.n, alpha)

    def upper(self, alpha: float) -> float | None:
        """A bound the true mean is above with probability at most `alpha`, ever."""
        return None if self.n < FIRST else self.mean + self.deviation * radius(self.n, alpha)


def radius(n: int, alpha: float) -> float:
    """Half the width after `n` values, in standard deviations of one value; alpha below 0.3."""
    log = -2 * math.log(2 * alpha)
    rho2 = (log + math.log(1 + log)) / BEST
    inner = n * rho2 + 1
    return math.sqrt(2 * inner / (n * n * rho2) * math.log(math.sqrt(inner) / (2 * alpha)))
