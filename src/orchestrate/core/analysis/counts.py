"""What is counted: requests in short spans of time, new and old side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

Metric = str
"""`errors` and `latency`, which the edge counts, or a name that an environment's metrics have."""


@dataclass(frozen=True)
class Counts:
    """Requests answered, and how many of them failed."""

    failed: int
    total: int

    def minus(self, earlier: "Counts") -> "Counts":
        """What was added since `earlier`. A counter that went back began again from zero."""
        if self.total < earlier.total or self.failed < earlier.failed:
            return self
        return Counts(self.failed - earlier.failed, self.total - earlier.total)

    def plus(self, other: "Counts") -> "Counts":
        return Counts(self.failed + other.failed, self.total + other.total)

    @property
    def ratio(self) -> float:
        return self.failed / self.total if self.total else 0.0

    def __str__(self) -> str:
        return f"{100 * self.ratio:.2f}% of {self.total:,}"


@dataclass(frozen=True)
class Sample:
    """Requests of one revision: all of them, those that failed, and those that were slow.

    As a counter it only grows; as a difference it is what came in a span of time.
    """

    total: int = 0
    failed: int = 0
    slow: int = 0

    def minus(self, earlier: "Sample") -> "Sample":
        """What was added since `earlier`. A counter that went back began again from zero."""
        if self.total < earlier.total or self.failed < earlier.failed or self.slow < earlier.slow:
            return self
        return Sample(
            self.total - earlier.total, self.failed - earlier.failed, self.slow - earlier.slow
        )

    def plus(self, other: "Sample") -> "Sample":
        return Sample(self.total + other.total, self.failed + other.failed, self.slow + other.slow)

    def of(self, metric: Metric) -> Counts:
        """The counts of one metric: what is bad, of how many."""
        return Counts(self.slow if metric == "latency" else self.failed, self.total)


@dataclass(frozen=True)
class Bucket:
    """One span of time. The old revision's requests come in two halves, which are compared with
    each other to learn whether its requests can be compared with anything."""

    new: Sample
    old_a: Sample
    old_b: Sample

    @property
    def old(self) -> Sample:
        return self.old_a.plus(self.old_b)


@dataclass(frozen=True)
class Stratum:
    """One bucket of one metric: bad and all, new and old, and the old one's halves."""

    new: Counts
    old: Counts
    old_a: Counts
    old_b: Counts


def strata(buckets: Sequence[Bucket], metric: Metric) -> list[Stratum]:
    """The buckets as one metric sees them."""
    return [
        Stratum(b.new.of(metric), b.old.of(metric), b.old_a.of(metric), b.old_b.of(metric))
        for b in buckets
    ]
