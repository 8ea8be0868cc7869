"""What is said of a deployment of ECS, from what its API answers; and that the front answers so."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrate.core.errors import StepFailed, Unhealthy
from orchestrate.core.revision import Ref
from orchestrate.providers.aws_ecs.rollouts import judge
from orchestrate.providers.aws_ecs.seen import shares_of, why_ended
from tests.support.aws.shapes import Wrong, check, check_text

pytestmark = pytest.mark.unit


def deployment(status: str, **more: Any) -> Any:
    found = {
        "serviceDeploymentArn": "arn:aws:ecs:r:1:service-deployment/c/shop/abc",
        "createdAt": datetime(2026, 1, 1, tzinfo=UTC),
        "status": status,
        "targetServiceRevision": {"requestedTaskCount": 4, "runningTaskCount": 1},
        **more,
    }
    answer = {"serviceDeployments": [found], "failures": []}
    check("ecs", "DescribeServiceDeployments", answer)
    return found


@pytest.mark.parametrize("status", ["PENDING", "IN_PROGRESS"])
def test_under_way_is_not_done(status: str) -> None:
    said = judge(deployment(status), "1.0.0", [], towards=True)
    assert not said.done
    assert "1 of 4 run (deployment abc)" in said.text


def test_stage_weight_and_failures_are_told() -> None:
    found = deployment(
        "IN_PROGRESS",
        lifecycleStage="PRODUCTION_TRAFFIC_SHIFT",
        deploymentCircuitBreaker={"status": "MONITORING", "failureCount": 2, "threshold": 3},
        lifecycleHookDetails=[{"hookId": "h1", "status": "AWAITING_ACTION"}],
    )
    found["targetServiceRevision"]["requestedProductionTrafficWeight"] = 5.0
    said = judge(found, "1.0.0", [], towards=True).text
    assert said.startswith("production traffic shift: 1 of 4 run, 5% of the traffic, 2 failed")
    assert "waits for hook h1" in said


@pytest.mark.parametrize(
    "status",
    [
        "ROLLBACK_REQUESTED",
        "ROLLBACK_IN_PROGRESS",
        "ROLLBACK_SUCCESSFUL",
        "ROLLBACK_FAILED",
        "STOP_REQUESTED",
        "STOPPED",
    ],
)
def test_whatever_is_not_its_success_is_a_failure_of_it(status: str) -> None:
    breaker = {"status": "TRIGGERED", "failureCount": 3, "threshold": 3}
    with pytest.raises(Unhealthy) as raised:
        judge(deployment(status, deploymentCircuitBreaker=breaker), "1.0.0", ["why"], towards=True)
    assert f"deployment abc is {status}" in raised.value.why
    assert raised.value.why[-1] == "why"
    assert "that is a new revision" in raised.value.fix[0]


def test_stopped_by_somebody_is_no_fault_of_the_release() -> None:
    with pytest.raises(StepFailed) as raised:
        judge(deployment("STOPPED", statusReason="by a user"), "1.0.0", [], towards=True)
    assert type(raised.value) is StepFailed
    assert "by a user" in raised.value.why


def test_the_way_back_is_done_when_ecs_is_there_and_not_before() -> None:
    assert not judge(deployment("ROLLBACK_IN_PROGRESS"), "1.0.0", [], towards=False).done
    assert judge(deployment("ROLLBACK_SUCCESSFUL"), "1.0.0", [], towards=False).done
    with pytest.raises(StepFailed, match="did not get back"):
        judge(deployment("ROLLBACK_FAILED"), "1.0.0", [], towards=False)


def test_why_a_task_ended_is_one_line() -> None:
    container = {"name": "shop", "exitCode": 137, "reason": "OutOfMemoryError: killed"}
    task: Any = {"stoppedReason": "Essential container in task exited", "containers": [container]}
    said = why_ended(task)
    assert said.startswith("shop exited with code 137 (OutOfMemoryError: killed): Essential")


@pytest.mark.parametrize(
    ("counts", "percents"),
    [([1, 1], [50, 50]), ([1, 2], [33, 67]), ([1, 1, 1], [34, 33, 33]), ([0, 3], [0, 100])],
)
def test_shares_are_whole_percents_of_a_hundred(counts: list[int], percents: list[int]) -> None:
    refs = [Ref(key=str(n), version=str(n)) for n in range(len(counts))]
    assert list(shares_of(list(zip(refs, counts, strict=True))).values()) == percents


class TestTheModelsOfAws:
    def test_refuse_a_member_they_do_not_know(self) -> None:
        with pytest.raises(Wrong, match=r"services\[0\]\.colour is not in Service"):
            check("ecs", "DescribeServices", {"services": [{"colour": "green"}]})

    def test_refuse_a_word_that_is_not_in_their_list(self) -> None:
        with pytest.raises(Wrong, match="'DONE', not one of"):
            deployment("DONE")

    @pytest.mark.parametrize(
        ("service", "name", "kind", "text", "said"),
        [
            (
                "ssm",
                "DescribeParameters",
                "application/x-amz-json-1.1",
                '{"Parameters": [{"Colour": "green"}]}',
                "Colour is not in ParameterMetadata",
            ),
            (
                "application-autoscaling",
                "DescribeScalableTargets",
                "text/html",
                '{"ScalableTargets": [{"ServiceNamespace": "ecs"}]}',
                r"ScalableTargets\[0\]\.\w+ is missing",
            ),
            (
                "elasticloadbalancing",
                "DescribeTargetHealth",
                "text/xml",
                "<r><DescribeTargetHealthResult><TargetHealthDescriptions><member><TargetHealth>"
                "<State>fine</State></TargetHealth></member></TargetHealthDescriptions>"
                "</DescribeTargetHealthResult><ResponseMetadata/></r>",
                "State is 'fine', not one of",
            ),
        ],
    )
    def test_refuse_an_answer_as_it_is_sent(
        self, service: str, name: str, kind: str, text: str, said: str
    ) -> None:
        with pytest.raises(Wrong, match=said):
            check_text(service, name, {"Content-Type": kind}, text.encode())

    def test_refuse_a_number_that_is_a_text(self) -> None:
        with pytest.raises(Wrong, match="not a whole number"):
            check("ecs", "DescribeServices", {"services": [{"desiredCount": "2"}]})
