"""The absolute limit, for errors one by one and in bursts."""

from __future__ import annotations

import math

import pytest

from orchestrate.core.analysis.counts import Counts
from orchestrate.core.analysis.limit import TOGETHER, log_above_together, surely_above

pytestmark = pytest.mark.unit

LIMIT, ALPHA = 0.05, 0.0005


def above(buckets: list[Counts]) -> bool:
    step = Counts(sum(b.failed for b in buckets), sum(b.total for b in buckets))
    return surely_above(step, buckets, LIMIT, ALPHA)


def bursts(count: int, least: int, most: int) -> list[Counts]:
    """Buckets of 300 requests, of which many fail in every other one."""
    return [Counts(most if n % 2 else least, 300) for n in range(count)]


def test_errors_one_by_one_are_judged_by_their_sum() -> None:
    assert above([Counts(30, 300), Counts(27, 300), Counts(33, 300)])
    assert not above([Counts(17, 300), Counts(15, 300), Counts(16, 300)])


def test_bursts_are_judged_by_bucket_and_need_ten_of_them() -> None:
    assert not above(bursts(9, 60, 180))
    assert above(bursts(12, 60, 180))


def test_bursts_that_may_be_an_accident_are_none() -> None:
    assert not above(bursts(12, 3, 60)), "their sum alone would be far over the limit"
    assert not above(bursts(40, 6, 30)), "they are no more than a little over it"


def test_what_may_be_a_single_burst_is_waited_for() -> None:
    assert not surely_above(Counts(60, 300), [], LIMIT, ALPHA)
    assert surely_above(Counts(8, 8), [], LIMIT, ALPHA)


@pytest.mark.parametrize("total", [5, 40])
@pytest.mark.parametrize("limit", [0.01, 0.05, 0.3])
def test_the_e_value_of_a_burst_is_1_on_average_at_the_limit(limit: float, total: int) -> None:
    average = sum(
        chance(k, total, limit) * math.exp(log_above_together(k, total, limit))
        for k in range(total + 1)
    )
    assert average == pytest.approx(1.0, rel=1e-9)


def chance(bad: int, total: int, share: float) -> float:
    """Of the beta-binomial, by the product of its urn."""
    certain = (1 - TOGETHER) / TOGETHER
    a, b = share * certain, (1 - share) * certain
    found = float(math.comb(total, bad))
    for n in range(total):
        found *= (a + n if n < bad else b + n - bad) / (certain + n)
    return found
