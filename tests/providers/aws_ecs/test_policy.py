"""docs/providers/aws_ecs-policy.json allows every call that the provider makes, and no other."""

from __future__ import annotations

import ast
import json
import re
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
NOT_CALLED = {"iam:PassRole"}
"""What a call of ours needs beside itself."""


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


def allowed() -> list[str]:
    policy = json.loads((ROOT / "docs" / "providers" / "aws_ecs-policy.json").read_text("utf-8"))
    found: list[str] = []
    for statement in policy["Statement"]:
        actions = statement["Action"]
        found += [actions] if isinstance(actions, str) else actions
    return found


def test_every_call_is_allowed_and_nothing_else() -> None:
    made = set().union(*(calls(source) for source in SOURCES))
    assert len(made) > 20, "the search found the calls"
    assert set(allowed()) == made | NOT_CALLED
    assert len(allowed()) == len(set(allowed()))


def test_no_action_is_a_pattern() -> None:
    assert [action for action in allowed() if "*" in action] == []
