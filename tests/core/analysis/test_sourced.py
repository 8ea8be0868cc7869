"""Counts of a metric source: what is read when, what is missing, several metrics, two arms."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from orchestrate.core.analysis import collect
from orchestrate.core.analysis.collect import Evidence
from orchestrate.core.analysis.counts import Counts
from orchestrate.core.analysis.sourced import Due, Slots, Sourced, due, slot_length
from orchestrate.core.analysis.verdict import Verdict, critical, design, judge, metrics
from orchestrate.core.environment import AnalysePolicy
from orchestrate.core.errors import MetricsInvalid
from orchestrate.core.metrics import MetricQuery, Metrics, fill, refuse_blend, values

pytestmark = pytest.mark.unit

SLOT_S = 30.0
QUERY = {"total": 'hits{v="{{version}}"}', "bad": 'bad{v="{{version}}"}'}


def sources(**queries: Mapping[str, object]) -> Metrics:
    named = queries or {"errors": QUERY}
    return Metrics.model_validate(
        {"source": "prometheus", "url": "http://p", "delay_s": 20, "queries": named}
    )


def policy(given: Metrics | None = None, **changes: object) -> AnalysePolicy:
    usual = {"window_s": 300, "min_requests": 20, "metrics": given or sources()}
    return AnalysePolicy.model_validate({**usual, **changes})


Per = tuple[int, int]
"""All and bad in a slot."""


def watched(
    slots: int, evidence: Evidence | None = None, **found: tuple[Per | None, Per | None]
) -> Evidence:
    """Evidence after that many slots, alike for each metric: of the new and of the old one."""
    before = evidence or Evidence()
    what = Due(since=before.sourced.until or 0.0, slots=slots, slot_s=SLOT_S)
    return collect.read(
        before,
        what,
        {name: (row(new, slots), row(old, slots)) for name, (new, old) in found.items()},
    )


def row(each: Per | None, slots: int) -> Slots:
    return [None if each is None else Counts(each[1], each[0])] * slots


def verdict(evidence: Evidence, given: AnalysePolicy, **more: float) -> Verdict:
    return judge(evidence, given, evidence.watched_s, **more)  # type: ignore[arg-type]


# -- what is read when


@pytest.mark.trap(47)
def test_a_span_is_read_only_once_the_source_has_had_time_for_it() -> None:
    given = sources()  # final after 20 s, counted in 30 s
    assert due(Sourced(), given, 60.0, begun=95.0, now=199.9) is None
    assert due(Sourced(), given, 60.0, begun=95.0, now=200.0) == Due(
        since=120.0, slots=2, slot_s=30.0
    )
    later = Sourced(until=180.0)
    assert due(later, given, 60.0, begun=95.0, now=259.9) is None
    assert due(later, given, 60.0, begun=95.0, now=320.0) == Due(since=180.0, slots=4, slot_s=30.0)


def test_what_became_final_while_nobody_looked_is_read_later() -> None:
    found = due(Sourced(until=0.0), sources(), 60.0, begun=0.0, now=1e6)
    assert found == Due(since=0.0, slots=60, slot_s=30.0), "at most half an hour at a look"


def test_half_a_bucket_is_no_shorter_than_the_source_can_count() -> None:
    assert slot_length(sources(), 10.0) == 30.0
    assert slot_length(sources(), 60.0) == 30.0
    assert slot_length(sources(), 100.0) == 60.0


def test_readings_in_one_go_and_one_by_one_give_the_same_bits() -> None:
    once = watched(20, errors=((50, 1), (450, 4)))
    often = Evidence()
    for _ in range(10):
        often = watched(2, often, errors=((50, 1), (450, 4)))
        often = Evidence.model_validate(json.loads(often.model_dump_json()))
    assert once == often
    assert verdict(once, policy()) == verdict(often, policy())


# -- what is missing


@pytest.mark.trap(45)
def test_a_source_without_values_holds_and_stops_the_clock() -> None:
    some = watched(8, errors=((50, 0), (450, 0)))
    none = watched(12, some, errors=(None, (450, 0)))
    found = verdict(none, policy())
    assert (found.outcome, found.state) == ("hold", "no_data")
    assert found.reason == "no data: prometheus has no values of errors for both versions"
    assert none.watched_s == some.watched_s == 240.0
    assert (found.new, found.old) == (Counts(0, 400), Counts(0, 3600))


def test_no_data_for_longer_than_is_waited_for_is_no_verdict() -> None:
    none = watched(20, errors=(None, None))
    assert verdict(none, policy(no_data_s=600), waited_s=899).state == "no_data"
    found = verdict(none, policy(no_data_s=600), waited_s=900)
    assert (found.outcome, found.state) == ("hold", "inconclusive")


def test_it_is_the_time_without_data_that_counts_and_not_how_long_it_went_on_before() -> None:
    good = watched(200, errors=((50, 0), (450, 0)))
    failing = collect.unanswered(good, "prometheus gave no answer")
    for dark_s, state in ((0, "no_data"), (599, "no_data"), (600, "inconclusive")):
        found = verdict(failing, policy(no_data_s=600), waited_s=6000, dark_s=dark_s)
        assert (found.outcome, found.state) == ("hold", state)


@pytest.mark.trap(51)
def test_a_question_that_is_not_answered_never_promotes() -> None:
    good = watched(200, errors=((50, 0), (450, 0)))
    assert verdict(good, policy()).outcome == "promote"
    failing = collect.unanswered(good, "prometheus gave no answer")
    found = verdict(failing, policy())
    assert (found.outcome, found.state) == ("hold", "no_data")
    assert "prometheus gave no answer" in found.reason
    again = watched(2, failing, errors=((50, 0), (450, 0)))
    assert verdict(again, policy()).outcome == "promote"


def test_buckets_that_one_metric_lacks_are_no_buckets_of_the_others() -> None:
    both = watched(20, errors=((50, 0), (450, 0)), slow=(None, (450, 9)))
    assert len(both.sourced.buckets["errors"]) == len(both.sourced.buckets["slow"]) == 10
    assert both.sourced.buckets["slow"] == (None,) * 10


# -- several metrics


def several(**changes: object) -> AnalysePolicy:
    queries = {
        "errors": QUERY,
        "checkout": QUERY,
        "cold": {**QUERY, "critical": False},
    }
    return policy(sources(**queries), **changes)


FINE = {
    "errors": ((50, 0), (450, 0)),
    "checkout": ((50, 1), (450, 9)),
    "cold": ((50, 5), (450, 45)),
}


def test_alpha_is_divided_among_all_metrics() -> None:
    given = several(latency_quantile=None)
    assert metrics(given) == ("errors", "checkout", "cold")
    assert {design(given, each).alpha for each in metrics(given)} == {0.05 / 3}
    assert critical(given) == ("errors", "checkout")


def test_any_metric_that_is_worse_refuses_the_release_with_both_counts() -> None:
    for name in ("checkout", "cold"):
        worse = {**FINE, name: ((50, 25), (450, 45))}
        found = verdict(watched(60, **worse), several())
        assert found.outcome == "abort", name
        assert found.reason.startswith(f"{name}: bad 50.00% of 3,000, the old one 10.00% of 27,000")


def test_a_critical_metric_without_data_holds_and_another_does_not() -> None:
    without = {**FINE, "checkout": (None, (450, 9))}
    assert verdict(watched(60, **without), several()).state == "no_data"
    without = {**FINE, "cold": (None, (450, 45))}
    assert verdict(watched(60, **without), several()).outcome == "promote"


def test_a_critical_metric_of_which_nothing_was_compared_yet_holds() -> None:
    early = watched(4, **{**FINE, "checkout": (None, None)})
    found = verdict(early, several(window_s=60))
    assert (found.outcome, found.state) == ("hold", "no_data")
    assert found.reason == "no data: nothing was counted of checkout yet"


def test_with_a_horizon_every_critical_metric_must_be_proven() -> None:
    given = several(horizon_s=36_000)
    unproven = {**FINE, "checkout": ((50, 0), (450, 0))}
    assert verdict(watched(60, **unproven), given).outcome == "hold", "nothing was bad in either"
    proven = verdict(watched(1000, **FINE), given)
    assert (proven.outcome, proven.state) == ("promote", "proven")
    cold = {**FINE, "cold": ((50, 0), (450, 0))}
    assert verdict(watched(1000, **cold), given).outcome == "promote"


# -- the two arms


def test_requests_that_do_not_arrive_as_routed_prove_nothing() -> None:
    many = watched(60, errors=((300, 30), (300, 3)))
    found = verdict(many, policy(max_error_ratio=0.5), percent=10)
    assert (found.outcome, found.state) == ("hold", "mismatch")
    assert found.reason.startswith("50.0% of 36,000 requests reached the new one and 10%")
    late = verdict(many, policy(max_error_ratio=0.5, horizon_s=600), percent=10)
    assert late.state == "inconclusive"
    as_routed = verdict(many, policy(max_error_ratio=0.5), percent=50)
    assert as_routed.outcome == "abort"


def test_a_mismatch_excuses_nobody_from_the_limit() -> None:
    many = watched(60, errors=((300, 200), (300, 3)))
    assert verdict(many, policy(), percent=10).outcome == "abort"


@pytest.mark.trap(46)
def test_a_baseline_over_the_limit_itself_judges_nobody() -> None:
    both = watched(20, errors=((50, 10), (450, 90)))
    found = verdict(both, policy())
    assert (found.outcome, found.state) == ("hold", "baseline")
    assert "the old one failed 20.00% of 9,000, over the limit of 5% itself" in found.reason
    worse = watched(60, errors=((50, 40), (450, 90)))
    assert verdict(worse, policy()).outcome == "abort", "worse than a bad one is worse"


@pytest.mark.trap(52)
def test_failures_of_a_long_good_run_do_not_add_up_to_a_refusal() -> None:
    given = policy(horizon_s=604_800, margin=1.01)
    evidence = Evidence()
    for _ in range(10):
        evidence = watched(400, evidence, errors=((200, 2), (1800, 18)))
        assert verdict(evidence, given).outcome == "hold"
    assert evidence.new[1] == 8000


# -- queries


@pytest.mark.trap(53)
@pytest.mark.parametrize("value", ["", ".*", 'x"} or {v=~".+', "1.0.0 "])
def test_an_empty_or_a_wild_label_is_never_filled_in(value: str) -> None:
    with pytest.raises(MetricsInvalid):
        fill(str(QUERY["total"]), {"version": value})
    with pytest.raises(MetricsInvalid):
        fill("{{unknown}}", {"version": "1.0.0"})


@pytest.mark.trap(53)
def test_a_query_that_is_the_same_for_both_would_compare_a_blend() -> None:
    new, old = values("1.0.0", "aaa", "shop", "prod"), values("1.0.0", "bbb", "shop", "prod")
    with pytest.raises(MetricsInvalid, match="cannot tell the new"):
        refuse_blend(sources(), new, old)
    by_key = {"total": 'hits{r="{{revision}}"}', "bad": 'bad{r="{{revision}}"}'}
    refuse_blend(sources(errors=by_key), new, old)


def test_what_is_good_is_no_second_name_for_what_is_bad() -> None:
    assert MetricQuery(total="t", good="g").other == "g"
    assert MetricQuery(total="t", bad="b").other == "b"


def test_a_step_of_more_traffic_keeps_what_was_read_and_reads_anew() -> None:
    before = watched(20, errors=((50, 1), (450, 9)))
    after = collect.next_step(before)
    assert (after.sourced.until, after.sourced.starts) == (None, (10,))
    assert after.sourced.buckets == before.sourced.buckets
    assert (after.new, after.watched_s) == ((0, 0, 0), 0.0)
