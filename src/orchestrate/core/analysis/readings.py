"""What the counts of one metric say, after each bucket. The same buckets give the same bits."""

import math
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from orchestrate.core.analysis.counts import Counts, Stratum
from orchestrate.core.analysis.dispersion import MOST, Dispersion
from orchestrate.core.analysis.evidence import (
    HARM_GRID,
    SAFE_GRID,
    log_below,
    log_mean,
    log_ratios,
)
from orchestrate.core.analysis.sequence import FIRST, Running

FAST_PART = 0.1
"""Part of alpha spent on the fast abort: at 0.05 an e-value of 200."""
LIMIT_PART = 0.02
"""Part of it spent on the absolute limit, at all weights together; the rest is the sequence's."""
PLACEBO_ALPHA = 0.01
"""Chance that a baseline that agrees with itself is ever said not to."""

NONE = Counts(0, 0)


@dataclass(frozen=True)
class Design:
    """What is fixed before the first request is counted."""

    alpha: float
    """Chance that a release no worse than its baseline is ever refused by this metric."""
    beta: float
    """Chance that one worse than the margin is ever promoted as proven."""
    tolerated: float = 1.0
    """Odds ratio up to which a release is not worse."""
    margin: float = 2.0
    """Odds ratio from which a release may not be promoted as proven."""
    negligible: float | None = None
    """Share of bad answers that is fine whatever the baseline's, None for no such share."""


@dataclass(frozen=True)
class Reading:
    """What one metric says after so many buckets."""

    buckets: int
    new: Counts
    old: Counts
    difference: float | None
    """The new share less the tolerated old one, weighed over buckets (Mantel and Haenszel's risk
    difference); None before any."""
    lower: float | None
    upper: float | None
    """Confidence sequence of the difference; None before there are buckets enough."""
    evidence: float
    """Of harm, as an e-value: it passes 1/alpha without cause with probability at most alpha."""
    safe: float
    """Against a rise to the margin, as an e-value."""
    dispersion: float | None
    """1 for errors one by one, above for bursts; the greater of new to old, and old to old."""
    placebo: bool
    """The baseline's halves have disagreed."""
    harm: str | None
    """Which test has refused the release so far, None when none has."""
    proven: bool
    """Not worse than the margin."""


@dataclass
class _State:
    """Sums over the buckets so far."""

    n: int = 0
    new: Counts = NONE
    old: Counts = NONE
    weight: float = 0.0
    difference: Running = field(default_factory=Running)
    beyond: Running = field(default_factory=Running)
    halves: Running = field(default_factory=Running)
    harm_logs: list[list[float]] = field(default_factory=lambda: [[0.0] * len(HARM_GRID)])
    safe_logs: list[float] = field(default_factory=lambda: [0.0] * len(SAFE_GRID))
    a_logs: list[float] = field(default_factory=lambda: [0.0] * len(HARM_GRID))
    b_logs: list[float] = field(default_factory=lambda: [0.0] * len(HARM_GRID))
    bursts: Dispersion = field(default_factory=Dispersion)
    old_bursts: Dispersion = field(default_factory=Dispersion)
    placebo: bool = False
    harm: str | None = None


def readings(
    strata: Iterable[Stratum], design: Design, starts: Collection[int] = ()
) -> Iterator[Reading]:
    """One reading after each bucket. `starts` are the numbers of buckets at which a step of more
    traffic began: the evidence is carried over, and begun anew beside."""
    state = _State()
    for number, stratum in enumerate(strata):
        if number and number in starts:
            state.harm_logs.append([0.0] * len(HARM_GRID))
        _add(state, stratum, design)
        yield _read(state, design)


def _add(state: _State, stratum: Stratum, design: Design) -> None:
    state.n += 1
    state.new = state.new.plus(stratum.new)
    state.old = state.old.plus(stratum.old)
    if stratum.old_a.total and stratum.old_b.total:
        _add_halves(state, stratum)
    if not stratum.new.total or not stratum.old.total:
        return
    new, old = stratum.new, stratum.old
    state.weight += _weight(new, old)
    _score(state.difference, new, old, design.tolerated)
    _score(state.beyond, new, old, design.margin)
    state.bursts.add(new, old)
    harm = tuple(design.tolerated * each for each in HARM_GRID)
    for logs in state.harm_logs:
        _grow(logs, new, old, design.tolerated, harm)
    _grow(state.safe_logs, new, old, design.margin, SAFE_GRID)


def _add_halves(state: _State, stratum: Stratum) -> None:
    a, b = stratum.old_a, stratum.old_b
    _score(state.halves, a, b, 1.0)
    state.old_bursts.add(a, b)
    _grow(state.a_logs, a, b, 1.0, HARM_GRID)
    _grow(state.b_logs, b, a, 1.0, HARM_GRID)


def _weight(new: Counts, old: Counts) -> float:
    return new.total * old.total / (new.total + old.total)


def _score(scores: Running, new: Counts, old: Counts, times: float) -> None:
    """Add the score of a bucket: what is bad of the new one beyond `times` what is bad of the old
    one; with its variance by chance alone, where the new share is `times` the old one."""
    weight, total = _weight(new, old), new.total + old.total
    base = min((new.failed + old.failed) / (times * new.total + old.total), 1.0)
    worse = min(times * base, 1.0)
    by_chance = worse * (1 - worse) / new.total + times**2 * base * (1 - base) / old.total
    unbiased = total / (total - 1)
    scores.add(weight * (new.ratio - times * old.ratio), weight**2 * by_chance * unbiased)


def _grow(
    logs: list[float], new: Counts, old: Counts, against: float, to: tuple[float, ...]
) -> None:
    found = log_ratios(new.failed, new.total, new.failed + old.failed, old.total, against, to)
    for j, each in enumerate(found):
        logs[j] += each


def _read(state: _State, design: Design) -> Reading:
    fast = FAST_PART * design.alpha
    slow = (1 - FAST_PART - LIMIT_PART) * design.alpha
    evidence, safe = _evidence(state.harm_logs), log_mean(tuple(state.safe_logs))
    lower, upper = state.difference.lower(slow), state.difference.upper(slow)
    scale = state.difference.n / state.weight if state.weight else 0.0
    dispersion = _greater(state.bursts.ratio(), state.old_bursts.ratio())
    single = dispersion is not None and dispersion <= MOST and not _halves_differ(state)
    state.placebo = state.placebo or _placebo(state)
    if state.harm is None and not state.placebo:
        if lower is not None and lower > 0:
            state.harm = "sequence"
        elif single and evidence >= -math.log(fast):
            state.harm = "evidence"
    return Reading(
        buckets=state.n,
        new=state.new,
        old=state.old,
        difference=state.difference.mean * scale if state.difference.n else None,
        lower=None if lower is None else lower * scale,
        upper=None if upper is None else upper * scale,
        evidence=_exp(evidence),
        safe=_exp(safe),
        dispersion=dispersion,
        placebo=state.placebo,
        harm=state.harm,
        proven=_proven(state, design, safe, dispersion),
    )


def _evidence(all_logs: list[list[float]]) -> float:
    """The evidence from the first bucket on and from each later start, weighed 1/2, 1/4, ...;
    what has not begun yet counts as 1."""
    parts: list[float] = []
    weight = math.log(0.5)
    for logs in all_logs:
        parts.append(weight + log_mean(tuple(logs)))
        weight += math.log(0.5)
    parts.append(weight - math.log(0.5))  # the rest of the weight, on starts to come
    top = max(parts)
    return top + math.log(sum(math.exp(part - top) for part in parts))


def _halves_differ(state: _State) -> bool:
    """Whether the exact test, asked about the baseline's halves, finds a difference."""
    limit = -math.log(PLACEBO_ALPHA / 2)
    return max(log_mean(tuple(state.a_logs)), log_mean(tuple(state.b_logs))) >= limit


def _placebo(state: _State) -> bool:
    """Whether the sequence, asked about the baseline's halves, finds a difference."""
    lower = state.halves.lower(PLACEBO_ALPHA / 2)
    upper = state.halves.upper(PLACEBO_ALPHA / 2)
    return lower is not None and upper is not None and (lower > 0 or upper < 0)


def _proven(state: _State, design: Design, safe: float, dispersion: float | None) -> bool:
    # Fewer buckets cannot show bursts, and a lull between two would pass for a good release.
    if state.difference.n < FIRST:
        return False
    enough = -math.log(design.beta)
    negligible = (
        design.negligible is not None
        and log_below(state.new.failed, state.new.total, design.negligible) >= enough
    )
    if safe < enough and not negligible:
        return False
    if dispersion is None or dispersion <= MOST or negligible:
        return True
    upper = state.beyond.upper(design.beta)
    return upper is not None and upper < 0


def _greater(one: float | None, other: float | None) -> float | None:
    found = [each for each in (one, other) if each is not None]
    return max(found, default=None)


def _exp(log: float) -> float:
    """As an e-value, kept within what JSON and people can read."""
    return math.exp(min(log, 69.0))
