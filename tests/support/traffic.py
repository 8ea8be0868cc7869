"""Made-up traffic for the analysis: buckets of requests with errors, from a seed."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from orchestrate.core.analysis.counts import Counts, Stratum
from orchestrate.core.analysis.readings import Design, Reading, readings

MINUTES = 60


@dataclass(frozen=True)
class Scene:
    """What happens in each of an hour's minutes: Poisson requests, errors of a rate.

    `together` correlates the errors of one minute and one version (a beta-binomial); `drift` is the
    logarithm by which the common rate rises and falls in the hour; `weights` are the new version's
    shares of the requests, each for an equal part of the hour.
    """

    new_rate: float = 0.01
    old_rate: float = 0.01
    new: float = 30.0
    old: float = 570.0
    together: float = 0.0
    drift: float = 0.0
    weights: tuple[float, ...] = ()
    minutes: int = MINUTES

    def but(self, **changes: object) -> Scene:
        return replace(self, **changes)  # type: ignore[arg-type]

    def hour(self, seed: int) -> Iterator[Stratum]:
        """The buckets of an hour."""
        dice = random.Random(seed)
        for minute in range(self.minutes):
            now = math.exp(self.drift * math.sin(2 * math.pi * minute / self.minutes))
            new, old = (poisson(dice, mean) for mean in self._means(minute))
            half = binomial(dice, old, 0.5)
            failed = binomial(dice, new, self._rate(dice, self.new_rate * now))
            rate = self._rate(dice, self.old_rate * now)
            a = Counts(binomial(dice, half, rate), half)
            b = Counts(binomial(dice, old - half, rate), old - half)
            yield Stratum(Counts(failed, new), a.plus(b), a, b)

    def _means(self, minute: int) -> tuple[float, float]:
        if not self.weights:
            return self.new, self.old
        share = self.weights[minute * len(self.weights) // self.minutes]
        both = self.new + self.old
        return both * share, both * (1 - share)

    def _rate(self, dice: random.Random, rate: float) -> float:
        if not self.together:
            return rate
        certain = (1 - self.together) / self.together
        return dice.betavariate(rate * certain, (1 - rate) * certain)


@dataclass(frozen=True)
class Tally:
    """How often a design said what, of so many hours."""

    hours: int
    aborted: tuple[int, ...]
    """Minutes of the aborts."""
    proven: tuple[int, ...]
    """Minutes of the promotions."""

    @property
    def aborts(self) -> float:
        return len(self.aborted) / self.hours

    @property
    def promotions(self) -> float:
        return len(self.proven) / self.hours

    @property
    def median(self) -> float:
        """Median minute of the abort, of the hours that abort; infinite when none does."""
        return middle(self.aborted)

    @property
    def median_of_all(self) -> float:
        """The same over all hours, one without abort being infinitely late."""
        return middle([*self.aborted, *[math.inf] * (self.hours - len(self.aborted))])


def tally(scene: Scene, design: Design, hours: int, every: int = 1, seed: int = 0) -> Tally:
    """Run `hours` hours, with a look after every `every`-th minute."""
    aborted: list[int] = []
    proven: list[int] = []
    for number in range(hours):
        for reading in readings(scene.hour(seed + number), design):
            if reading.buckets % every:
                continue
            if reading.harm is not None:
                aborted.append(reading.buckets)
                break
            if is_proven(reading):
                proven.append(reading.buckets)
                break
    return Tally(hours, tuple(aborted), tuple(proven))


def is_proven(reading: Reading) -> bool:
    return reading.proven and not reading.placebo


def never_promoted(design: Design) -> Design:
    """The same tests for harm, in hours that no promotion cuts short."""
    return replace(design, beta=1e-300, negligible=None)


def middle(minutes: Sequence[float]) -> float:
    """The lower median; infinite of nothing."""
    return sorted(minutes)[(len(minutes) - 1) // 2] if minutes else math.inf


def poisson(dice: random.Random, mean: float) -> int:
    if mean > 30:
        return max(round(dice.gauss(mean, math.sqrt(mean))), 0)
    limit, count, product = math.exp(-mean), 0, dice.random()
    while product > limit:
        product *= dice.random()
        count += 1
    return count


def binomial(dice: random.Random, count: int, rate: float) -> int:
    """Successes among `count`; quick for a small rate."""
    if rate <= 0:
        return 0
    found, place, log = 0, 0, math.log1p(-min(rate, 1 - 1e-12))
    while True:
        place += int(math.log(1 - dice.random()) / log) + 1
        if place > count:
            return found
        found += 1
