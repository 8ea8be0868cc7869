"""What happens when a deployment fails, and when taking it back fails too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrate.core.deployment import Kind
from orchestrate.core.environment import StrategyName
from orchestrate.core.errors import (
    AnalysisAbort,
    Cancelled,
    DeadlineExceeded,
    StepFailed,
    TemporaryError,
    Unhealthy,
    VerificationFailed,
)
from tests.support.rehearsal import Json, Rehearsal, Script, rehearsal

ALL = tuple(StrategyName)
BESIDE = (StrategyName.BLUE_GREEN, StrategyName.CANARY, StrategyName.ROLLING)
AWAY = TemporaryError("the platform does not answer")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Rehearsal]:
    """1.0.0 is live."""
    with rehearsal(tmp_path) as found:
        assert found.run("1.0.0", StrategyName.BLUE_GREEN).phase == "succeeded"
        yield found


def failed(kind: type[StepFailed] = VerificationFailed) -> StepFailed:
    return kind("1.1.0 could not be verified", why=["GET / answered 500"])


@pytest.mark.trap(29)
@pytest.mark.parametrize("strategy", ALL)
def test_a_failure_after_the_switch_brings_the_old_one_back_whole(
    stage: Rehearsal, strategy: StrategyName
) -> None:
    script = Script(look={"verify-100": failed()})
    done = stage.run("1.1.0", strategy, script)
    assert (done.phase, done.result) == ("rolled_back", "verification_failed")
    assert (stage.serves(), stage.runs(), stage.live()) == ({"1.0.0": 100}, {"1.0.0": 2}, "1.0.0")
    assert stage.state("1.1.0") == "quarantined"


@pytest.mark.trap(29)
def test_a_switch_that_was_done_and_whose_answer_was_lost_is_taken_back(stage: Rehearsal) -> None:
    lost = StepFailed("the answer was lost")
    done = stage.run("1.1.0", StrategyName.BLUE_GREEN, Script(after={"switch": lost}))
    assert done.phase == "rolled_back"
    assert stage.serves() == {"1.0.0": 100}


@pytest.mark.trap(29)
def test_a_failure_before_the_switch_never_touches_the_traffic(stage: Rehearsal) -> None:
    script = Script(look={"await_healthy": failed(Unhealthy)})
    done = stage.run("1.1.0", StrategyName.BLUE_GREEN, script)
    assert (done.phase, stage.runs()) == ("rolled_back", {"1.0.0": 2})
    steps = stage.steps(done.seq or 0)
    moved = {key for key in steps if "route" in key or "switch" in key}
    assert {steps[key] for key in moved} == {"skipped"}


def test_a_platform_that_dies_in_the_middle_and_comes_back_is_waited_for(
    stage: Rehearsal,
) -> None:
    script = Script(look={"verify-100": failed()}, act={"undo-route-100": [AWAY] * 20})
    done = stage.run("1.1.0", StrategyName.BLUE_GREEN, script)
    assert (done.phase, stage.serves()) == ("rolled_back", {"1.0.0": 100})


@pytest.mark.trap(12)
def test_one_that_never_comes_back_keeps_what_serves_and_says_so(stage: Rehearsal) -> None:
    script = Script(look={"verify-100": failed()}, act={"undo-route-100": [AWAY] * 500})
    done = stage.run("1.1.0", StrategyName.BLUE_GREEN, script)
    assert (done.phase, done.result) == ("rollback_failed", "verification_failed")
    assert stage.serves() == {"1.1.0": 100}
    assert stage.runs()["1.1.0"] == 2, "what serves is not stopped"
    assert done.error is not None
    assert any("taking it back failed" in str(line) for line in done.error["why"])
    left = len(script.act["undo-route-100"])
    assert left > 400, "it was tried for minutes, not for ever"


@pytest.mark.trap(12)
@pytest.mark.trap(34)
def test_undone_is_not_taken_back_while_the_traffic_is_elsewhere(stage: Rehearsal) -> None:
    script = Script(look={"verify-100": failed()}, ignored={"undo-route-100"})
    script.ignored |= {"drain", "undo-stop"}
    done = stage.run("1.1.0", StrategyName.BLUE_GREEN, script)
    assert done.phase == "rollback_failed"
    assert done.error is not None
    assert "everything was undone, and the traffic is not where it was" in " ".join(
        map(str, done.error["why"])
    )


@pytest.mark.trap(5)
@pytest.mark.trap(9)
def test_a_rollback_that_fails_its_checks_serves_all_the_same(stage: Rehearsal) -> None:
    assert stage.run("1.1.0", StrategyName.BLUE_GREEN).phase == "succeeded"
    script = Script(look={"verify-100": failed()})
    done = stage.run("1.0.0", StrategyName.BLUE_GREEN, script, Kind.ROLLBACK)
    assert (done.phase, done.result) == ("rollback_failed", "verification_failed")
    assert stage.serves() == {"1.0.0": 100}, "what it left is not brought back"
    assert stage.live() == "1.0.0", "what is recorded is what serves"
    assert stage.state("1.0.0") == "verified", "it is not refused: it serves"
    assert done.error is not None
    assert "it serves all the same" in " ".join(map(str, done.error["why"]))


def test_a_rollback_to_what_does_not_become_healthy_leaves_what_serves(stage: Rehearsal) -> None:
    assert stage.run("1.1.0", StrategyName.BLUE_GREEN).phase == "succeeded"
    script = Script(look={"await_healthy": failed(Unhealthy)})
    done = stage.run("1.0.0", StrategyName.BLUE_GREEN, script, Kind.ROLLBACK)
    assert (done.phase, stage.serves(), stage.live()) == ("rolled_back", {"1.1.0": 100}, "1.1.0")


@pytest.mark.parametrize(
    ("script", "result"),
    [
        (Script(look={"drain": StepFailed("the platform says no")}), "step_failed"),
        (Script(look={"drain": DeadlineExceeded("not done within 60s")}), "deadline"),
        (Script(act={"stop": [StepFailed("1.1.0 did not stop")]}), "step_failed"),
        (Script(act={"route-100": [AWAY] * 9}), "temporary"),
    ],
    ids=["drain", "deadline", "stop", "away"],
)
def test_a_rollback_that_has_arrived_stays_whatever_fails_after_that(
    stage: Rehearsal, script: Script, result: str
) -> None:
    assert stage.run("1.1.0", StrategyName.BLUE_GREEN).phase == "succeeded"
    done = stage.run("1.0.0", StrategyName.BLUE_GREEN, script, Kind.ROLLBACK)
    assert (done.phase, done.result) == ("rollback_failed", result)
    assert (stage.serves(), stage.live()) == ({"1.0.0": 100}, "1.0.0")
    assert stage.runs()["1.0.0"] == 2
    assert done.error is not None
    assert str(done.error["message"]).startswith("rolled back, and ")


def test_a_rollback_that_somebody_cancels_goes_back_to_where_it_was(stage: Rehearsal) -> None:
    assert stage.run("1.1.0", StrategyName.BLUE_GREEN).phase == "succeeded"
    script = Script(act={"stop": [Cancelled("cancelled by lee")]})
    done = stage.run("1.0.0", StrategyName.BLUE_GREEN, script, Kind.ROLLBACK)
    assert (done.phase, stage.serves()) == ("rolled_back", {"1.1.0": 100})


@pytest.mark.parametrize("where", ["drain", "stop"])
@pytest.mark.parametrize("strategy", [StrategyName.BLUE_GREEN, StrategyName.CANARY])
def test_a_verified_release_is_not_undone_since_the_old_one_does_not_go(
    stage: Rehearsal, strategy: StrategyName, where: str
) -> None:
    script = Script(look={where: StepFailed("1.0.0 did not stop within 30s")})
    done = stage.run("1.1.0", strategy, script, keep_old_s=0.0)
    assert (done.phase, done.result) == ("rollback_failed", "step_failed")
    assert (stage.serves(), stage.live()) == ({"1.1.0": 100}, "1.1.0")
    assert stage.state("1.1.0") == "verified"
    assert done.error is not None
    assert done.error["message"] == (
        "1.1.0 is verified and serves, and 1.0.0 did not stop within 30s"
    )
    assert "a person must look now: orchestrate deploy status" in done.error["fix"]


def test_a_release_that_fails_before_it_is_verified_is_undone_whatever_fails(
    stage: Rehearsal,
) -> None:
    script = Script(act={"stop": [StepFailed("1.0.0 did not stop")]})
    done = stage.run("1.1.0", StrategyName.ROLLING, script)
    assert (done.phase, stage.serves()) == ("rolled_back", {"1.0.0": 100})


@pytest.mark.parametrize("kind", [Unhealthy, AnalysisAbort])
def test_what_a_rollback_leads_to_is_not_quarantined(
    stage: Rehearsal, kind: type[StepFailed]
) -> None:
    assert stage.run("1.1.0", StrategyName.BLUE_GREEN).phase == "succeeded"
    script = Script(look={"await_healthy": failed(kind)})
    done = stage.run("1.0.0", StrategyName.BLUE_GREEN, script, Kind.ROLLBACK)
    assert not done.quarantined
    assert stage.state("1.0.0") == "verified"


def test_what_is_live_is_not_quarantined_when_completing_it_fails(stage: Rehearsal) -> None:
    (key,) = (k for k, n in stage.platform.running.items() if n)
    stage.platform.running[key] = 1
    done = stage.run("1.0.0", StrategyName.BLUE_GREEN, Script(look={"await_healthy": failed()}))
    assert (done.phase, done.result) == ("failed", "verification_failed")
    assert not done.quarantined
    assert stage.state("1.0.0") == "verified"


@pytest.mark.parametrize("strategy", BESIDE)
def test_a_cancel_is_heard_between_two_attempts(stage: Rehearsal, strategy: StrategyName) -> None:
    script = Script(act={"start": [AWAY] * 3})
    told: list[Json] = [{"action": "cancel", "by": "lee"}]
    done = stage.run("1.1.0", strategy, script, messages=told)
    assert (done.phase, done.result) == ("rolled_back", "cancelled")
    assert len(script.act["start"]) == 2, "it was not tried again"
    assert stage.serves() == {"1.0.0": 100}


@pytest.mark.trap(30)
@pytest.mark.parametrize("strategy", BESIDE)
def test_time_in_which_nobody_watched_counts_against_the_deadline(
    stage: Rehearsal, strategy: StrategyName
) -> None:
    done = stage.run("1.1.0", strategy, Script(clock=3600))
    assert (done.phase, done.result, stage.serves()) == ("rolled_back", "deadline", {"1.0.0": 100})


def test_one_that_runs_out_of_time_says_what_it_was_waiting_for(stage: Rehearsal) -> None:
    script = Script(held={"analyse-10": 9}, late={"analyse-10"})
    done = stage.run("1.1.0", StrategyName.CANARY, script)
    assert (done.phase, done.result) == ("rolled_back", "deadline")
    assert done.error is not None
    assert done.error["why"][0] == "it was waiting: hold"


@pytest.mark.trap(7)
def test_a_first_deployment_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with rehearsal(tmp_path) as stage:
        done = stage.run("1.0.0", StrategyName.CANARY, Script(look={"verify-100": failed()}))
        assert done.phase == "rolled_back"
        assert (stage.serves(), stage.runs(), stage.live()) == ({}, {}, None)


@pytest.mark.trap(6)
def test_after_twenty_failures_in_a_row_the_good_one_is_still_found(stage: Rehearsal) -> None:
    for number in range(20):
        stage.run(f"2.0.{number}", StrategyName.BLUE_GREEN, Script(look={"verify-0": failed()}))
    assert (stage.live(), stage.serves()) == ("1.0.0", {"1.0.0": 100})
    assert stage.run("3.0.0", StrategyName.BLUE_GREEN).phase == "succeeded"
    back = stage.run("1.0.0", StrategyName.BLUE_GREEN, kind=Kind.ROLLBACK)
    assert (back.phase, stage.serves()) == ("succeeded", {"1.0.0": 100})
