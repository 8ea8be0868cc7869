"""Why a rollout does not get on, on what a real control plane said."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrate.providers.kubernetes.diagnosis import explain, newest_set, pods_of, troubles
from tests.providers.kubernetes.recordings import recording

pytestmark = pytest.mark.unit

CAUSES = {
    "bad-image": ("image", "nosuch:v2"),
    "crash": ("crash", "ended with code"),
    "oom": ("crash", "OOMKilled, exit code 137"),
    "missing-secret": ("config", 'secret "absent" not found'),
    "unschedulable": ("unschedulable", "2 Insufficient cpu"),
    "quota": ("quota", "exceeded quota: q"),
    "unready": ("unready", "is not ready"),
}


@pytest.mark.parametrize("name", sorted(CAUSES))
def test_the_cause_is_found_and_named(name: str) -> None:
    cause, words = CAUSES[name]
    found = recording(name).troubles()
    assert found[0].cause == cause
    assert words in found[0].what


@pytest.mark.parametrize(
    "name", ["first-deploy", "rolling-ok", "rolling-slow", "rollback", "paused", "delete"]
)
def test_nothing_is_wrong_where_nothing_is(name: str) -> None:
    assert recording(name).troubles() == []


def test_a_first_start_is_no_trouble_before_its_status_is_there() -> None:
    found: Any = recording("crash").last("Pod")[-1]
    found["status"] = {"phase": "Pending"}
    assert troubles({}, None, [found]) == []


def test_a_previous_log_is_there_exactly_when_the_container_had_a_life_before() -> None:
    assert all(trouble.ended for trouble in recording("crash").troubles())
    assert not any(trouble.ended for trouble in recording("bad-image").troubles())


def test_only_the_pods_of_the_newest_template_are_looked_at() -> None:
    found = recording("bad-image")
    newest = newest_set(found.deployment, found.last("ReplicaSet"))
    assert newest is not None
    pods = pods_of(newest, found.last("Pod"))
    assert {pod["spec"]["containers"][0]["image"] for pod in pods} == {  # type: ignore[index]
        "registry.local/nosuch:v2"
    }


def test_a_set_of_another_deployment_of_the_same_revision_is_not_taken() -> None:
    found = recording("bad-image")
    other: Any = found.deployment
    other["metadata"]["uid"] = "another"
    assert newest_set(other, found.last("ReplicaSet")) is None


def test_the_explanation_holds_cause_condition_events_and_log_marked_as_untrusted() -> None:
    found = recording("crash")
    lines = explain(
        found.deployment, found.troubles(), found.last("Event"), ["no \x1b[31msettings"]
    )
    assert lines[0].startswith("untrusted | container app of Pod web-")
    assert any("Progressing: ProgressDeadlineExceeded" in line for line in lines)
    assert any("event: BackOff: Back-off restarting failed container" in line for line in lines)
    assert lines[-1] == "untrusted | no settings"
    assert all("\x1b" not in line for line in lines)


def test_three_pods_with_one_cause_are_told_once() -> None:
    found = recording("bad-image")
    many = found.troubles() * 3
    lines = [line for line in explain(found.deployment, many, [], []) if "nosuch" in line]
    assert len(lines) == 1
