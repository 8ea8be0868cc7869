"""The Service that the application answers at is what the manifests say; those of the colours lead
to their Pods from inside, and take nothing that can be one Service's alone."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.providers.kubernetes.test_manifests import DEPLOYMENT, SERVICE, of, write
from tests.support.kubernetes.app import Kubernetes

pytestmark = pytest.mark.system

OUTSIDE: dict[str, Any] = {
    "type": "LoadBalancer",
    "loadBalancerSourceRanges": ["10.0.0.0/8"],
    "externalTrafficPolicy": "Local",
}
NOTES = {"external-dns.alpha.kubernetes.io/hostname": "shop.example.com"}


def manifests(folder: Path, node_port: int = 30080) -> None:
    service = copy.deepcopy(SERVICE)
    service["metadata"]["annotations"] = NOTES
    service["spec"] |= OUTSIDE
    service["spec"]["ports"][0]["nodePort"] = node_port
    write(folder, DEPLOYMENT, service)


@pytest.fixture
def shop(home: Path, tmp_path: Path) -> Iterator[Kubernetes]:
    manifests(tmp_path / "k8s")
    with of(home, tmp_path, replicas=2) as made:
        yield made


def refuse_open(shop: Kubernetes, node_port: int = 30080) -> None:
    """Fail where the main Service lacks anything that its manifest says."""
    main = shop.cluster.one("services", "shop")
    assert {key: main["spec"].get(key) for key in OUTSIDE} == OUTSIDE
    assert main["spec"]["ports"][0]["nodePort"] == node_port
    assert NOTES.items() <= main["metadata"]["annotations"].items()


def test_all_that_the_manifest_says_holds_whatever_leads_where(shop: Kubernetes) -> None:
    old = shop.live("1.0.0")
    refuse_open(shop)
    new = shop.up(shop.pinned("1.1.0"))
    shop.route((old, 50), (new, 50))
    refuse_open(shop)
    shop.route((new, 100))
    refuse_open(shop)
    shop.route()
    refuse_open(shop)


def test_a_colour_is_led_to_from_inside_alone(shop: Kubernetes) -> None:
    shop.live("1.0.0")
    shop.live("1.1.0")
    for name in ("shop-blue", "shop-green"):
        own = shop.cluster.one("services", name)
        assert own["spec"]["type"] == "ClusterIP"
        assert "nodePort" not in own["spec"]["ports"][0]
        assert not own["spec"].keys() & (OUTSIDE.keys() - {"type"})
        assert not own["metadata"]["annotations"].keys() & NOTES.keys()
    assert shop.served() == {"1.1.0"}


def test_a_port_that_another_revision_has_goes_forth_and_back_with_it(
    shop: Kubernetes, tmp_path: Path
) -> None:
    old = shop.live("1.0.0")
    manifests(tmp_path / "k8s", 30081)
    shop.live("1.1.0")
    refuse_open(shop, 30081)
    shop.route((old, 100))
    refuse_open(shop)
