"""From a metric source to buckets: what is to be read next, and what was read.

A source remembers, so nothing is lost while nobody looks: what became final meanwhile is read
later, the same numbers in the same buckets. A bucket is two spans of the source's resolution; the
two are the baseline's halves.
"""

import math
from collections.abc import Mapping, Sequence

from pydantic import Field

from orchestrate.core.analysis.counts import Counts, Stratum
from orchestrate.core.metrics import Metrics
from orchestrate.core.model import Model

Six = tuple[int, int, int, int, int, int]
"""A bucket: all and bad, of the new revision and of the old one's halves."""
MOST_BUCKETS = 30
"""Read at one look at most."""
GAP_BUCKETS = 2
"""Without values in a row: no data."""
NOTHING = Counts(0, 0)
Slots = Sequence[Counts | None]


class Sourced(Model):
    """What was read from a source so far. Equal readings give an equal verdict, whoever asks."""

    until: float | None = None
    """End of what was read, in seconds since the epoch; None before the first look of a step."""
    buckets: dict[str, tuple[Six | None, ...]] = Field(default_factory=dict)
    """By metric, all of the same length; None where the source had no values."""
    starts: tuple[int, ...] = ()
    """Numbers of the buckets with which a step of more traffic began."""
    trouble: str | None = None
    """Why the last question was not answered."""

    @property
    def length(self) -> int:
        return max((len(each) for each in self.buckets.values()), default=0)

    def strata(self, metric: str) -> list[Stratum]:
        """The buckets of one metric. One without values adds nothing to any test."""
        return [_stratum(bucket) for bucket in self.buckets.get(metric, ())]

    def lacking(self, metrics: Metrics) -> str | None:
        """A critical metric that had no values for too long."""
        for name in metrics.critical:
            last = self.buckets.get(name, ())[-GAP_BUCKETS - 1 :]
            if len(last) > GAP_BUCKETS and not any(last):
                return name
        return None


class Due(Model):
    """What is to be read: `slots` spans of `slot_s` seconds from `since` on."""

    since: float
    slots: int
    slot_s: float


def slot_length(metrics: Metrics, bucket_s: float) -> float:
    """Seconds of half a bucket: as short as the source can count and the bucket asks for."""
    times = math.ceil(bucket_s / 2 / metrics.resolution_s - 1e-9)
    return max(times, 1) * metrics.resolution_s


def due(
    sourced: Sourced, metrics: Metrics, bucket_s: float, begun: float, now: float
) -> Due | None:
    """What has become final since the last look, in whole buckets; None when nothing has.

    The first bucket begins at the first whole multiple of its length, after `begun`: so a source
    that counts by the clock's minutes counts the same spans.
    """
    slot_s = slot_length(metrics, bucket_s)
    since = sourced.until
    if since is None:
        since = math.ceil(begun / slot_s) * slot_s
    buckets = math.floor((now - metrics.delay_s - since) / (2 * slot_s))
    if buckets < 1:
        return None
    return Due(since=since, slots=2 * min(buckets, MOST_BUCKETS), slot_s=slot_s)


def read(sourced: Sourced, what: Due, found: Mapping[str, tuple[Slots, Slots]]) -> Sourced:
    """With what was read: by metric, the slots of the new and of the old revision."""
    before = sourced.length
    buckets = {
        name: (*sourced.buckets.get(name, (None,) * before), *_buckets(new, old, before))
        for name, (new, old) in found.items()
    }
    return Sourced(
        until=what.since + what.slots * what.slot_s, buckets=buckets, starts=sourced.starts
    )


def without_answer(sourced: Sourced, why: str) -> Sourced:
    """After a question that was not answered. That is neither good nor bad of the release."""
    return sourced.model_copy(update={"trouble": why})


def next_step(sourced: Sourced) -> Sourced:
    """As a step of more traffic begins: what was read is kept, and reading begins anew."""
    starts = sourced.starts
    if sourced.length and starts[-1:] != (sourced.length,):
        starts = (*starts, sourced.length)
    return Sourced(buckets=sourced.buckets, starts=starts)


def _buckets(new: Slots, old: Slots, before: int) -> list[Six | None]:
    found: list[Six | None] = []
    for number in range(0, len(new), 2):
        news, olds = new[number : number + 2], old[number : number + 2]
        if None in (*news, *olds):
            found.append(None)
            continue
        n = (news[0] or NOTHING).plus(news[1] or NOTHING)
        a, b = olds[0] or NOTHING, olds[1] or NOTHING
        # Which half comes first changes from bucket to bucket, so that a drift is no difference.
        if (before + len(found)) % 2:
            a, b = b, a
        found.append((n.total, n.failed, a.total, a.failed, b.total, b.failed))
    return found


def _stratum(bucket: Six | None) -> Stratum:
    if bucket is None:
        return Stratum(NOTHING, NOTHING, NOTHING, NOTHING)
    n, x, a, y, b, z = bucket
    return Stratum(Counts(x, n), Counts(y + z, a + b), Counts(y, a), Counts(z, b))
