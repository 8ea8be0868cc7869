"""Our tests against other people's: ville itself, and values scipy gave, in oracle.json."""

import json
import math
from pathlib import Path

import pytest
from ville import AsymptoticCS

from orchestrate.core.analysis.counts import Counts, Stratum
from orchestrate.core.analysis.dispersion import Dispersion
from orchestrate.core.analysis.evidence import log_above, log_below, log_ratios
from orchestrate.core.analysis.readings import Design, readings
from orchestrate.core.analysis.sequence import BEST, FIRST, Running
from tests.support.traffic import Scene

pytestmark = pytest.mark.unit

ORACLE = json.loads(Path(__file__).with_name("oracle.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", ORACLE["fisher"])
def test_a_bucket_s_likelihood_ratios_are_scipy_s(case: dict[str, object]) -> None:
    counts = [case[name] for name in ("bad", "new", "all_bad", "old")]
    found = log_ratios(*counts, case["against"], tuple(case["to"]))  # type: ignore[arg-type]
    assert found == pytest.approx(case["logs"], abs=1e-8)


@pytest.mark.parametrize("case", ORACLE["sequence"])
def test_the_confidence_sequence_is_ville_s(case: dict[str, float]) -> None:
    ours = Running()
    for value in ORACLE["values"][: int(case["n"])]:
        ours.add(value)
    # ville divides by n - 1, and finds the best width by search where we have the closed form.
    unbiased = math.sqrt(case["n"] / (case["n"] - 1))
    lower, upper = ours.lower(case["alpha"]), ours.upper(case["alpha"])
    assert lower is not None and upper is not None
    assert (ours.mean - lower) * unbiased == pytest.approx(ours.mean - case["lower"], rel=0.006)
    assert (upper - ours.mean) * unbiased == pytest.approx(case["upper"] - ours.mean, rel=0.006)


@pytest.mark.parametrize("alpha", [0.005, 0.045, 0.09])
@pytest.mark.parametrize("together", [0.0, 0.05])
def test_the_bounds_of_a_whole_canary_are_ville_s_at_every_look(
    alpha: float, together: float
) -> None:
    ours, theirs = Running(), AsymptoticCS(alpha=2 * alpha, t_opt=BEST, min_samples=FIRST)
    # ville searches for the best width; where the article has a closed form for it, as here, the
    # two differ by up to 1 % of the width, and else by nothing.
    log = -2 * math.log(2 * alpha)
    theirs.rho_ = BEST / (log + math.log(1 + log))
    for n, bucket in enumerate(Scene(new_rate=0.03, together=together).hour(17), start=1):
        value = bucket.new.ratio - bucket.old.ratio
        ours.add(value)
        theirs.update([value])
        if n < FIRST:
            continue
        lower, upper = ours.lower(alpha), ours.upper(alpha)
        assert lower is not None and upper is not None
        unbiased = math.sqrt(n / (n - 1))
        width = (ours.mean - lower) * unbiased, (upper - ours.mean) * unbiased
        low, high = theirs.interval()
        assert width == pytest.approx((ours.mean - low, high - ours.mean), rel=1e-9)


def test_a_ratio_is_one_on_average_where_it_is_tested_against() -> None:
    new, old, bad = 12, 60, 9
    ways = [math.comb(new, k) * math.comb(old, bad - k) for k in range(bad + 1)]
    for ratio in (0.5, 1.5, 8.0):
        mean = sum(
            way * math.exp(log_ratios(k, new, bad, old, 1.0, (ratio,))[0])
            for k, way in enumerate(ways)
        )
        assert mean / sum(ways) == pytest.approx(1.0)


@pytest.mark.parametrize("e_value", [log_above, log_below])
def test_an_e_value_for_a_limit_is_one_on_average_at_the_limit(e_value: object) -> None:
    limit, total = 0.1, 30
    mean = sum(
        math.comb(total, k)
        * limit**k
        * (1 - limit) ** (total - k)
        * math.exp(e_value(k, total, limit))  # type: ignore[operator]
        for k in range(total + 1)
    )
    assert mean == pytest.approx(1.0)


def test_a_bucket_with_one_side_empty_or_nothing_bad_says_nothing() -> None:
    for counts in ((0, 0, 3, 50), (2, 10, 2, 0), (0, 10, 0, 50), (10, 10, 60, 50)):
        assert log_ratios(*counts, 1.0, (3.0,)) == (0.0,)


def test_a_small_baseline_whose_errors_are_yet_to_come_refuses_nobody() -> None:
    alike = Stratum(Counts(5, 540), Counts(0, 60), Counts(0, 30), Counts(0, 30))
    *_, last = readings([alike] * 12, Design(alpha=0.05, beta=0.05))
    assert last.lower is not None and last.difference is not None
    assert last.difference > 0 > last.lower, "ten scores alike, and no deviation to be seen"


def test_bursts_of_a_version_with_nearly_all_requests_are_told_too() -> None:
    found = Dispersion()
    for number in range(20):
        found.add(Counts(30 * (number % 5 == 0), 540), Counts(3 * (number % 5 == 0), 60))
    ratio = found.ratio()
    assert ratio is not None and ratio > 1.5


def test_bursts_are_told_from_errors_one_by_one_and_from_a_worse_release() -> None:
    single, worse, bursts = Dispersion(), Dispersion(), Dispersion()
    for number in range(20):
        single.add(Counts(1 + number % 2, 100), Counts(11 - number % 2, 1000))
        worse.add(Counts(5 + number % 2, 100), Counts(11 - number % 2, 1000))
        bursts.add(Counts(8 * (number % 5 == 0), 100), Counts(10, 1000))
    found = [each.ratio() for each in (single, worse, bursts)]
    assert all(ratio is not None for ratio in found)
    assert found[0] < 1.5 and found[1] < 1.5 < found[2]  # type: ignore[operator]
