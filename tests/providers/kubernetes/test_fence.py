"""A late writer is refused at the Lease, and one that was held up behind it at each object."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import JsonValue

from orchestrate.core.errors import FencedOut, ProviderConfigInvalid, ProviderUnavailable
from orchestrate.core.protocols import Write
from orchestrate.providers.kubernetes import fence
from orchestrate.providers.kubernetes.colors import Color
from orchestrate.providers.kubernetes.objects import SERVICE, micro_time
from orchestrate.providers.kubernetes.shape import marks
from tests.support.kubernetes.app import Kubernetes, kubernetes
from tests.support.secrets import GivenSecrets

pytestmark = pytest.mark.system


def test_the_lease_tells_number_key_and_holder(shop: Kubernetes) -> None:
    live = shop.live("1.0.0", 1)
    shop.provider.scale(live.ref, 1, Write(9, "d9/0/stop", "lease-9"))
    lease = shop.cluster.one("leases", "shop")
    assert lease["spec"]["holderIdentity"] == "lease-9"
    assert lease["metadata"]["annotations"]["orchestrate/write"] == "9"
    assert lease["spec"]["leaseTransitions"] == 1
    assert shop.provider.observe().write == 9


def test_a_writer_held_up_after_the_lease_is_refused_at_the_deployment(shop: Kubernetes) -> None:
    old, late = shop.live("1.0.0"), Write(50, "d5/0/roll", "lease-5")
    shop.provider.fence.pass_(late)
    newer = shop.another()
    newer.stop(old.ref, Write(51, "d6/0/stop", "lease-6"))
    color = shop.provider.colors.named("blue")
    assert color is not None
    with pytest.raises(FencedOut, match="newer change"):
        shop.provider.colors.scale(color, 2, late)
    with pytest.raises(FencedOut):
        shop.provider.colors.put(shop.provider._deployment(old, [], "blue", late), late)
    assert shop.cluster.one("deployments", "shop-blue")["spec"]["replicas"] == 0


def test_a_writer_held_up_after_the_lease_is_refused_at_the_service(shop: Kubernetes) -> None:
    old = shop.live("1.0.0")
    new = shop.up(shop.pinned("1.1.0"))
    late = shop.write()
    shop.provider.fence.pass_(late)
    shop.route((new, 100))
    color = shop.provider.colors.of(old.key)
    assert isinstance(color, Color)
    with pytest.raises(FencedOut):
        shop.provider.traffic.first(color.name, late)
    assert shop.served() == {"1.1.0"}


def test_a_new_object_made_too_late_is_told(shop: Kubernetes) -> None:
    late = Write(3, "d1/0/start", "lease-1")
    shop.provider.fence.pass_(Write(4, "d2/0/start", "lease-2"))
    body = {
        "metadata": {"name": "shop-blue", "annotations": marks(late)},
        "spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]},
    }
    with pytest.raises(FencedOut):
        shop.provider.fence.apply(SERVICE, body, late)


class TestLock:
    """Two services with stores of their own do not work in one environment at a time."""

    def by(self, shop: Kubernetes, holder: str) -> Write:
        return replace(shop.write(), lease=holder)

    def over(self, shop: Kubernetes, since_s: float) -> None:
        """Let the Lease have been renewed a while ago."""
        at = datetime.now(UTC) - timedelta(seconds=since_s)
        shop.cluster.by_hand("a", "leases", "shop", {"spec": {"renewTime": micro_time(at)}})

    def test_refuses_another_store_and_says_who_has_it_until_when(self, shop: Kubernetes) -> None:
        live = shop.pinned("1.0.0")
        shop.provider.start(live, 1, self.by(shop, "one.worker-1"))
        with pytest.raises(FencedOut, match=r"until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d") as raised:
            shop.another().scale(live.ref, 0, self.by(shop, "two.worker-9"))
        assert "held by one.worker-1" in raised.value.why[0]
        assert "kubectl get lease shop --namespace shop" in raised.value.fix[0]
        assert shop.cluster.one("deployments", "shop-blue")["spec"]["replicas"] == 1

    def test_lets_another_worker_of_the_same_store_go_on_at_once(self, shop: Kubernetes) -> None:
        live = shop.pinned("1.0.0")
        shop.provider.start(live, 1, self.by(shop, "one.killed"))
        shop.another().scale(live.ref, 0, self.by(shop, "one.its-successor"))
        assert shop.cluster.one("leases", "shop")["spec"]["holderIdentity"] == "one.its-successor"

    def test_can_be_taken_over_once_it_is_over(self, shop: Kubernetes) -> None:
        live = shop.pinned("1.0.0")
        shop.provider.start(live, 1, self.by(shop, "one.worker-1"))
        self.over(shop, fence.LASTS_S + 1)
        shop.another().scale(live.ref, 0, self.by(shop, "two.worker-9"))
        spec = shop.cluster.one("leases", "shop")["spec"]
        assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("two.worker-9", 1)
        with pytest.raises(FencedOut, match="another service"):
            shop.provider.start(live, 1, self.by(shop, "one.worker-1"))

    def test_is_held_while_a_rollout_is_waited_for(self, shop: Kubernetes) -> None:
        live = shop.pinned("1.0.0")
        shop.provider.start(live, 1, self.by(shop, "one.worker-1"))
        self.over(shop, fence.LASTS_S - 1)
        shop.provider.progress(live, 1, 0.0, {})
        renewed = shop.cluster.one("leases", "shop")["spec"]["renewTime"]
        left = datetime.fromisoformat(renewed) - datetime.now(UTC)
        assert left > timedelta(seconds=-fence.LASTS_S / 2)


class TestStranger:
    """What has the environment's name and is somebody else's is not taken, and not deleted."""

    def elected(self, shop: Kubernetes, **labels: str) -> None:
        """The Lease of an application that elects a leader, whose turn is over."""
        at = micro_time(datetime.now(UTC) - timedelta(minutes=5))
        spec = {"holderIdentity": "shop-7d9f_1", "renewTime": at, "leaseDurationSeconds": 15}
        body = {"metadata": {"name": "shop", "labels": labels}, "spec": spec}
        shop.cluster.objects.create("leases", "shop", body, "shop")

    def test_keeps_its_lease_though_its_turn_is_over(self, shop: Kubernetes) -> None:
        live = shop.pinned("1.0.0")
        self.elected(shop)
        with pytest.raises(ProviderConfigInvalid, match="name shop is taken") as raised:
            shop.provider.start(live, 1, shop.write())
        assert "of shop-7d9f_1" in raised.value.why[0]
        assert "another `name`" in raised.value.fix[0]
        lease = shop.cluster.one("leases", "shop")
        assert lease["spec"]["holderIdentity"] == "shop-7d9f_1"
        assert shop.cluster.objects.list("deployments") == []

    def test_is_told_before_anything_is_begun(self, shop: Kubernetes) -> None:
        self.elected(shop)
        (bad,) = [finding for finding in shop.provider.probe() if not finding.ok]
        assert "Lease shop in namespace shop" in bad.text
        with pytest.raises(ProviderConfigInvalid):
            shop.provider.resolve("1.0.0")

    def test_that_is_another_environment_is_named(self, shop: Kubernetes) -> None:
        self.elected(shop, **{"orchestrate/app": "shop", "orchestrate/environment": "old"})
        with pytest.raises(ProviderConfigInvalid) as raised:
            shop.provider.resolve("1.0.0")
        assert "environment old of shop" in raised.value.why[0]
        assert "kubectl delete lease shop --namespace shop" in raised.value.fix[1]

    def test_keeps_all_when_an_environment_that_never_came_up_is_deleted(self, home: Path) -> None:
        body = {"metadata": {"name": "shop"}, "spec": {"selector": {"app": "x"}, "ports": []}}
        ways: list[dict[str, JsonValue]] = [
            {"ingress": {"host": "shop.example.com"}},
            {"gateway": {"name": "public"}},
        ]
        for config in ways:
            with kubernetes(home, **config) as shop:
                self.elected(shop)
                for plural in ("services", "ingresses", "httproutes"):
                    shop.cluster.objects.create(plural, "shop", body, "kubectl")
                shop.provider.dismantle()
                for plural in ("services", "ingresses", "httproutes", "leases"):
                    assert len(shop.cluster.objects.list(plural)) == 1, plural


def test_an_environment_that_could_not_be_deleted_whole_is_the_next_time(home: Path) -> None:
    with kubernetes(home) as shop:
        shop.secret_names, shop.secrets = ("DB",), GivenSecrets(DB="a-password-of-some-length")
        shop.provider = shop.another()
        shop.live("1.0.0")
        shop.cluster.denied.add(("delete", "secrets"))
        with pytest.raises(ProviderUnavailable):
            shop.provider.dismantle()
        shop.cluster.denied.clear()
        shop.another().dismantle()
        for plural in ("secrets", "services", "deployments"):
            assert shop.cluster.objects.list(plural) == [], plural
