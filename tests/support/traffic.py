"""Made-up traffic for the analysis: buckets of requests with errors, from a seed."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from orchestrate.core.analysis.collect import Evidence, next_step
from orchestrate.core.analysis.counts import Counts, Stratum
from orchestrate.core.analysis.readings import Design, Reading, readings
from orchestrate.core.analysis.verdict import judge
from orchestrate.core.environment import AnalysePolicy

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


def judged(scene: Scene, policy: AnalysePolicy, hours: int, seed: int = 0) -> Tally:
    """The same through the whole verdict, the limit among it, at each weight of the scene."""
    aborted: list[int] = []
    proven: list[int] = []
    for number in range(hours):
        ended = _verdict(list(scene.hour(seed + number)), scene, policy)
        if ended is not None:
            (aborted if ended[0] == "abort" else proven).append(ended[1])
    return Tally(hours, tuple(aborted), tuple(proven))


def _verdict(
    hour: Sequence[Stratum], scene: Scene, policy: AnalysePolicy
) -> tuple[str, int] | None:
    """The first verdict that is not to hold, and its minute."""
    weights = scene.weights or (scene.new / (scene.new + scene.old),)
    begins = [-(-scene.minutes * n // len(weights)) for n in range(len(weights))]
    evidence = Evidence()
    for minute, stratum in enumerate(hour):
        if minute in begins[1:]:
            evidence = next_step(evidence)
        evidence = _with(evidence, stratum)
        percent = round(100 * weights[minute * len(weights) // scene.minutes])
        found = judge(evidence, policy, evidence.watched_s, percent=percent)
        if found.outcome != "hold":
            return found.outcome, minute + 1
    return None


def _with(evidence: Evidence, stratum: Stratum) -> Evidence:
    """With a bucket of a minute more."""
    new, a, b = (
        (each.total, each.failed, 0) for each in (stratum.new, stratum.old_a, stratum.old_b)
    )
    old = (a[0] + b[0], a[1] + b[1], 0)
    return evidence.model_copy(
        update={
            "buckets": (*evidence.buckets, (*new, *a, *b)),
            "watched_s": evidence.watched_s + 60.0,
            "new": tuple(x + y for x, y in zip(evidence.new, new, strict=True)),
            "old": tuple(x + y for x, y in zip(evidence.old, old, strict=True)),
        }
    )


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
