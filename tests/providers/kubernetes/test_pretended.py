"""What the pretended cluster shows has the shape of what a real one showed: no field of a status or
of an endpoint that a real one does not have, so that nothing can be built on an invention."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.providers.kubernetes.recordings import SCENARIOS, recording
from tests.support.kubernetes.app import Kubernetes, kubernetes
from tests.support.kubernetes.kubelet import Script
from tests.support.waiting import eventually

pytestmark = pytest.mark.system

KINDS = {
    "Deployment": "deployments",
    "ReplicaSet": "replicasets",
    "Pod": "pods",
    "EndpointSlice": "endpointslices",
    "Event": "events",
}
# Left out of the recordings to keep them small; every object of a real cluster has them.
TRIMMED = {
    "lastTransitionTime", "lastUpdateTime", "lastProbeTime", "managedFields", "nodeName",
    "eventTime", "firstTimestamp", "annotations", "labels", "qosClass", "imageID",
}  # fmt: skip


def paths(found: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Names of fields from the top, what is in lists taken together; the wishes left out."""
    if isinstance(found, list):
        for each in found:
            yield from paths(each, path)
    elif isinstance(found, dict):
        for name, value in found.items():
            if name in TRIMMED or name.startswith("_") or (not path and name == "spec"):
                continue
            yield (*path, name)
            yield from paths(value, (*path, name))


def recorded(kind: str) -> set[tuple[str, ...]]:
    return {
        path for name in SCENARIOS for each in recording(name).objects(kind) for path in paths(each)
    }


@pytest.mark.parametrize("script", ["well", "bad-image", "crash", "unschedulable", "config"])
def test_no_object_has_a_field_that_a_real_one_has_not(shop: Kubernetes, script: Script) -> None:
    shop.live("1.0.0")
    shop.cluster.kubelet.scripts["1.1.0"] = script
    shop.provider.roll(shop.pinned("1.1.0"), 2, shop.write())

    def played() -> bool:
        events = shop.cluster.objects.list("events")
        return script == "well" or any(event["type"] == "Warning" for event in events)

    eventually(played)
    for kind, plural in KINDS.items():
        there = {path for each in shop.cluster.objects.list(plural) for path in paths(each)}
        assert there, kind
        assert there - recorded(kind) == set(), kind


def test_what_is_read_of_a_deployment_is_there_as_in_a_real_one(shop: Kubernetes) -> None:
    shop.live("1.0.0")
    found = shop.cluster.one("deployments", "shop-blue")
    real: Any = recording("rolling-ok").deployment
    assert set(found["status"]) == set(real["status"])
    kinds = {c["type"]: set(c) - TRIMMED for c in found["status"]["conditions"]}
    assert kinds == {c["type"]: set(c) - TRIMMED for c in real["status"]["conditions"]}


class TestRolling:
    """The arithmetic of the pretended Deployment controller is the real one's."""

    def pods(self, shop: Kubernetes) -> int:
        return len([p for p in shop.cluster.objects.list("pods") if _stays(p)])

    def test_scaled_down_together_with_a_new_template_it_gets_to_its_end(
        self, shop: Kubernetes
    ) -> None:
        shop.live("1.0.0", 3)
        new = shop.pinned("1.1.0")
        patch = {"spec": {"replicas": 1}}
        shop.cluster.by_hand("kube-controller-manager", "deployments", "shop-blue", patch, "scale")
        shop.provider.roll(new, 1, shop.write())
        eventually(lambda: len(shop.copies(new)) == 1 and self.pods(shop) == 1)

    def test_a_surge_in_percent_is_rounded_up(self, home: Path) -> None:
        with kubernetes(home, max_surge="60%", replicas=4) as shop:
            shop.live("1.0.0", 4)
            shop.cluster.kubelet.scripts["1.1.0"] = "unready"
            shop.provider.roll(shop.pinned("1.1.0"), 4, shop.write())
            eventually(lambda: self.pods(shop) == 4 + 3)

    def test_as_many_may_be_missing_as_is_said(self, home: Path) -> None:
        with kubernetes(home, max_surge=0, max_unavailable=2, replicas=4) as shop:
            old = shop.live("1.0.0", 4)
            shop.cluster.kubelet.scripts["1.1.0"] = "unready"
            shop.provider.roll(shop.pinned("1.1.0"), 4, shop.write())
            eventually(lambda: len(shop.copies(old)) == 2 and self.pods(shop) == 4)

    def test_ready_is_not_available_before_its_time(self, home: Path) -> None:
        with kubernetes(home, min_ready=1) as shop:
            shop.provider.start(shop.pinned("1.0.0"), 1, shop.write())

            def status() -> Any:
                return shop.cluster.one("deployments", "shop-blue").get("status", {})

            eventually(lambda: status().get("readyReplicas") == 1)
            assert "availableReplicas" not in status()
            eventually(lambda: status().get("availableReplicas") == 1)


def _stays(pod: Any) -> bool:
    return not pod["metadata"].get("deletionTimestamp")
