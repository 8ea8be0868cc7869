"""What is journalled of looks: as much as they add, and all that they remember."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrate.core.analysis.collect import Evidence
from orchestrate.core.analysis.verdict import judge
from orchestrate.core.environment import AnalysePolicy
from orchestrate.core.protocols import RequestCounts
from orchestrate.core.revision import Ref
from orchestrate.core.steps import Analyse, Bake, Share
from orchestrate.engine.answers import Json, object_in, with_evidence
from orchestrate.engine.executors.look import Scene
from orchestrate.engine.growing import added, whole
from orchestrate.engine.hands import look_at
from tests.support.pretended import Pretended
from tests.support.records import revision

pytestmark = pytest.mark.unit

NEW, OLD = Ref(key="new", version="2"), Ref(key="old", version="1")
POLICY = AnalysePolicy(window_s=7200, min_requests=20, max_error_ratio=0.05, bucket_s=2.0)
ANALYSE = Analyse(revision=NEW, baseline=OLD, percent=50, policy=POLICY)
BAKE = Bake(revision=NEW, baseline=OLD, for_s=7200, policy=POLICY)

leaves = st.integers(0, 3) | st.none() | st.text(max_size=2)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner),
)


@given(st.dictionaries(st.text(max_size=2), values), st.dictionaries(st.text(max_size=2), values))
def test_what_is_added_makes_the_whole_again(before: Json, after: Json) -> None:
    assert whole(before, json.loads(json.dumps(added(before, after)))) == after


def test_a_list_that_grew_is_told_by_what_follows() -> None:
    before: Json = {"evidence": {"buckets": [[1, 2], [3, 4]], "new": [4, 0, 0]}}
    after: Json = {"evidence": {"buckets": [[1, 2], [3, 4], [5, 6]], "new": [9, 0, 0]}}
    told = added(before, after)
    assert "[1, 2]" not in json.dumps(told) and "[5, 6]" in json.dumps(told)
    assert whole(before, told) == after


def test_what_was_journalled_before_is_read_as_it_stands() -> None:
    memory: Json = {"evidence": {"buckets": [[1, 2]]}, "streaks": {"0": 1}}
    assert whole({"evidence": {"buckets": []}}, memory) == memory


@pytest.mark.parametrize("step", [ANALYSE, BAKE], ids=["analyse", "bake"])
def test_the_journal_grows_with_the_looks_and_not_with_their_square(step: Analyse | Bake) -> None:
    once, _, _ = watched(step, 300)
    twice, _, _ = watched(step, 600)
    assert twice < 2.2 * once, f"{once} and {twice} bytes"


def test_a_verdict_is_recorded_with_the_counts_it_can_be_computed_again_from() -> None:
    _, memory, data = watched(ANALYSE, 100)
    kept = object_in(with_evidence(data, memory)["verdict"])
    evidence = Evidence.model_validate(kept["evidence"])
    assert len(evidence.buckets) == 49
    again = judge(evidence, POLICY, evidence.watched_s, percent=50)
    assert (again.outcome, again.reason) == (kept["outcome"], kept["reason"])
    assert "last" not in object_in(kept["evidence"])


def watched(step: Analyse | Bake, looks: int) -> tuple[int, Json, Json]:
    """Bytes journalled in so many looks, what the last one remembers, and what it said."""
    platform = Pretended(shares=(Share(revision=OLD, percent=50), Share(revision=NEW, percent=50)))
    time = [1000.0]
    found = {"new": revision("2"), "old": revision("1")}
    scene = Scene(platform, found.__getitem__, clock=lambda: time[0])
    memory: Json = {"evidence": {}}
    size, data = 0, Json()
    for look in range(looks):
        platform.counts = {key: RequestCounts(total=10 * look) for key in ("new", "old")}
        answer = json.loads(json.dumps(look_at(step, scene, memory)))
        size += len(json.dumps(answer))
        memory = whole(memory, answer["memory"])
        data = object_in(answer["data"])
        time[0] += 1.0
    return size, memory, data
