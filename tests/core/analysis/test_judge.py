"""Verdicts from evidence, and evidence from counters: looks, restarts, gaps, resets, no data."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrate.core.analysis.collect import (
    Evidence,
    Seen,
    Triple,
    bucket_length,
    frozen,
    in_step,
    next_step,
    seen,
    unseen,
)
from orchestrate.core.analysis.counts import Counts
from orchestrate.core.analysis.expect import Traffic, expect
from orchestrate.core.analysis.picture import svg
from orchestrate.core.analysis.verdict import Verdict, judge, read
from orchestrate.core.environment import AnalysePolicy

pytestmark = pytest.mark.unit

WINDOW = AnalysePolicy(window_s=50, min_requests=20)
PROOF = AnalysePolicy(window_s=50, horizon_s=600)
Added = tuple[float, Triple, Triple]
"""Seconds since the last look, and what each version counted meanwhile."""


def watched(
    policy: AnalysePolicy, looks: Sequence[Added], evidence: Evidence | None = None
) -> Evidence:
    """Evidence after looks, the first of them at nothing."""
    at, new, old = 1000.0, (5, 0, 0), (7000, 70, 0)
    found = seen(evidence or Evidence(), Seen(at=at, new=new, old=old), policy)
    for span, more_new, more_old in looks:
        at, new, old = at + span, plus(new, more_new), plus(old, more_old)
        found = seen(found, Seen(at=at, new=new, old=old), policy)
    return found


def plus(one: Triple, other: Triple) -> Triple:
    return (one[0] + other[0], one[1] + other[1], one[2] + other[2])


def steady(count: int, failed_new: int = 0, failed_old: int = 0, slow: int = 0) -> list[Added]:
    return [(5.0, (100, failed_new, slow), (900, failed_old, 9))] * count


def verdict(policy: AnalysePolicy, looks: Sequence[Added]) -> Verdict:
    evidence = watched(policy, looks)
    return judge(evidence, policy, evidence.watched_s)


def test_a_clean_release_is_promoted_when_its_window_is_over_and_not_before() -> None:
    assert verdict(WINDOW, steady(9)).outcome == "hold"
    assert verdict(WINDOW, steady(10)).outcome == "promote"


@pytest.mark.trap(45)
def test_too_few_requests_are_no_data_and_hold() -> None:
    found = verdict(WINDOW, [(5.0, (1, 0, 0), (900, 0, 0))] * 15)
    assert (found.outcome, found.state) == ("hold", "no_data")
    assert "answered 15 of at least 20" in found.reason


def test_a_broken_release_is_refused_at_once() -> None:
    found = verdict(WINDOW, [(1.0, (6, 6, 0), (50, 0, 0))])
    assert found.outcome == "abort"
    assert "failed 100.00% of 6, over the limit of 5%" in found.reason


@pytest.mark.trap(52)
def test_a_few_failures_over_the_limit_are_doubtful_and_not_refused() -> None:
    found = verdict(WINDOW, [(5.0, (9, 0, 0), (90, 3, 0))] * 9 + [(5.0, (9, 5, 0), (90, 3, 0))])
    assert (found.outcome, found.state) == ("hold", "suspicious")


def test_far_more_errors_than_before_are_refused_below_the_limit() -> None:
    policy = WINDOW.model_copy(update={"max_error_ratio": 0.5})
    found = verdict(policy, steady(30, failed_new=4, failed_old=3))
    assert (found.outcome, found.state) == ("abort", "refused")
    assert "failed 4.00% of" in found.reason and "the old one 0.33% of" in found.reason


def test_slow_answers_are_compared_where_a_quantile_is_named() -> None:
    policy = WINDOW.model_copy(update={"latency_quantile": 0.95})
    assert verdict(policy, steady(30, slow=1)).outcome == "promote"
    found = verdict(policy, steady(30, slow=30))
    assert found.outcome == "abort"
    assert found.reason.startswith("slower than the old one's 95th percentile:")
    assert verdict(WINDOW, steady(30, slow=30)).outcome == "promote", "it was not asked for"


def test_with_a_horizon_only_proof_promotes() -> None:
    assert verdict(PROOF, steady(11, failed_new=1, failed_old=9)).state == "watching"
    found = verdict(PROOF, steady(110, failed_new=1, failed_old=9))
    assert (found.outcome, found.state) == ("promote", "proven")


def test_a_release_without_a_single_error_is_proven_by_their_absence() -> None:
    found = verdict(PROOF, steady(30))
    assert (found.outcome, found.state) == ("promote", "proven")


def test_at_the_horizon_without_proof_there_is_no_verdict() -> None:
    found = verdict(PROOF, [(5.0, (3, 0, 0), (27, 0, 0))] * 121)
    assert (found.outcome, found.state) == ("hold", "inconclusive")
    assert found.reason.startswith("no verdict within 600s: failed 0.00% of 360")


def test_a_baseline_that_disagrees_with_itself_proves_nothing() -> None:
    # In each bucket the half that is called the first one fails, whichever comes first in time.
    quiet, failing = (5.0, (100, 1, 0), (900, 0, 0)), (5.0, (100, 1, 0), (900, 40, 0))
    found = verdict(PROOF, [failing, quiet, quiet, failing] * 10)
    assert found.readings[0][1].placebo
    assert (found.outcome, found.state) == ("hold", "baseline")


@pytest.mark.trap(46)
def test_a_baseline_that_disagrees_with_itself_is_not_compared_with() -> None:
    policy = WINDOW.model_copy(update={"max_error_ratio": 0.5})
    new = (100, 12, 0)
    failing, quiet = (5.0, new, (900, 60, 0)), (5.0, new, (900, 0, 0))
    found = verdict(policy, [failing, quiet, quiet, failing] * 10)
    lower = found.readings[0][1].lower
    assert lower is not None and lower > 0
    assert (found.outcome, found.state) == ("hold", "suspicious"), "not refused, and not passed"
    assert "disagrees with itself" in found.reason


def test_as_good_as_a_baseline_that_disagrees_with_itself_is_promoted() -> None:
    failing, quiet = (5.0, (100, 3, 0), (900, 60, 0)), (5.0, (100, 3, 0), (900, 0, 0))
    found = verdict(WINDOW, [failing, quiet, quiet, failing] * 10)
    assert found.readings[0][1].placebo
    assert (found.outcome, found.state) == ("promote", "clean")
    assert "disagrees with itself" in found.reason


@pytest.mark.trap(51)
def test_counters_that_cannot_be_read_are_nobody_s_fault() -> None:
    evidence = unseen(watched(WINDOW, steady(10)))
    found = judge(evidence, WINDOW, evidence.watched_s)
    assert (found.outcome, found.state) == ("hold", "no_data")
    again = seen(evidence, Seen(at=1060, new=(1200, 0, 0), old=(17000, 70, 0)), WINDOW)
    assert judge(again, WINDOW, again.watched_s).outcome == "promote"


@pytest.mark.trap(47)
def test_nobody_looking_stops_the_clock_and_makes_no_bucket() -> None:
    before = watched(WINDOW, steady(4))
    assert (before.watched_s, len(before.buckets)) == (20.0, 2)
    gap = watched(WINDOW, [*steady(4), (300.0, (5000, 0, 0), (40000, 0, 0))])
    assert (gap.watched_s, gap.buckets) == (20.0, before.buckets)
    assert gap.new == (5400, 0, 0), "counted all the same"


@pytest.mark.trap(56)
def test_a_clock_that_is_set_back_stops_the_analysis_for_a_look_and_not_for_an_hour() -> None:
    before = watched(WINDOW, steady(4))
    back = seen(before, Seen(at=1020 - 3600, new=(505, 0, 0), old=(11500, 70, 0)), WINDOW)
    assert (back.watched_s, back.buckets) == (20.0, before.buckets)
    assert back.new == (500, 0, 0), "counted all the same"
    on = seen(back, Seen(at=1025 - 3600, new=(605, 0, 0), old=(12400, 70, 0)), WINDOW)
    on = seen(on, Seen(at=1030 - 3600, new=(705, 0, 0), old=(13300, 70, 0)), WINDOW)
    assert (on.watched_s, len(on.buckets)) == (30.0, 3)


@pytest.mark.trap(48)
def test_a_counter_that_begins_again_counts_from_zero() -> None:
    evidence = watched(WINDOW, steady(4))
    begun = seen(evidence, Seen(at=1025, new=(40, 1, 0), old=(16600, 70, 0)), WINDOW)
    assert begun.new == (440, 1, 0)


def test_a_side_without_requests_makes_no_stratum() -> None:
    found = verdict(WINDOW, [(5.0, (0, 0, 0), (900, 30, 0))] * 60)
    assert found.readings[0][1].evidence == 1.0
    assert found.readings[0][1].difference is None


def test_what_is_warming_up_is_not_compared() -> None:
    policy = WINDOW.model_copy(update={"warm_up_s": 20.0})
    evidence = watched(policy, steady(10))
    assert len(evidence.buckets) == 3
    assert evidence.new == (1000, 0, 0), "the limit holds all the same"


def test_the_next_step_carries_the_evidence_over_and_counts_anew() -> None:
    evidence = next_step(watched(WINDOW, steady(20, failed_new=1, failed_old=9)))
    assert (len(evidence.buckets), evidence.starts, evidence.new) == (10, (10,), (0, 0, 0))
    after = watched(WINDOW, [(5.0, (900, 0, 0), (900, 0, 0))] * 2, evidence)
    assert len(after.buckets) == 11


def test_errors_that_begin_at_a_later_step_are_seen_in_spite_of_a_good_beginning() -> None:
    policy = WINDOW.model_copy(update={"max_error_ratio": 1.0})
    good = watched(policy, steady(400, failed_new=1, failed_old=9))
    late = watched(policy, steady(8, failed_new=5, failed_old=9), next_step(good))
    assert judge(good, policy, 600).outcome == "promote"
    assert judge(late, policy, 100).outcome == "abort"
    alone = late.model_copy(update={"starts": ()})
    assert judge(alone, policy, 100).outcome == "promote", "the good beginning hides it"


def test_what_is_slow_is_counted_only_since_it_is_known() -> None:
    evidence = frozen(watched(WINDOW, steady(3)), 0.25)
    assert (evidence.slow_over_s, evidence.last, evidence.part.seconds) == (0.25, None, 0.0)


def test_a_bucket_is_a_fifth_of_the_window_within_bounds() -> None:
    lengths = {0: 0.5, 5: 1.0, 60: 10.0, 3600: 10.0}
    for window_s, length in lengths.items():
        assert bucket_length(AnalysePolicy(window_s=window_s)) == length
    assert bucket_length(AnalysePolicy(bucket_s=60)) == 60
    assert bucket_length(AnalysePolicy(horizon_s=3600)) == 10
    assert bucket_length(AnalysePolicy(horizon_s=86_400)) == 120


def test_a_step_that_goes_on_has_longer_buckets_and_not_ever_more_of_them() -> None:
    policy = AnalysePolicy(window_s=60, bucket_s=0.5)
    evidence, at, new = Evidence(), 0.0, 0
    while at < 4 * 3600:
        at += bucket_length(policy, in_step(evidence)) / 2
        new += 1
        evidence = seen(evidence, Seen(at=at, new=(new, 0, 0), old=(0, 0, 0)), policy)
    assert len(evidence.buckets) < 6 * 720, "of 28,800 half seconds"
    counted = sum(bucket.new.total for bucket in evidence.counted())
    assert evidence.new[0] - counted < 10, "every request is in one of them"
    again = next_step(evidence)
    assert (in_step(again), len(again.buckets)) == (0, len(evidence.buckets))


Counted = st.tuples(
    st.floats(min_value=0.5, max_value=30), st.integers(0, 60), st.integers(0, 400), st.booleans()
)


@settings(max_examples=60, deadline=None)
@given(looks=st.lists(Counted, min_size=1, max_size=60), cut=st.integers(0, 60))
def test_a_restart_in_the_middle_gives_the_same_bits(
    looks: list[tuple[float, int, int, bool]], cut: int
) -> None:
    policy = PROOF.model_copy(update={"latency_quantile": 0.9})
    added: list[Added] = [
        (span, (new, new // 7 * bad, new // 5), (old, old // 90, old // 11))
        for span, new, old, bad in looks
    ]
    straight, restarted = Evidence(), Evidence()
    at, new, old = 0.0, (0, 0, 0), (0, 0, 0)
    for number, (span, more_new, more_old) in enumerate(added):
        at, new, old = at + span, plus(new, more_new), plus(old, more_old)
        now = Seen(at=at, new=new, old=old)
        straight, restarted = seen(straight, now, policy), seen(restarted, now, policy)
        if number == cut:
            restarted = Evidence.model_validate_json(restarted.model_dump_json())
    assert straight == restarted
    first, second = (judge(each, policy, each.watched_s) for each in (straight, restarted))
    assert first == second
    assert repr(first) == repr(second)


def test_what_can_be_expected_is_what_the_planning_formula_says() -> None:
    """research: 55 errors, about 8 min at 600 requests a minute and 1 %, measured 10."""
    traffic = Traffic(10.0, Counts(1000, 100_000))
    policy = AnalysePolicy(window_s=60, bucket_s=60, horizon_s=3600)
    found = expect(traffic, 5, policy)
    after = dict(found.sees)
    assert after[3.0] is not None and 10 * 60 <= after[3.0] <= 20 * 60
    assert after[10.0] is not None and after[2.0] is not None
    assert after[10.0] <= after[3.0] < after[2.0]
    assert found.promote_s is not None and 15 * 60 < found.promote_s < 45 * 60
    assert found.problem is None
    short = expect(traffic, 5, policy.model_copy(update={"horizon_s": 300.0}))
    assert short.problem is not None and "the horizon is 5 min" in short.problem


def test_without_traffic_nothing_can_be_expected() -> None:
    found = expect(None, 10, WINDOW)
    assert found.problem and found.promote_s is None
    assert [after for _, after in found.sees] == [None, None, None]


def test_the_picture_is_well_formed_whatever_there_is_to_draw() -> None:
    from xml.etree import ElementTree

    for looks in ([], steady(2), steady(40, failed_new=2, failed_old=9)):
        readings = list(read(watched(WINDOW, looks), WINDOW, "errors"))
        root = ElementTree.fromstring(svg({"errors": readings, "a<b": readings}, "a < b & c", "x"))
        assert root.tag.endswith("svg")
        assert [g.findtext("{*}text") for g in root.iterfind("{*}g")] == ["errors", "a<b"]
