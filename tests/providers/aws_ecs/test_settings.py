"""The config of aws_ecs: every problem at once, and what each way of deploying can do."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from orchestrate.core.config.providers import canonical_provider
from orchestrate.core.environment import StrategyName
from orchestrate.core.errors import ProviderConfigInvalid
from orchestrate.providers import named
from orchestrate.providers.aws_ecs import AwsEcsProvider
from orchestrate.providers.aws_ecs.native import capabilities_of
from orchestrate.providers.aws_ecs.settings import settings_of

pytestmark = pytest.mark.unit

GROUP = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop-{}/0123"
RULE = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/shop/1/2/3"
TRAFFIC: JsonValue = {
    "rule": RULE,
    "slots": [
        {"service": "blue", "target_group": GROUP.format("blue")},
        {"service": "green", "target_group": GROUP.format("green")},
    ],
}


def problems(**config: JsonValue) -> str:
    with pytest.raises(ProviderConfigInvalid) as raised:
        settings_of(config)
    return "\n".join(raised.value.why)


@pytest.mark.parametrize("name", ["aws", "aws_ecs", "AwsEcs", "aws-ecs"])
def test_every_way_to_write_its_name_leads_to_it(name: str) -> None:
    config = {"cluster": "staging-ecs", "service": "app-staging"}
    assert canonical_provider(name, config) == "aws_ecs"
    assert named("aws_ecs") is AwsEcsProvider


def test_cluster_and_service_are_enough() -> None:
    found = settings_of({"cluster": "staging-ecs", "service": "app-staging"})
    assert (found.cluster, found.service, found.image) == ("staging-ecs", "app-staging", None)


def test_the_region_is_in_the_clusters_arn() -> None:
    arn = "arn:aws:ecs:eu-central-1:123456789012:cluster/prod"
    assert settings_of({"cluster": arn, "service": "shop"}).region == "eu-central-1"


def test_every_problem_is_told_at_once() -> None:
    said = problems(cluster="a b", replicas=0, regoin="eu-west-1")
    assert "cluster: it must be a cluster's name or ARN" in said
    assert "replicas: it must be a number from 1 to 5000" in said
    assert "regoin is not a setting of aws_ecs; did you mean region?" in said
    assert "service is missing" in said


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"service": "a", "traffic": TRAFFIC}, "leave it out"),
        ({"traffic": TRAFFIC, "deployment": "canary"}, "Orchestrate shifts the traffic"),
        ({"service": "a", "credentials": "ambient", "profile": "x"}, "exclude each other"),
        ({"service": "a", "credentials": "AKIA..."}, "keys belong into `secrets`"),
        ({"service": "a", "external_id": "x"}, "it goes with role_arn"),
        ({"service": "a", "deployment": {"strategy": "blue"}}, "one of rolling, blue-green"),
        (
            {"service": "a", "deployment": {"strategy": "rolling", "bake": 60}},
            "rolling has no bake",
        ),
        ({"service": "a", "deployment": {"strategy": "canary", "every": 90}}, "whole minutes"),
        ({"service": "a", "deployment": {"strategy": "linear", "percent": 1}}, "from 3 to 100"),
        ({"service": "a", "image": "shop"}, "image: it must be such as"),
        ({"service": "a", "task_definition": "../x.json"}, "a file beside orchestrate.yaml"),
        ({"traffic": {"rule": RULE, "slots": []}}, "there must be two of them"),
    ],
)
def test_what_does_not_go_together_is_refused(config: dict[str, JsonValue], said: str) -> None:
    assert said in problems(**config)


def test_two_slots_can_do_everything() -> None:
    found = capabilities_of(settings_of({"traffic": TRAFFIC}))
    assert found.strategies == frozenset(StrategyName)
    assert found.counts_requests and found.native_rolling and not found.native


@pytest.mark.parametrize(
    ("way", "ours", "how"),
    [
        ("rolling", StrategyName.ROLLING, None),
        ("blue_green", StrategyName.BLUE_GREEN, "by ECS: all at once; both stay for 5m"),
        ("canary", StrategyName.CANARY, "by ECS: 5% for 10m, then all; both stay for 5m"),
        ("LINEAR", StrategyName.CANARY, "by ECS: 10% more every 6m; both stay for 5m"),
    ],
)
def test_one_service_can_do_what_ecs_is_told(way: str, ours: StrategyName, how: str | None) -> None:
    more = {} if way == "rolling" else {"bake": "5m"}
    found = capabilities_of(
        settings_of({"service": "shop", "deployment": {"strategy": way, **more}})
    )
    assert found.strategies == {ours}
    assert found.native[ours].how == how
    assert "two slots" in found.missing[StrategyName.RECREATE]


def test_the_time_that_ecs_waits_is_known() -> None:
    def takes(**deployment: JsonValue) -> float:
        found = capabilities_of(settings_of({"service": "shop", "deployment": deployment}))
        (native,) = found.native.values()
        return native.takes_s

    assert takes(strategy="rolling") == 0
    assert takes(strategy="canary", every="10m", bake="5m") == 900
    assert takes(strategy="linear", percent=30, every="2m", bake="1m") == 3 * 120 + 60
