"""Sample-ratio mismatch: what passes as routed, what does not, and how often that is wrong."""

from __future__ import annotations

import random

import pytest
from ville import BernoulliTest

from orchestrate.core.analysis.shares import log_mismatch, mismatched
from tests.support.traffic import binomial

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("new", "both", "percent", "wrong"),
    [
        (0, 0, 10, False),
        (100, 1000, 10, False),
        (140, 1000, 10, False),  # within half as much again of the odds
        (1420, 10_000, 10, False),
        (1700, 10_000, 10, True),
        (500, 1000, 10, True),
        (0, 300, 10, True),
        (20, 1000, 10, True),
        (3, 3, 10, False),  # a handful says nothing
        (1000, 1000, 100, False),
    ],
)
def test_requests_arrive_as_routed_or_not(new: int, both: int, percent: int, wrong: bool) -> None:
    assert mismatched(new, both, percent) is wrong


def test_the_e_value_for_the_very_share_is_ville_s() -> None:
    dice = random.Random(3)
    outcomes = [float(dice.random() < 0.2) for _ in range(400)]
    theirs = BernoulliTest(0.1, prior=(1.0, 1.0)).update(outcomes).log_e_values_
    ours = [
        log_mismatch(int(sum(outcomes[:n])), n, 0.1, near=1.0) for n in range(1, len(outcomes) + 1)
    ]
    assert ours == pytest.approx(list(theirs), abs=1e-9)


def test_traffic_that_arrives_as_routed_is_hardly_ever_said_not_to() -> None:
    dice = random.Random(7)
    wrong = 0
    for _ in range(400):
        new = both = 0
        for _ in range(60):
            new, both = new + binomial(dice, 200, 0.05), both + 200
            if mismatched(new, both, 5):
                wrong += 1
                break
    assert wrong <= 2
