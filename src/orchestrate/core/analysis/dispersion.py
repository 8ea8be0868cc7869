"""Whether errors come one by one or in bursts."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from orchestrate.core.analysis.counts import Counts

MOST = 1.5
"""Ratio of the variance seen to that of independent requests up to which they pass as such."""
FEWEST = 3
"""Buckets with errors before anything is said."""


@dataclass
class Dispersion:
    """Pearson's chi-squared per degree of freedom: buckets against one common odds ratio, and the
    first one's against its own mean; the greater of the two."""

    pairs: list[tuple[Counts, Counts]] = field(default_factory=list)
    own: list[Counts] = field(default_factory=list)
    _ratio: float | None = None
    _again: int = FEWEST
    """Number of buckets from which the ratio is computed anew."""
    _for: float = 0.0
    _against: float = 0.0

    def add(self, one: Counts, other: Counts) -> None:
        """Take a bucket; one without errors, or with nothing else, says nothing."""
        bad, total = one.failed + other.failed, one.total + other.total
        if not one.total or not other.total:
            return
        self.own.append(one)
        if not 0 < bad < total:
            return
        self.pairs.append((one, other))
        self._for += one.failed * (other.total - other.failed) / total
        self._against += other.failed * (one.total - one.failed) / total

    def ratio(self) -> float | None:
        """About 1 for independent requests, above for bursts. None before FEWEST buckets.

        Each computation goes through all buckets, so from 50 of them on it is done when a fiftieth
        more have come: the answer hardly moves between.
        """
        if len(self.pairs) >= self._again:
            self._ratio = self._computed()
            self._again = len(self.pairs) + max(len(self.pairs) // 50, 1)
        return self._ratio

    def _computed(self) -> float:
        # Mantel and Haenszel's common odds ratio: a release that is worse is not a burst.
        odds = (self._for + 0.5) / (self._against + 0.5)
        between = _chi_squared(self.pairs, odds) / (len(self.pairs) - 1)
        return max(between, _own(self.own))


def own(counts: Sequence[Counts]) -> float | None:
    """The dispersion of one revision's buckets by themselves. None before FEWEST with errors."""
    some = [each for each in counts if each.total]
    if sum(0 < each.failed < each.total for each in some) < FEWEST:
        return None
    return _own(some)


def _own(counts: Sequence[Counts]) -> float:
    """Of one revision's buckets against its own mean. Where it has nearly all the requests it has
    nearly all the errors too, and a burst of them is no surprise between the two."""
    rate = (sum(each.failed for each in counts) + 0.5) / (sum(each.total for each in counts) + 1)
    variances = [each.total * rate * (1 - rate) for each in counts]
    return sum(
        (each.failed - each.total * rate) ** 2 / variance
        for each, variance in zip(counts, variances, strict=True)
    ) / max(len(counts) - 1, 1)


def _chi_squared(pairs: Sequence[tuple[Counts, Counts]], odds: float) -> float:
    found = 0.0
    for one, other in pairs:
        bad, total = one.failed + other.failed, one.total + other.total
        share = odds * one.total / (odds * one.total + other.total)
        variance = bad * share * (1 - share) * (total - bad) / (total - 1)
        found += (one.failed - bad * share) ** 2 / variance
    return found
