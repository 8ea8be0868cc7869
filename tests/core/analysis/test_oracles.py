"""Our tests against other people's: values that scipy and ville gave, in oracle.json."""

import json
import math
from pathlib import Path

import pytest

from orchestrate.core.analysis.counts import Counts
from orchestrate.core.analysis.dispersion import Dispersion
from orchestrate.core.analysis.evidence import log_above, log_below, log_ratios
from orchestrate.core.analysis.sequence import Running

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


def test_bursts_are_told_from_errors_one_by_one_and_from_a_worse_release() -> None:
    single, worse, bursts = Dispersion(), Dispersion(), Dispersion()
    for number in range(20):
        single.add(Counts(1 + number % 2, 100), Counts(11 - number % 2, 1000))
        worse.add(Counts(5 + number % 2, 100), Counts(11 - number % 2, 1000))
        bursts.add(Counts(8 * (number % 5 == 0), 100), Counts(10, 1000))
    found = [each.ratio() for each in (single, worse, bursts)]
    assert all(ratio is not None for ratio in found)
    assert found[0] < 1.5 and found[1] < 1.5 < found[2]  # type: ignore[operator]
