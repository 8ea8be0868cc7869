"""From counters that are looked at now and then to buckets: the state that the journal keeps.

Looks may come at any time. What came late is counted when it is seen; a counter that went back
began again; a span in which nobody looked for long, or the clock was set back, is no bucket, since
nobody knows what was served in it.
"""

from collections.abc import Mapping, Sequence

from orchestrate.core.analysis import sourced
from orchestrate.core.analysis.counts import Bucket, Counts, Sample
from orchestrate.core.analysis.sourced import Due, Slots, Sourced
from orchestrate.core.environment import AnalysePolicy
from orchestrate.core.metrics import ERRORS
from orchestrate.core.model import Model

Triple = tuple[int, int, int]
"""Total, failed, slow."""
Nine = tuple[int, int, int, int, int, int, int, int, int]
"""A bucket: the new revision, and the old one's halves."""
NOTHING: Triple = (0, 0, 0)
LONGEST_BUCKET_S = 10.0
SHORTEST_BUCKET_S = 0.5
MOST_BUCKETS = 720
"""Of a step, of one length: those after them are twice as long each time."""
GAP_BUCKETS = 2
GAP_S = 5.0
"""Nobody looked for longer than both: a gap."""


class Seen(Model):
    """Both revisions' counters at a moment, in seconds since the epoch."""

    at: float
    new: Triple
    old: Triple


class Part(Model):
    """The bucket under way."""

    seconds: float = 0.0
    new: Triple = NOTHING
    first: Triple = NOTHING
    second: Triple = NOTHING


class Evidence(Model):
    """All that was seen of a canary. Equal evidence gives an equal verdict, whoever asks."""

    buckets: tuple[Nine, ...] = ()
    starts: tuple[int, ...] = ()
    """Numbers of the buckets with which a step of more traffic began."""
    slow_over_s: float | None = None
    """Answers that took longer are slow: a quantile of the baseline's, frozen when first known."""
    watched_s: float = 0.0
    """Time in this step between looks that found something to count."""
    new: Triple = NOTHING
    """In this step."""
    old: Triple = NOTHING
    blind: bool = False
    """The last look found no counters."""
    last: Seen | None = None
    part: Part = Part()
    sourced: Sourced = Sourced()
    """What a metric source counted."""

    def counted(self) -> tuple[Bucket, ...]:
        """The buckets."""
        return tuple(
            Bucket(Sample(*b[0:3]), Sample(*b[3:6]), Sample(*b[6:9])) for b in self.buckets
        )

    @property
    def failed_new(self) -> Counts:
        return Counts(self.new[1], self.new[0])

    @property
    def failed_old(self) -> Counts:
        return Counts(self.old[1], self.old[0])


def bucket_length(policy: AnalysePolicy, have: int = 0) -> float:
    """Seconds of the bucket after the first `have` of a step: as set, or a fifth of the window,
    between half a second and ten; longer under a long horizon, and the longer a step goes on, since
    each look keeps and judges all buckets. Nothing that was counted decides it."""
    usual = min(max(policy.window_s / 5, SHORTEST_BUCKET_S), LONGEST_BUCKET_S)
    usual = max(usual, (policy.horizon_s or 0.0) / MOST_BUCKETS)
    first = usual if policy.bucket_s is None else policy.bucket_s
    return float(first * 2 ** (have // MOST_BUCKETS))


def in_step(evidence: Evidence) -> int:
    """Buckets of the step under way, by whoever counts the errors."""
    source = evidence.sourced
    seen = len(evidence.buckets) - max(evidence.starts, default=0)
    return max(seen, source.length - max(source.starts, default=0))


def next_step(evidence: Evidence) -> Evidence:
    """The evidence as a step of more traffic begins: kept, with what is under way dropped."""
    starts = evidence.starts
    if evidence.buckets and evidence.starts[-1:] != (len(evidence.buckets),):
        starts = (*starts, len(evidence.buckets))
    return Evidence(
        buckets=evidence.buckets,
        starts=starts,
        slow_over_s=evidence.slow_over_s,
        sourced=sourced.next_step(evidence.sourced),
    )


def frozen(evidence: Evidence, slow_over_s: float) -> Evidence:
    """With the boundary between quick and slow; what was counted without it is dropped."""
    return evidence.model_copy(update={"slow_over_s": slow_over_s, "last": None, "part": Part()})


def unseen(evidence: Evidence) -> Evidence:
    """After a look that found no counters. That is neither good nor bad of the release."""
    return evidence.model_copy(update={"blind": True})


def seen(evidence: Evidence, now: Seen, policy: AnalysePolicy) -> Evidence:
    """With what was counted since the last look."""
    before, length = evidence.last, bucket_length(policy, in_step(evidence))
    if before is None or now.at == before.at:
        return evidence.model_copy(update={"last": before or now, "blind": False})
    span = now.at - before.at
    new, old = _added(now.new, before.new), _added(now.old, before.old)
    update: dict[str, object] = {
        "last": now,
        "blind": False,
        "new": _sum(evidence.new, new),
        "old": _sum(evidence.old, old),
    }
    if span < 0 or span > max(GAP_BUCKETS * length, GAP_S):
        # Nobody knows how long it was: nobody looked, or the clock was set back.
        update["part"] = Part()
        return evidence.model_copy(update=update)
    update["watched_s"] = evidence.watched_s + span
    if evidence.watched_s >= policy.warm_up_s:
        update |= _into_bucket(evidence, span, new, old, length)
    return evidence.model_copy(update=update)


def read(evidence: Evidence, what: Due, found: Mapping[str, tuple[Slots, Slots]]) -> Evidence:
    """With what a metric source counted. Where it counts errors, its time is the analysis's: a
    span without values stops the clock."""
    update: dict[str, object] = {"sourced": sourced.read(evidence.sourced, what, found)}
    if ERRORS in found:
        new, old = found[ERRORS]
        both = [(n, o) for n, o in zip(new, old, strict=True) if n is not None and o is not None]
        update |= {
            "blind": False,
            "watched_s": evidence.watched_s + len(both) * what.slot_s,
            "new": _sum(evidence.new, _triple([n for n, _ in both])),
            "old": _sum(evidence.old, _triple([o for _, o in both])),
        }
    return evidence.model_copy(update=update)


def unanswered(evidence: Evidence, why: str) -> Evidence:
    """After a question to a metric source that was not answered."""
    return evidence.model_copy(update={"sourced": sourced.without_answer(evidence.sourced, why)})


def _triple(counts: Sequence[Counts]) -> Triple:
    return (sum(each.total for each in counts), sum(each.failed for each in counts), 0)


def _into_bucket(
    evidence: Evidence, span: float, new: Triple, old: Triple, length: float
) -> dict[str, object]:
    part = evidence.part
    first = part.seconds < length / 2 - span / 4
    part = Part(
        seconds=part.seconds + span,
        new=_sum(part.new, new),
        first=_sum(part.first, old) if first else part.first,
        second=part.second if first else _sum(part.second, old),
    )
    if part.seconds < length - span / 4:
        return {"part": part}
    # Which half comes first changes from bucket to bucket, so that a drift is no difference.
    a, b = part.first, part.second
    if len(evidence.buckets) % 2:
        a, b = b, a
    bucket: Nine = (*part.new, *a, *b)
    return {"part": Part(), "buckets": (*evidence.buckets, bucket)}


def _added(now: Triple, before: Triple) -> Triple:
    found = Sample(*now).minus(Sample(*before))
    return (found.total, found.failed, found.slow)


def _sum(one: Triple, other: Triple) -> Triple:
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2])
