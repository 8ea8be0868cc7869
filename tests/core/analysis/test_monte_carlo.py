"""The guarantees, by simulation with fixed seeds: a fast set; the full one is bench/analysis.py."""

import math

import pytest

from orchestrate.core.analysis.readings import Design
from orchestrate.core.environment import AnalysePolicy
from tests.support.traffic import Scene, judged, middle, never_promoted, tally

pytestmark = pytest.mark.unit

ALPHA = 0.05
DESIGN = Design(alpha=ALPHA, beta=0.05, negligible=0.005)
HARM = never_promoted(DESIGN)
WHOLE = AnalysePolicy(window_s=7200.0, bucket_s=60.0, alpha=ALPHA)
"""All tests and the limit of 5 % together, and no promotion."""
HOURS = 60
SAME = Scene()
ALIKE = {
    "one by one": SAME,
    "drift": SAME.but(drift=0.7),
    "weights": SAME.but(weights=(0.05, 0.25, 0.5)),
    "bursts of 0.02": SAME.but(together=0.02),
    "bursts of 0.05": SAME.but(together=0.05),
    "95 % to the new one": SAME.but(new=570.0, old=30.0),
    "90 % and bursts of 0.05": SAME.but(new=540.0, old=60.0, together=0.05),
    "equal": SAME.but(new=200.0, old=200.0, new_rate=0.002, old_rate=0.002),
}


@pytest.mark.parametrize("name", ALIKE)
def test_a_release_that_is_no_worse_is_hardly_ever_refused(name: str) -> None:
    found = tally(ALIKE[name], HARM, HOURS, seed=1000)
    assert found.aborts <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / HOURS)


@pytest.mark.parametrize("name", ["one by one", "bursts of 0.05"])
def test_nor_is_it_when_one_looks_at_each_fifth_bucket(name: str) -> None:
    found = tally(ALIKE[name], HARM, HOURS, every=5, seed=1000)
    assert found.aborts <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / HOURS)


@pytest.mark.parametrize("drift", [0.0, 0.3])
def test_three_times_the_errors_are_seen_soon(drift: float) -> None:
    found = tally(SAME.but(new_rate=0.03, drift=drift), HARM, HOURS, seed=2000)
    assert found.median_of_all <= 17
    assert found.aborts >= 0.95


@pytest.mark.parametrize("drift", [0.0, 0.3])
def test_three_times_the_errors_are_seen_in_bursts_too(drift: float) -> None:
    found = tally(SAME.but(new_rate=0.03, drift=drift, together=0.02), HARM, 120, seed=3000)
    assert found.median <= 27
    assert found.aborts >= 0.905 - 3 * math.sqrt(0.905 * 0.095 / 120)


def test_a_good_release_is_promoted_and_one_twice_as_bad_is_not() -> None:
    busy = SAME.but(new=300.0, old=2700.0, minutes=30)
    assert tally(busy, DESIGN, HOURS, seed=4000).promotions >= 0.9
    worse = tally(busy.but(new_rate=0.02), DESIGN, HOURS, seed=5000)
    assert worse.promotions <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / HOURS)
    assert worse.aborts > 0.9


@pytest.mark.parametrize("rate, together", [(0.045, 0.02), (0.05, 0.05)])
def test_a_release_no_worse_near_the_limit_is_hardly_ever_refused(
    rate: float, together: float
) -> None:
    hours = 30
    scene = SAME.but(
        new=300.0, old=300.0, new_rate=rate, old_rate=rate, together=together, minutes=30
    )
    found = judged(scene, WHOLE, hours, seed=1000)
    assert found.aborts <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / hours)


def test_far_over_the_limit_is_refused_soon_in_bursts_too() -> None:
    scene = SAME.but(new=300.0, old=300.0, new_rate=0.2, together=0.05, minutes=20)
    found = judged(scene, WHOLE, 20, seed=1000)
    assert (found.aborts, found.median <= 10) == (1.0, True)


def test_at_600_requests_a_minute_a_good_release_is_proven_within_90_minutes() -> None:
    scene = SAME.but(drift=0.3, minutes=90)
    found = tally(scene, DESIGN, HOURS, seed=8000)
    assert found.promotions >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / HOURS)
    assert middle(found.proven) <= 30
    worse = tally(scene.but(new_rate=0.02), DESIGN, HOURS, seed=9000)
    assert worse.promotions <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / HOURS)


def test_twice_the_errors_in_bursts_are_not_promoted_in_a_lull() -> None:
    found = tally(SAME.but(new_rate=0.02, together=0.05), DESIGN, 120, seed=7000)
    assert found.promotions <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 120)


def test_looking_seldom_finds_the_same_later_and_never_more() -> None:
    scene = SAME.but(new_rate=0.03)
    each, fifth = (tally(scene, HARM, 20, every=every, seed=6000) for every in (1, 5))
    assert len(fifth.aborted) == len(each.aborted)
    assert all(0 <= late - soon < 5 for soon, late in zip(each.aborted, fifth.aborted, strict=True))
