"""What is made of a Deployment's status, on what a real control plane said."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrate.providers.kubernetes.objects import condition
from orchestrate.providers.kubernetes.verdict import Verdict, judge
from tests.providers.kubernetes.recordings import SCENARIOS, recording

pytestmark = pytest.mark.unit

WELL = {"first-deploy", "rolling-ok", "rolling-slow", "rollback"}
BAD = {"bad-image", "crash", "oom", "unready", "missing-secret", "unschedulable", "quota"}


def verdicts(name: str) -> list[Verdict]:
    return [judge(each) for each in recording(name).objects("Deployment")]


def test_all_scenarios_of_the_recordings_are_here() -> None:
    rest = {"paused", "degrade-after", "blue-green-switch", "delete"}
    assert set(SCENARIOS) == WELL | BAD | rest


@pytest.mark.parametrize("name", sorted(WELL))
def test_a_rollout_that_goes_well_is_done_at_its_end_and_not_before(name: str) -> None:
    found = [verdict.state for verdict in verdicts(name)]
    assert found[-1] == "done"
    assert found[0] == "wait", "the status still speaks of the old generation"
    assert found == sorted(found, key=["wait", "done"].index), "once done it stays done"


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_bad_release_is_never_done_though_the_old_status_says_all_is_well(name: str) -> None:
    first = recording(name).objects("Deployment")[0]
    status: Any = first["status"]
    assert status["updatedReplicas"] == status["availableReplicas"] == 2, "the lie is there"
    assert {verdict.state for verdict in verdicts(name)} <= {"wait", "late", "refused"}
    assert verdicts(name)[-1].state == "late"


@pytest.mark.parametrize("name", sorted(BAD))
def test_available_stays_true_through_a_failed_roll_and_is_not_believed(name: str) -> None:
    last = recording(name).deployment
    assert condition(last, "Available")["status"] == "True", "the old Pods serve"
    assert judge(last).state == "late"


def test_a_quota_is_told_as_what_refuses() -> None:
    refused = [verdict for verdict in verdicts("quota") if verdict.state == "refused"]
    assert "exceeded quota" in refused[0].text


def test_a_paused_rollout_is_paused_and_not_waited_for() -> None:
    assert verdicts("paused")[-1].state == "paused"


def test_what_falls_ill_after_it_was_done_is_not_done_any_more() -> None:
    found = recording("degrade-after").objects("Deployment")
    states = [judge(each).state for each in found]
    assert "done" in states and states[-1] == "wait"
    assert condition(found[-1], "Available")["status"] == "False"
    assert condition(found[-1], "Progressing")["reason"] == "NewReplicaSetAvailable", "still"


def test_a_new_generation_is_waited_for_whatever_the_status_says() -> None:
    done: Any = recording("rolling-ok").deployment
    assert judge(done).state == "done"
    done["metadata"]["generation"] += 1
    assert judge(done).state == "wait"
