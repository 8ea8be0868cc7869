"""Steps that are judged by a metric source, on one that counts what a test says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from orchestrate.core.analysis.counts import Counts
from orchestrate.core.check import CheckResult
from orchestrate.core.environment import (
    AnalysePolicy,
    Environment,
    EnvironmentType,
    Strategy,
    StrategyName,
)
from orchestrate.core.errors import (
    AnalysisAbort,
    MetricSourceRefused,
    MetricsUnavailable,
    NoVerdict,
    OrchestrateError,
    RateLimited,
)
from orchestrate.core.metrics import MetricQuery, Metrics
from orchestrate.core.protocols import RequestCounts
from orchestrate.core.revision import Ref
from orchestrate.core.steps import Analyse, Bake, Share
from orchestrate.engine.checks import metrics as check
from orchestrate.engine.checks.subject import Subject
from orchestrate.engine.executors.look import Scene
from orchestrate.engine.site import Site
from tests.support.pretended import Pretended, Watch
from tests.support.records import revision
from tests.support.secrets import NoSecrets

pytestmark = pytest.mark.unit

NEW, OLD = Ref(key="new", version="2"), Ref(key="old", version="1")
QUERY = {"total": 'hits{v="{{version}}"}', "bad": 'bad{v="{{version}}"}'}
Per = tuple[int, int]
"""All and bad in a slot."""


@dataclass
class Source:
    """A source that remembers nothing: the same in each slot, until a test says otherwise."""

    counts: dict[tuple[str, str], Per | None] = field(default_factory=dict)
    error: OrchestrateError | None = None
    asked: list[tuple[str, str, float, int]] = field(default_factory=list)

    def read(
        self, query: MetricQuery, name: str, revision: Ref, since: float, slots: int, slot_s: float
    ) -> Sequence[Counts | None]:
        self.asked.append((name, revision.key, since, slots))
        if self.error is not None:
            raise self.error
        found = self.counts.get((name, revision.key))
        return [None if found is None else Counts(found[1], found[0])] * slots


def policy(*names: str, **changes: object) -> AnalysePolicy:
    metrics = Metrics.model_validate(
        {
            "source": "prometheus",
            "url": "http://p",
            "delay_s": 10,
            "resolution_s": 5,
            "queries": dict.fromkeys(names or ("errors",), QUERY),
        }
    )
    usual = {"window_s": 60, "min_requests": 20, "metrics": metrics}
    return AnalysePolicy.model_validate({**usual, **changes})


def watch(source: Source | None, given: AnalysePolicy, platform: Pretended | None = None) -> Watch:
    step = Analyse(revision=NEW, baseline=OLD, percent=10, policy=given)
    scene = Scene(platform or Pretended(), lambda key: revision("2"), source=source)
    return Watch(step, scene)


def looks(waiting: Watch, seconds: int, every: float = 5.0) -> list[str]:
    return [waiting.look(every).text for _ in range(int(seconds / every))]


def test_a_platform_that_counts_nothing_is_judged_by_the_source() -> None:
    source = Source({("errors", "new"): (10, 0), ("errors", "old"): (90, 0)})
    waiting = watch(source, policy())
    found = looks(waiting, 90)
    assert found[-1] == "promote: failed 0.00% of 140, limit 5%"
    spans = [(since, slots) for _, key, since, slots in source.asked if key == "new"]
    assert spans[0][0] == 1005.0, "from the first whole span of the step on"
    ends = [since + slots * 5 for since, slots in spans]
    assert [since for since, _ in spans[1:]] == ends[:-1], "each span once, without a hole"


@pytest.mark.trap(47)
def test_nothing_is_read_of_what_is_not_final_yet() -> None:
    source = Source({("errors", "new"): (10, 0), ("errors", "old"): (90, 0)})
    waiting = watch(source, policy())
    looks(waiting, 60)
    last = max(since + slots * 5 for _, _, since, slots in source.asked)
    assert last <= waiting.time - 10


@pytest.mark.trap(51)
@pytest.mark.parametrize(
    "error",
    [
        MetricsUnavailable("prometheus gave no answer"),
        RateLimited("prometheus asks to be asked less often"),
        MetricSourceRefused("prometheus does not take the question"),
    ],
)
def test_a_question_without_an_answer_holds_for_as_long_as_it_lasts(
    error: OrchestrateError,
) -> None:
    source = Source({("errors", "new"): (10, 0), ("errors", "old"): (90, 0)}, error)
    waiting = watch(source, policy())
    assert looks(waiting, 600)[-1] == f"hold: no data: {error.message}"
    source.error = None
    assert waiting.look(5).text.startswith("promote"), "what was missed is read later"


def test_no_data_for_too_long_ends_without_blame() -> None:
    waiting = watch(Source(), policy(no_data_s=120))
    with pytest.raises(NoVerdict):
        looks(waiting, 400)


def test_one_question_in_vain_late_in_an_analysis_is_not_too_long_without_data() -> None:
    source = Source({("errors", "new"): (2, 0), ("errors", "old"): (18, 0)})
    waiting = watch(source, policy(no_data_s=120, horizon_s=7200))
    assert "not yet proven" in looks(waiting, 1200)[-1]
    source.error = MetricsUnavailable("prometheus gave no answer")
    assert looks(waiting, 115)[-1] == "hold: no data: prometheus gave no answer"
    source.error = None
    assert "not yet proven" in waiting.look(5).text
    source.error = MetricsUnavailable("prometheus gave no answer")
    with pytest.raises(NoVerdict, match="no data: prometheus gave no answer"):
        looks(waiting, 135)


def test_a_worse_release_is_refused_with_both_counts() -> None:
    source = Source({("errors", "new"): (30, 3), ("errors", "old"): (270, 1)})
    with pytest.raises(AnalysisAbort) as raised:
        looks(watch(source, policy()), 600)
    assert "2 failed 10.00% of" in raised.value.message
    assert "1 failed 0.37% of" in raised.value.message


def test_a_metric_of_its_own_is_judged_beside_the_platform_s_errors() -> None:
    platform = Pretended()
    source = Source({("checkout", "new"): (30, 15), ("checkout", "old"): (270, 27)})
    waiting = watch(source, policy("checkout"), platform)
    with pytest.raises(AnalysisAbort) as raised:
        for number in range(200):
            platform.counts = {
                "new": RequestCounts(total=30 * number),
                "old": RequestCounts(total=270 * number),
            }
            waiting.look(2.5)
    assert "checkout: bad 50.00% of" in raised.value.message


@pytest.mark.trap(53)
def test_both_revisions_are_asked_for_and_nothing_else() -> None:
    source = Source({("errors", "new"): (10, 0), ("errors", "old"): (90, 0)})
    looks(watch(source, policy()), 60)
    assert {key for _, key, _, _ in source.asked} == {"new", "old"}


class TestBake:
    STEP = Bake(revision=NEW, baseline=OLD, for_s=30, policy=policy())

    def watch(self, source: Source) -> Watch:
        return Watch(self.STEP, Scene(Pretended(), lambda key: revision("2"), source=source))

    def test_ends_when_the_source_has_told_all_of_it(self) -> None:
        source = Source({("errors", "new"): (10, 0)})
        waiting = self.watch(source)
        found = [waiting.look(5) for _ in range(12)]
        first = next(n for n, each in enumerate(found) if each.done)
        assert 5 * first > 30, "not before it is over and counted"
        assert {key for _, key, _, _ in source.asked} == {"new"}

    @pytest.mark.trap(45)
    def test_does_not_end_while_the_source_is_away(self) -> None:
        source = Source(error=MetricsUnavailable("prometheus gave no answer"))
        waiting = self.watch(source)
        found = [waiting.look(5) for _ in range(30)][-1]
        assert (found.done, found.text) == (False, "no data: prometheus gave no answer")

    def test_refuses_failures(self) -> None:
        waiting = self.watch(Source({("errors", "new"): (50, 10)}))
        with pytest.raises(AnalysisAbort):
            for _ in range(30):
                waiting.look(5)


class TestBeforehand:
    """The check `metrics`, before anything begins."""

    def ask(self, source: Source, **changes: object) -> list[CheckResult]:
        environment = Environment(
            app="shop",
            name="prod",
            type=EnvironmentType.STAGING,
            provider="kubernetes",
            strategy=Strategy(type=StrategyName.CANARY, analyse=policy()),
        )
        platform = Pretended(shares=(Share(revision=OLD, percent=100),))
        site = Site(1, environment, platform, NoSecrets(), source)  # type: ignore[arg-type]
        subject = Subject(site=site, home=None)  # type: ignore[arg-type]
        return check.check(replace(subject, **changes))  # type: ignore[arg-type]

    def test_says_what_is_live_like(self) -> None:
        (found,) = self.ask(Source({("errors", "old"): (90, 1)}))
        assert (found.result, found.code) == ("pass", None)
        assert "the live 1 has errors 1.11% of 5,400 in the last 5 min" in found.text

    @pytest.mark.trap(46)
    def test_an_alarm_that_is_on_already_is_not_the_release_s(self) -> None:
        (found,) = self.ask(Source({("errors", "old"): (90, 30)}))
        assert (found.result, found.code) == ("fail", "baseline_unhealthy")
        assert "over the limit of 5% itself" in found.text
        assert self.ask(Source({}), strategy=StrategyName.ROLLING) == [], "the mending gets through"

    @pytest.mark.trap(45)
    def test_no_data_is_an_error_and_no_pass(self) -> None:
        (found,) = self.ask(Source())
        assert (found.result, found.code) == ("error", "no_data")

    def test_a_source_that_refuses_is_found_before(self) -> None:
        with pytest.raises(MetricSourceRefused):
            self.ask(Source(error=MetricSourceRefused("no")))
