"""Plans: equal situations give equal digests, and what a platform cannot do is refused."""

import json
import subprocess
import sys
from typing import Any

import pytest

from orchestrate.core.canonical import digest
from orchestrate.core.deployment import Kind
from orchestrate.core.environment import Environment, EnvironmentType, Strategy, StrategyName
from orchestrate.core.errors import MetricsInvalid, MetricsMissing, StrategyUnsupported
from orchestrate.core.plan import Plan, keeps, make_plan, retire_plan, step_keys
from orchestrate.core.protocols import Capabilities, LiveState, Native, Replica, RunningRevision
from orchestrate.core.revision import Artifact, Ref, Revision, snapshot
from orchestrate.core.steps import Roll, Share, Stop
from orchestrate.core.words import step_title

pytestmark = pytest.mark.unit

EVERYTHING = Capabilities(frozenset(StrategyName), counts_requests=True)
PINNED = "sha256:a66dc1bcfed04a372f3baa920cbebdbb5a2416c9a36420131402b669866d4ad2"


def environment(**settings: object) -> Environment:
    strategy = {"type": "canary", "bake_s": 5.0, **settings}
    return Environment(
        app="shop",
        name="staging",
        type=EnvironmentType.STAGING,
        provider="local",
        config={"replicas": 2},
        strategy=Strategy.model_validate(strategy),
    )


def revision(version: str) -> Revision:
    artifact = Artifact(kind="directory", reference=f"releases/{version}", digest="sha256:1")
    return snapshot(environment(), version, artifact)


def running(*versions: str) -> LiveState:
    two = (Replica(0, "running"), Replica(1, "running"))
    live = revision(versions[0]).ref
    return LiveState(
        running=tuple(RunningRevision(revision(v).ref, 2, two) for v in versions),
        shares=(Share(revision=live, percent=100),),
    )


def plan(
    strategy: StrategyName | None = None,
    *,
    kind: Kind = Kind.DEPLOY,
    capabilities: Capabilities = EVERYTHING,
    **settings: object,
) -> Plan:
    return make_plan(
        environment(**settings),
        kind=kind,
        target=revision("1.1.0"),
        live=revision("1.0.0"),
        observed=running("1.0.0"),
        capabilities=capabilities,
        replicas=2,
        live_replicas=2,
        strategy=strategy,
    )


KEYS = {
    StrategyName.RECREATE: "stop start await-healthy route-100 verify-100",
    StrategyName.ROLLING: (
        "start await-healthy route-50 drain stop start~2 await-healthy~2 route-100 drain~2 stop~2 "
        "bake verify-100"
    ),
    StrategyName.BLUE_GREEN: (
        "start await-healthy verify-0 switch bake verify-100 route-100 drain stop"
    ),
    StrategyName.CANARY: (
        "start await-healthy route-10 analyse-10 route-25 analyse-25 route-50 analyse-50 route-100 "
        "bake verify-100 route-100~2 drain stop"
    ),
}


@pytest.mark.parametrize("strategy", StrategyName)
def test_a_plan_reads_as_its_strategy(strategy: StrategyName) -> None:
    assert " ".join(step_keys(plan(strategy).steps)) == KEYS[strategy]


def test_a_plan_starts_and_ends_with_a_revision_by_digest() -> None:
    found = plan()
    assert found.from_digest == revision("1.0.0").digest
    assert found.to_digest == revision("1.1.0").digest
    assert (found.old, found.new) == (revision("1.0.0").ref, revision("1.1.0").ref)


def test_the_digest_is_pinned() -> None:
    assert plan().digest == PINNED


def test_the_digest_is_that_of_the_text_and_survives_being_written_down() -> None:
    found = plan()
    assert digest(json.loads(found.text)) == found.digest
    assert Plan.model_validate_json(found.text) == found


def test_the_order_of_fields_changes_nothing() -> None:
    data = json.loads(plan().text)
    assert Plan.model_validate(dict(reversed(data.items()))).digest == PINNED


def test_another_process_gives_the_same_digest() -> None:
    program = (
        "import sys; from orchestrate.core.plan import Plan;"
        "print(Plan.model_validate_json(sys.stdin.read()).digest)"
    )
    for seed in ("1", "2"):
        answer = subprocess.run(
            [sys.executable, "-P", "-X", "utf8", "-c", program],
            input=plan().text,
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        )
        assert answer.stdout.strip() == PINNED


@pytest.mark.parametrize(
    "change",
    [
        {"strategy": StrategyName.BLUE_GREEN},
        {"kind": Kind.ROLLBACK},
        {"bake_s": 6.0},
        {"steps": (50, 100)},
        {"keep_old_s": 60.0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_plan_has_another_digest(change: dict[str, Any]) -> None:
    assert plan(**change).digest != PINNED


@pytest.mark.trap(44)
@pytest.mark.parametrize("strategy", list(StrategyName))
@pytest.mark.parametrize("kind", [Kind.DEPLOY, Kind.ROLLBACK])
def test_an_autoscaler_makes_no_other_plan(strategy: StrategyName, kind: Kind) -> None:
    """Whatever number it has come to: of what is live, and of what is kept beside it."""
    digests = set()
    for live, kept in ((2, 2), (7, 2), (1, 1), (3, 9)):
        seen = LiveState(
            running=tuple(
                RunningRevision(
                    revision(version).ref,
                    count,
                    tuple(Replica(n, "running") for n in range(count)),
                    counted_by_platform=True,
                )
                for version, count in (("1.0.0", live), ("1.1.0", kept))
            ),
            shares=(Share(revision=revision("1.0.0").ref, percent=100),),
        )
        planned, again = (
            make_plan(
                environment(),
                kind=kind,
                target=revision(target),
                live=revision("1.0.0"),
                observed=seen,
                capabilities=EVERYTHING,
                replicas=2,
                live_replicas=2,
                strategy=strategy,
            )
            for target in ("1.1.0", "1.0.0")
        )
        digests.add(planned.digest)
        assert again.steps == (), "what is live is there already"
    assert len(digests) == 1


def test_what_the_platform_cannot_do_is_refused_with_what_it_can() -> None:
    able = Capabilities(frozenset({StrategyName.RECREATE, StrategyName.BLUE_GREEN}))
    with pytest.raises(StrategyUnsupported) as caught:
        plan(capabilities=able)
    assert caught.value.message == "local cannot do canary"
    assert "local can do: blue-green, recreate" in caught.value.why
    assert caught.value.fix[0].endswith("--strategy blue-green")


QUERY = {"total": 'hits{v="{{version}}"}', "bad": 'bad{v="{{version}}"}'}


def sourced(**queries: object) -> dict[str, object]:
    metrics = {"source": "prometheus", "url": "http://p", "queries": queries}
    return {"analyse": {"metrics": metrics}}


def test_an_analysis_of_what_nobody_counts_is_refused_with_ways_out() -> None:
    blind = Capabilities(frozenset(StrategyName))
    for settings in ({}, sourced(checkout=QUERY)):
        with pytest.raises(MetricsMissing) as caught:
            plan(capabilities=blind, **settings)
        assert caught.value.why[0] == "local counts no requests"
        assert "source: prometheus" in caught.value.fix[0]
        assert caught.value.fix[1].endswith("--strategy rolling")
    assert plan(capabilities=blind, **sourced(errors=QUERY)).steps
    assert plan(StrategyName.ROLLING, capabilities=blind).steps, "nothing is analysed there"
    slow = {"analyse": {"latency_quantile": 0.95, **sourced(errors=QUERY)["analyse"]}}  # type: ignore[dict-item]
    with pytest.raises(MetricsMissing, match="nothing counts"):
        plan(capabilities=blind, **slow)


@pytest.mark.trap(53)
def test_queries_that_cannot_tell_the_old_from_the_new_are_refused() -> None:
    blend = {"total": 'hits{app="{{app}}"}', "bad": 'bad{app="{{app}}"}'}
    with pytest.raises(MetricsInvalid, match="cannot tell the new"):
        plan(**sourced(errors=blend))


def test_what_is_asked_of_a_source_is_part_of_the_plan_s_digest() -> None:
    changed = {**QUERY, "critical": False}
    found = {plan(**sourced(errors=QUERY, checkout=each)).digest for each in (QUERY, changed)}
    assert len(found) == 2


def test_keys_of_steps_are_unique() -> None:
    for strategy in StrategyName:
        keys = step_keys(plan(strategy).steps * 3)
        assert len(set(keys)) == len(keys)


def test_a_plan_says_how_long_the_old_revision_is_kept() -> None:
    assert keeps(plan(keep_old_s=600.0)) == 600
    assert keeps(plan()) == 0


def test_retiring_stops_what_was_kept_and_leaves_the_live_revision_alone() -> None:
    kept = (revision("1.0.0").ref, Ref(key="c" * 12, version="0.9.0"))
    found = retire_plan(environment(keep_old_s=600.0), revision("1.1.0"), kept)
    assert found.kind is Kind.RETIRE
    assert [step.revision for step in found.steps if isinstance(step, Stop)] == list(kept)
    assert all(not step.undo for step in found.steps)
    assert keeps(found) == 0
    assert found.from_digest == found.to_digest == revision("1.1.0").digest


class TestNative:
    """A strategy that the platform carries out whole."""

    ITSELF = Capabilities(
        strategies=frozenset({StrategyName.CANARY}),
        native={StrategyName.CANARY: Native("by the platform: 5% for 10m, then all", 600)},
        missing={StrategyName.BLUE_GREEN: "give it two slots"},
    )

    @pytest.mark.parametrize("kind", [Kind.DEPLOY, Kind.ROLLBACK])
    def test_is_one_step_there_and_back(self, kind: Kind) -> None:
        found = plan(kind=kind, capabilities=self.ITSELF)
        assert step_keys(found.steps) == ("roll", "verify-100")
        roll = found.steps[0]
        assert isinstance(roll, Roll)
        assert [undo.kind for undo in roll.undo] == ["roll"]
        assert roll.within_s == 2 * environment().health.start_timeout_s + 600

    def test_says_in_the_plan_what_it_does(self) -> None:
        roll = plan(capabilities=self.ITSELF).steps[0]
        title = step_title(roll.model_dump(mode="json"))
        assert title == "roll to 1.1.0, 2 replicas, by the platform: 5% for 10m, then all"

    def test_leaves_what_another_would_need_to_the_refusal(self) -> None:
        with pytest.raises(StrategyUnsupported) as raised:
            plan(StrategyName.BLUE_GREEN, capabilities=self.ITSELF)
        assert raised.value.fix[-1] == "give it two slots"

    def test_changes_no_digest_where_there_is_none(self) -> None:
        assert "how" not in plan(StrategyName.ROLLING, capabilities=EVERYTHING).text
        assert "template" not in revision("1.0.0").model_dump(mode="json")["artifact"]
