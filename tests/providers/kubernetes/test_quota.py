"""Quotas of the namespace: one that is used up is told before a deployment meets it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrate.core.protocols import Finding
from orchestrate.providers.kubernetes import quota
from tests.support.kubernetes.app import Kubernetes, kubernetes

pytestmark = pytest.mark.system


@pytest.fixture
def shop(home: Path) -> Iterator[Kubernetes]:
    with kubernetes(home) as found:
        yield found


def put(shop: Kubernetes, hard: dict[str, str], used: dict[str, str], **spec: object) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "team"},
        "spec": {"hard": hard, **spec},
        "status": {"hard": hard, "used": used},
    }
    shop.cluster.objects.create("resourcequotas", "shop", copy.deepcopy(body), "admin")


def asked(shop: Kubernetes, *, beside: bool = True) -> list[Finding]:
    return quota.findings(shop.provider.api, beside)


@pytest.mark.parametrize(
    ("hard", "used", "said"),
    [
        ({"pods": "4"}, {"pods": "4"}, "pods (4 of 4, quota team)"),
        ({"requests.cpu": "2"}, {"requests.cpu": "2000m"}, "requests.cpu (2000m of 2, quota team)"),
        ({"limits.memory": "1Gi"}, {"limits.memory": "1100M"}, "limits.memory (1100M of 1Gi"),
    ],
)
def test_one_that_is_used_up_refuses_what_starts_beside_the_old_one(
    shop: Kubernetes, hard: dict[str, str], used: dict[str, str], said: str
) -> None:
    put(shop, hard, used)
    (found,) = asked(shop)
    assert (found.ok, found.code) == (False, "quota_used_up") and said in found.text and found.fix
    (found,) = asked(shop, beside=False)
    assert found.ok and said in found.text


def test_one_with_room_or_about_some_pods_only_refuses_nothing(shop: Kubernetes) -> None:
    assert asked(shop) == []
    put(shop, {"pods": "4", "cpu": "odd"}, {"pods": "3", "cpu": "odd"})
    assert [(f.ok, f.text) for f in asked(shop)] == [(True, "room in team")]
    shop.cluster.objects.delete("resourcequotas", "shop", "team")
    put(shop, {"pods": "1"}, {"pods": "1"}, scopes=["BestEffort"])
    assert asked(shop) == []


def test_credentials_that_may_not_list_them_deploy_all_the_same(shop: Kubernetes) -> None:
    put(shop, {"pods": "4"}, {"pods": "4"})
    shop.cluster.denied.add(("list", "resourcequotas"))
    assert asked(shop) == []


def test_the_probe_asks_for_the_strategy_of_the_environment(shop: Kubernetes) -> None:
    put(shop, {"pods": "4"}, {"pods": "4"})
    found = {each.name: each for each in shop.provider.probe()}
    beside = shop.environment.strategy.type.value in ("blue-green", "canary")
    assert found["quota"].ok == (not beside)
