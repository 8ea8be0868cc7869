"""Canary analysis: what is said of counts."""

from __future__ import annotations

import pytest

from orchestrate.core.analysis.collect import Evidence
from orchestrate.core.analysis.counts import Counts
from orchestrate.core.analysis.limit import MIN_FAILURES
from orchestrate.core.analysis.verdict import Verdict, judge
from orchestrate.core.environment import AnalysePolicy

pytestmark = pytest.mark.unit

POLICY = AnalysePolicy(window_s=60, min_requests=20, max_error_ratio=0.05)
OLD = Counts(0, 1000)


def verdict_on(failed: int, total: int, elapsed_s: float, buckets: int = 0) -> Verdict:
    """On counts alone, or in so many alike buckets."""
    evidence = Evidence(
        buckets=((total // (buckets or 1), failed // (buckets or 1), 0, 100, 0, 0, 100, 0, 0),)
        * buckets,
        new=(total, failed, 0),
        old=(OLD.total, OLD.failed, 0),
    )
    return judge(evidence, POLICY, elapsed_s)


@pytest.mark.parametrize(
    ("failed", "total", "elapsed_s", "outcome"),
    [
        (0, 1000, 60, "promote"),
        (0, 1000, 59.9, "hold"),
        (0, 20, 60, "promote"),
        (0, 19, 60, "hold"),
        (0, 0, 600, "hold"),
        (50, 1000, 60, "promote"),  # at the limit, not over it
        (51, 1000, 60, "hold"),  # over it, which may be an accident
        (100, 1000, 1, "hold"),  # they may be one burst
        (520, 1000, 1, "abort"),  # at once, not at the end of the window
        (MIN_FAILURES, MIN_FAILURES, 0, "abort"),
        (MIN_FAILURES - 1, MIN_FAILURES - 1, 0, "hold"),
        (MIN_FAILURES - 1, 20, 60, "promote"),  # a ratio over a handful says nothing
    ],
)
def test_a_verdict_is_by_counts_and_time(
    failed: int, total: int, elapsed_s: float, outcome: str
) -> None:
    verdict = verdict_on(failed, total, elapsed_s)
    assert verdict.outcome == outcome
    assert (verdict.new, verdict.old) == (Counts(failed, total), OLD)


def test_no_data_is_said_as_such() -> None:
    verdict = verdict_on(0, 3, 61)
    assert verdict.reason == "no data: answered 3 of at least 20 requests"


def test_an_abort_says_the_counts_behind_it() -> None:
    verdict = verdict_on(40, 200, 5, buckets=4)
    assert verdict.reason == "failed 20.00% of 200, over the limit of 5%"


@pytest.mark.parametrize(
    ("later", "earlier", "added"),
    [
        (Counts(3, 100), Counts(1, 40), Counts(2, 60)),
        (Counts(3, 100), Counts(0, 0), Counts(3, 100)),
        (Counts(0, 10), Counts(1, 40), Counts(0, 10)),  # the counter began again
    ],
)
def test_what_was_added_survives_a_counter_that_began_again(
    later: Counts, earlier: Counts, added: Counts
) -> None:
    assert later.minus(earlier) == added
