"""A route of somebody else's: our part of it is changed, the rest stays, and a late writer is
refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrate.core.errors import EdgeFailed, FencedOut
from orchestrate.core.protocols import Write
from orchestrate.core.steps import Share
from orchestrate.providers.kubernetes import gateway
from tests.support.kubernetes.app import Kubernetes, kubernetes

pytestmark = pytest.mark.system

OURS = {"name": "shop", "port": 80}
LEGACY: dict[str, Any] = {"name": "legacy", "port": 90, "weight": 1, "filters": [{"type": "X"}]}


@pytest.fixture
def shop(home: Path) -> Iterator[Kubernetes]:
    with kubernetes(home, gateway={"route": "front"}) as made:
        legacy = {"metadata": {"name": "legacy"}, "spec": {"ports": [{"port": 90}]}}
        made.cluster.objects.create("services", "shop", legacy, "lee")
        yield made


def route(shop: Kubernetes, *rules: list[dict[str, Any]]) -> None:
    spec = {
        "parentRefs": [{"name": "public"}],
        "rules": [{"backendRefs": each, "filters": [{"type": "Y"}]} for each in rules],
    }
    body = {"metadata": {"name": "front"}, "spec": spec}
    shop.cluster.objects.create("httproutes", "shop", body, "lee")


def backends(shop: Kubernetes, rule: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shop.cluster.one("httproutes", "front")["spec"]["rules"][rule][
        "backendRefs"
    ]
    return found


def weights(shop: Kubernetes, rule: int = 0) -> dict[str, int]:
    return {b["name"]: b.get("weight", 1) for b in backends(shop, rule)}


def test_its_filters_stay_and_its_weights_divide(shop: Kubernetes) -> None:
    route(shop, [OURS])
    old = shop.live("1.0.0")
    new = shop.up(shop.pinned("1.1.0"))
    shop.route((old, 75), (new, 25))
    assert shop.another().observe().percent(new.key) == 25
    assert weights(shop) == {"shop": 75, "shop-green": 25}
    found = shop.cluster.one("httproutes", "front")["spec"]
    assert found["rules"][0]["filters"] == [{"type": "Y"}]
    shop.route((new, 100))
    assert [b["name"] for b in backends(shop)] == ["shop"]


def test_a_backend_of_a_third_party_keeps_its_part_its_filters_and_its_place(
    shop: Kubernetes,
) -> None:
    route(shop, [LEGACY, OURS])
    old = shop.live("1.0.0")
    new = shop.up(shop.pinned("1.1.0"))
    shop.route((old, 90), (new, 10))
    assert weights(shop) == {"legacy": 10, "shop": 9, "shop-green": 1}
    assert backends(shop)[0] == {**LEGACY, "weight": 10}
    assert shop.another().observe().percent(new.key) == 10
    shop.route((old, 50), (new, 50))
    shop.route((new, 100))
    assert list(weights(shop)) == ["legacy", "shop"]
    assert len(set(weights(shop).values())) == 1, "half and half, as it was"


def test_every_rule_that_leads_to_us_is_divided_and_no_other(shop: Kubernetes) -> None:
    route(shop, [OURS], [LEGACY], [OURS])
    old = shop.live("1.0.0")
    new = shop.up(shop.pinned("1.1.0"))
    shop.route((old, 90), (new, 10))
    assert weights(shop, 0) == weights(shop, 2) == {"shop": 90, "shop-green": 10}
    assert backends(shop, 1) == [LEGACY]


def test_a_service_that_is_named_alike_is_not_taken_for_a_colour(shop: Kubernetes) -> None:
    other = {"metadata": {"name": "shop-admin"}, "spec": {"ports": [{"port": 80}]}}
    shop.cluster.objects.create("services", "shop", other, "lee")
    route(shop, [OURS, {"name": "shop-admin", "port": 80}])
    revision = shop.live("1.0.0")
    assert shop.another().observe().percent(revision.key) == 100
    assert weights(shop) == {"shop": 1, "shop-admin": 1}


def test_a_writer_that_comes_late_is_refused(shop: Kubernetes) -> None:
    route(shop, [OURS])
    old = shop.live("1.0.0")
    new = shop.up(shop.pinned("1.1.0"))
    late = shop.write()
    shop.provider.fence.pass_(late)
    shop.route((old, 90), (new, 10))
    with pytest.raises(FencedOut):
        shop.provider.traffic.splitter.whole(late)
    assert weights(shop) == {"shop": 90, "shop-green": 10}


def test_the_same_write_again_changes_nothing(shop: Kubernetes) -> None:
    route(shop, [LEGACY, OURS])
    old = shop.live("1.0.0")
    new = shop.up(shop.pinned("1.1.0"))
    shares = [Share(revision=old.ref, percent=75), Share(revision=new.ref, percent=25)]
    write = Write(50, "d5/0/route", "lease-1")
    shop.provider.route(shares, None, write)
    before = shop.cluster.one("httproutes", "front")["metadata"]["resourceVersion"]
    shop.provider.route(shares, None, write)
    assert shop.cluster.one("httproutes", "front")["metadata"]["resourceVersion"] == before


def test_one_that_leads_nowhere_to_us_is_told(shop: Kubernetes) -> None:
    route(shop, [LEGACY])
    revision = shop.up(shop.pinned("1.0.0"))
    with pytest.raises(EdgeFailed, match="HTTPRoute front leads nowhere"):
        shop.route((revision, 100))
    assert backends(shop) == [LEGACY]


def test_one_whose_backend_is_not_found_is_told_with_its_name(
    shop: Kubernetes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "ACCEPTED_S", 0.5)
    route(shop, [OURS, {"name": "gone", "port": 80}])
    revision = shop.up(shop.pinned("1.0.0"))
    with pytest.raises(EdgeFailed) as raised:
        shop.route((revision, 100))
    assert "ResolvedRefs is False: BackendNotFound service gone" in raised.value.why[0]
