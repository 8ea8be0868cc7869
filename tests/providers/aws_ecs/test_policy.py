"""docs/providers/aws_ecs-policy.json allows every call that the provider makes, and no other."""

from __future__ import annotations

import ast
import fnmatch
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import botocore.session
import pytest

from tests.support.repository import ROOT

pytestmark = pytest.mark.unit

SOURCES = sorted((ROOT / "src" / "orchestrate" / "providers" / "aws_ecs").glob("*.py"))
CLIENTS = {
    "ecs": ("ecs", "ecs"),
    "elbv2": ("elbv2", "elasticloadbalancing"),
    "ecr": ("ecr", "ecr"),
    "ssm": ("ssm", "ssm"),
    "logs": ("logs", "logs"),
    "cloudwatch": ("cloudwatch", "cloudwatch"),
    "autoscaling": ("application-autoscaling", "application-autoscaling"),
    "sts": ("sts", "sts"),
}
"""Names of the account's clients: the service, and its prefix in a policy."""
NOT_CALLED = {"iam:PassRole", "kms:Encrypt", "kms:GenerateDataKey"}
"""What a call of ours needs beside itself: PutParameter seals with the caller's right to the key,
by the second where the value is long."""


ANYWHERE = {
    "ecs:ListTasks",
    "ecs:DescribeTasks",
    "ecs:RegisterTaskDefinition",
    "ecs:DescribeTaskDefinition",
    "elasticloadbalancing:DescribeRules",
    "elasticloadbalancing:DescribeTags",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
    "ssm:DescribeParameters",
    "cloudwatch:GetMetricData",
    "application-autoscaling:DescribeScalableTargets",
    "sts:GetCallerIdentity",
}
"""Actions that AWS lets nobody bind to a resource of one environment."""
CONDITIONS = {
    "ecs:ListTasks": "ecs:cluster",
    "ecs:DescribeTasks": "ecs:cluster",
    "iam:PassRole": "iam:PassedToService",
    "kms:Encrypt": "kms:ViaService",
    "kms:GenerateDataKey": "kms:ViaService",
}
"""What they are bound by instead, or beside."""
RULE = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/shop/1/2/"
ECS = "arn:aws:ecs:eu-west-1:123456789012"
LOGS = "arn:aws:logs:eu-west-1:123456789012:log-group"
ROLE = "arn:aws:iam::123456789012:role"
SSM = "arn:aws:ssm:eu-west-1:123456789012:parameter/orchestrate"
KMS = "arn:aws:kms:eu-west-1:123456789012:key"
ECR = "arn:aws:ecr:eu-west-1:123456789012:repository"
FILLED = {
    "REGION": "eu-west-1",
    "ACCOUNT": "123456789012",
    "CLUSTER": "prod",
    "SERVICE": "shop",
    "RULE": f"{RULE}3",
    "TASK_ROLE": "shop-task",
    "EXECUTION_ROLE": "shop-execution",
    "DEPLOY_ROLE": "deploy",
    "REPOSITORY": "shop",
    "APP": "shop",
    "ENVIRONMENT": "production",
    "LOG_GROUP": "/ecs/shop",
    "KMS_KEY": "1a-2b",
}
ON: dict[str, tuple[str, str]] = {
    **dict.fromkeys(
        ("DescribeServices", "UpdateService", "TagResource", "UntagResource"),
        (f"{ECS}:service/prod/shop", f"{ECS}:service/prod/shop-of-others"),
    ),
    "ListServiceDeployments": (f"{ECS}:service/prod/shop", f"{ECS}:service/other/shop"),
    **dict.fromkeys(
        ("DescribeServiceDeployments", "StopServiceDeployment"),
        (f"{ECS}:service-deployment/prod/shop/1", f"{ECS}:service-deployment/prod/shop2/1"),
    ),
    "DescribeServiceRevisions": (
        f"{ECS}:service-revision/prod/shop/1",
        f"{ECS}:service-revision/prod/shop2/1",
    ),
    **dict.fromkeys(("ModifyRule", "AddTags", "RemoveTags"), (f"{RULE}3", f"{RULE}4")),
    "PassRole": (f"{ROLE}/shop-task", f"{ROLE}/admin"),
    "AssumeRole": (f"{ROLE}/deploy", f"{ROLE}/admin"),
    **dict.fromkeys(("DescribeImages", "ListImages"), (f"{ECR}/shop", f"{ECR}/shop2")),
    **dict.fromkeys(
        ("PutParameter", "DeleteParameters"),
        (f"{SSM}/shop/production/KEY/1", f"{SSM}/shop/staging/KEY/1"),
    ),
    **dict.fromkeys(("Encrypt", "GenerateDataKey"), (f"{KMS}/1a-2b", f"{KMS}/3c-4d")),
    "GetLogEvents": (
        f"{LOGS}:/ecs/shop:log-stream:shop/shop/1",
        f"{LOGS}:/ecs/shop2:log-stream:shop/shop/1",
    ),
}
"""By the name of an action, a resource that it is for, and one that is somebody else's."""


@dataclass(frozen=True)
class Statement:
    actions: list[str]
    resources: list[str]
    condition: Mapping[str, Mapping[str, str]]


@cache
def operations(service: str) -> dict[str, str]:
    """Operations by the name of their method."""
    model = botocore.session.get_session().get_service_model(service)
    return {botocore.xform_name(name): name for name in model.operation_names}


def calls(source: Path) -> set[str]:
    """What a file calls, as a policy names it."""
    found = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        on = re.search(rf"\b({'|'.join(CLIENTS)})(\(.*\))?$", ast.unparse(node.func.value))
        if on is None:
            continue
        service, prefix = CLIENTS[on[1]]
        if node.func.attr in operations(service):
            found.add(f"{prefix}:{operations(service)[node.func.attr]}")
    return found


def statements() -> list[Statement]:
    policy = json.loads((ROOT / "docs" / "providers" / "aws_ecs-policy.json").read_text("utf-8"))
    assert all(each["Effect"] == "Allow" for each in policy["Statement"])
    return [
        Statement(several(s["Action"]), several(s["Resource"]), s.get("Condition", {}))
        for s in policy["Statement"]
    ]


def several(found: str | list[str]) -> list[str]:
    return [found] if isinstance(found, str) else found


def allowed() -> list[str]:
    return [action for statement in statements() for action in statement.actions]


def may(action: str, arn: str) -> bool:
    """Whether the policy, filled in, allows an action on a resource."""
    return any(
        fnmatch.fnmatchcase(arn, re.sub(r"[A-Z][A-Z_]+", lambda m: FILLED[m[0]], resource))
        for statement in statements()
        if action in statement.actions
        for resource in statement.resources
    )


def test_every_call_is_allowed_and_nothing_else() -> None:
    made = set().union(*(calls(source) for source in SOURCES))
    assert len(made) > 20, "the search found the calls"
    assert set(allowed()) == made | NOT_CALLED
    assert len(allowed()) == len(set(allowed()))


def test_no_action_is_a_pattern() -> None:
    assert [action for action in allowed() if "*" in action] == []


def test_only_what_takes_no_resource_is_allowed_on_all() -> None:
    found = {a for s in statements() if "*" in s.resources for a in s.actions}
    assert found == ANYWHERE
    assert {a.partition(":")[2] for a in set(allowed()) - found} == set(ON)


@pytest.mark.parametrize("action", sorted(set(allowed()) - ANYWHERE))
def test_an_action_is_allowed_on_what_is_ours_alone(action: str) -> None:
    ours, of_others = ON[action.partition(":")[2]]
    assert may(action, ours)
    assert not may(action, of_others)


@pytest.mark.parametrize(("action", "key"), CONDITIONS.items())
def test_what_cannot_be_bound_to_a_resource_is_bound_by_a_condition(action: str, key: str) -> None:
    (found,) = [s.condition for s in statements() if action in s.actions]
    assert [name for names in found.values() for name in names] == [key]
