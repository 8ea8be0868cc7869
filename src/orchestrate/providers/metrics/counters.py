"""Counters that only grow, sampled now and then, to what was counted in each span of time.

Not Prometheus's `increase()`: it extrapolates, so a count becomes a guess, and an error between the
last sample of one window and the first of the next is lost or doubled.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from orchestrate.providers.metrics.asking import Numbers

GAP_SLOTS = 2
"""Slots between two samples of a series beyond which nobody knows when it counted."""
Sample = tuple[float, float]
"""Seconds since the epoch, and the counter then."""
Place = tuple[str, str]
"""Whose counter it is: job and instance."""


@dataclass(frozen=True)
class Series:
    """One counter of one process."""

    place: Place
    samples: Sequence[Sample]


def series_of(labels: Mapping[str, str], samples: Iterable[Sample]) -> Series:
    """A counter with the samples that are numbers, oldest first."""
    place = (labels.get("job", ""), labels.get("instance", ""))
    return Series(place, sorted(each for each in samples if math.isfinite(each[1])))


def sampled(found: Iterable[Series]) -> dict[Place, list[float]]:
    """When each process was sampled, whatever of it."""
    times: dict[Place, set[float]] = {}
    for each in found:
        times.setdefault(each.place, set()).update(at for at, _ in each.samples)
    return {place: sorted(seen) for place, seen in times.items()}


def grown(
    found: Iterable[Series],
    known: Mapping[Place, Sequence[float]],
    since: float,
    slots: int,
    slot_s: float,
) -> Numbers:
    """What all counters together grew in each slot; None where no sample says so.

    A counter that went back began again from zero. One that appears in a process that was sampled
    just before (`known`) began at zero too: libraries make a counter when it first counts. What
    grew over a gap belongs to no slot and is not counted.
    """
    grew: list[float | None] = [None] * slots
    for each in found:
        before = _birth(each, known)
        for at, value in each.samples:
            if before is not None:
                number = math.ceil((at - since) / slot_s - 1e-9) - 1
                if 0 <= number < slots and at - before[0] <= GAP_SLOTS * slot_s:
                    more = value - before[1] if value >= before[1] else value
                    grew[number] = (grew[number] or 0.0) + more
            before = (at, value)
    return grew


def _birth(each: Series, known: Mapping[Place, Sequence[float]]) -> Sample | None:
    """The zero a counter began from: when its process was last sampled without it."""
    if not each.samples:
        return None
    times = known.get(each.place, ())
    number = bisect_left(times, each.samples[0][0])
    return (times[number - 1], 0.0) if number else None
