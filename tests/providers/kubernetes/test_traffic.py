"""Who gets the requests: Services by colour, and the three ways to lead a part elsewhere."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from pydantic import JsonValue

from orchestrate.core.errors import EdgeFailed, StepFailed
from orchestrate.providers.kubernetes import endpoints, gateway, traffic
from orchestrate.providers.kubernetes.api import Gone
from orchestrate.providers.kubernetes.objects import SLICE
from orchestrate.providers.kubernetes.ratio import counts
from tests.support.kubernetes.app import Kubernetes, kubernetes
from tests.support.waiting import eventually

pytestmark = pytest.mark.system

GATEWAY: dict[str, JsonValue] = {"name": "public", "hostnames": ["shop.example.com"]}


def colors(shop: Kubernetes, service: str = "shop") -> dict[str, int]:
    return dict(shop.provider.endpoints.colors(service))


class TestSwitch:
    def test_goes_from_one_colour_to_the_other_in_one_step(self, shop: Kubernetes) -> None:
        shop.live("1.0.0")
        new = shop.up(shop.pinned("1.1.0"))
        seen: list[frozenset[str]] = []
        ends = threading.Event()

        def watch() -> None:
            while not ends.is_set():
                seen.append(frozenset(shop.provider.endpoints.colors("shop")))

        watching = threading.Thread(target=watch)
        watching.start()
        shop.route((new, 100))
        ends.set()
        watching.join()
        assert frozenset({"blue", "green"}) not in seen, "no mixed state"
        assert colors(shop) == {"green": 2}

    def test_is_refused_where_no_pod_of_the_colour_is_ready(
        self, shop: Kubernetes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(traffic, "READY_S", 0.5)
        shop.live("1.0.0")
        shop.cluster.kubelet.scripts["1.1.0"] = "unready"
        new = shop.pinned("1.1.0")
        shop.provider.start(new, 2, shop.write())
        with pytest.raises(EdgeFailed, match="ready before it gets"):
            shop.route((new, 100))
        assert shop.served() == {"1.0.0"} and colors(shop) == {"blue": 2}

    def test_keeps_the_old_colour_for_the_way_back(self, shop: Kubernetes) -> None:
        old = shop.live("1.0.0")
        new = shop.up(shop.pinned("1.1.0"))
        shop.route((new, 100))
        shop.route((old, 100))
        assert colors(shop) == {"blue": 2}

    def test_of_a_third_revision_leaves_two_that_run(self, shop: Kubernetes) -> None:
        shop.cluster.kubelet.scripts["1.2.0"] = "well"
        for version in ("1.0.0", "1.1.0", "1.2.0"):
            shop.live(version, 1)
        assert len(shop.provider.observe().running) == 3
        assert colors(shop) == {"amber": 1}

    def test_uses_a_colour_again_that_has_nothing(self, shop: Kubernetes) -> None:
        old = shop.live("1.0.0", 1)
        shop.live("1.1.0", 1)
        shop.provider.stop(old.ref, shop.write())
        shop.up(shop.pinned("1.0.0"), 1)
        assert {c.name for c in shop.provider.colors.all()} == {"blue", "green"}


class TestHttpRoute:
    @pytest.fixture
    def routed(self, home: Path) -> Kubernetes:
        with kubernetes(home, gateway=GATEWAY) as made:
            yield made  # type: ignore[misc]

    def backends(self, shop: Kubernetes) -> list[tuple[str, int]]:
        rules = shop.cluster.one("httproutes", "shop")["spec"]["rules"]
        return [(b["name"], b["weight"]) for b in rules[-1]["backendRefs"]]

    def test_divides_to_the_percent(self, routed: Kubernetes) -> None:
        old = routed.live("1.0.0")
        new = routed.up(routed.pinned("1.1.0"))
        for percent in (1, 10, 99):
            routed.route((old, 100 - percent), (new, percent))
            seen = routed.another().observe()
            assert (seen.percent(old.key), seen.percent(new.key)) == (100 - percent, percent)
            assert seen.tolerance == 0
        assert self.backends(routed) == [("shop", 1), ("shop-green", 99)]

    def test_ends_with_the_service_alone_switched(self, routed: Kubernetes) -> None:
        old = routed.live("1.0.0")
        new = routed.up(routed.pinned("1.1.0"))
        routed.route((old, 90), (new, 10))
        routed.route((new, 100))
        assert self.backends(routed) == [("shop", 100)]
        assert colors(routed) == {"green": 2}

    def test_says_in_a_plan_what_divides(self, routed: Kubernetes) -> None:
        assert routed.provider.capabilities.divides == "by HTTPRoute weights"
        assert any("HTTPRoute" in finding.text for finding in routed.provider.probe())

    def test_that_no_controller_takes_is_told(
        self, routed: Kubernetes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gateway, "ACCEPTED_S", 0.5)
        routed.cluster.controllers.gateway = False
        revision = routed.up(routed.pinned("1.0.0"))
        with pytest.raises(EdgeFailed, match="no Gateway controller accepted") as raised:
            routed.route((revision, 100))
        assert "nobody has looked at it" in raised.value.why[0]

    def test_that_a_gateway_refuses_is_told_with_its_reason(
        self, routed: Kubernetes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(gateway, "ACCEPTED_S", 0.5)
        old = routed.live("1.0.0")
        new = routed.up(routed.pinned("1.1.0"))
        routed.cluster.controllers.refuses = "NotAllowedByListeners"
        with pytest.raises(EdgeFailed, match="accepted") as raised:
            routed.route((old, 90), (new, 10))
        assert "Accepted is False: NotAllowedByListeners" in raised.value.why[0]

    def test_of_an_old_generation_is_not_taken_for_an_answer(self, routed: Kubernetes) -> None:
        old = routed.live("1.0.0")
        new = routed.up(routed.pinned("1.1.0"))
        routed.route((old, 90), (new, 10))
        route = routed.cluster.one("httproutes", "shop")
        said = route["status"]["parents"][0]["conditions"][0]
        assert said["observedGeneration"] == route["metadata"]["generation"]

    def test_leads_testers_to_the_new_revision_first(self, home: Path) -> None:
        testers: JsonValue = {"header": "X-Tester", "value": "yes"}
        with kubernetes(home, gateway={**GATEWAY, "testers": testers}) as shop:
            old = shop.live("1.0.0")
            new = shop.up(shop.pinned("1.1.0"))
            shop.route((old, 90), (new, 10))
            first = shop.cluster.one("httproutes", "shop")["spec"]["rules"][0]
            assert first["matches"][0]["headers"][0]["name"] == "X-Tester"
            assert [b["name"] for b in first["backendRefs"]] == ["shop-green"]
            assert shop.provider.observe().percent(new.key) == 10

    def test_without_the_gateway_api_is_told_by_the_probe(self, routed: Kubernetes) -> None:
        routed.cluster.gateway_api = False
        bad = [finding for finding in routed.provider.probe() if not finding.ok]
        assert [finding.name for finding in bad] == ["gateway"]


class TestIngress:
    def test_divides_by_the_weight_of_a_canary(self, home: Path) -> None:
        with kubernetes(home, ingress={"host": "shop.example.com"}) as shop:
            old = shop.live("1.0.0")
            new = shop.up(shop.pinned("1.1.0"))
            shop.route((old, 90), (new, 10))
            canary = shop.cluster.one("ingresses", "shop-canary")
            notes = canary["metadata"]["annotations"]
            assert notes["nginx.ingress.kubernetes.io/canary"] == "true"
            assert notes["nginx.ingress.kubernetes.io/canary-weight"] == "10"
            assert shop.another().observe().percent(new.key) == 10
            shop.route((new, 100))
            assert shop.another().observe().percent(new.key) == 100
            assert "legacy" in shop.provider.capabilities.divides


class TestReplicas:
    def test_divide_as_finely_as_there_are_some_and_say_how_far_off(self, home: Path) -> None:
        with kubernetes(home, replicas=4) as shop:
            old = shop.live("1.0.0", 4)
            new = shop.up(shop.pinned("1.1.0"), 4)
            shop.route((old, 75), (new, 25))
            seen = shop.provider.observe()
            assert seen.percent(new.key) == 25
            assert colors(shop) == {"blue": 3, "green": 1}
            shop.route((old, 90), (new, 10))
            seen = shop.provider.observe()
            assert (seen.percent(new.key), seen.tolerance) == (20, 10)

    def test_are_all_there_again_before_one_serves_alone(self, home: Path) -> None:
        with kubernetes(home, replicas=4) as shop:
            old = shop.live("1.0.0", 4)
            new = shop.up(shop.pinned("1.1.0"), 4)
            shop.route((old, 75), (new, 25))
            shop.route((new, 100))
            assert colors(shop) == {"green": 4}
            eventually(lambda: colors(shop, "shop-blue") == {"blue": 4})
            assert {r.wanted for r in shop.provider.observe().running} == {4}

    def test_too_few_for_a_small_part_are_refused_and_nothing_is_changed(
        self, shop: Kubernetes
    ) -> None:
        old = shop.live("1.0.0", 1)
        new = shop.up(shop.pinned("1.1.0"), 1)
        with pytest.raises(StepFailed, match="10% of the traffic cannot be had"):
            shop.route((old, 90), (new, 10))
        assert shop.served() == {"1.0.0"}

    def test_counted_by_an_autoscaler_are_not_divided(self, home: Path) -> None:
        with kubernetes(home, autoscaled=True) as shop:
            old = shop.live("1.0.0")
            new = shop.up(shop.pinned("1.1.0"))
            with pytest.raises(StepFailed, match="an autoscaler counts"):
                shop.route((old, 50), (new, 50))

    @pytest.mark.parametrize(
        ("old", "new", "percent", "found"),
        [
            (9, 9, 10, (9, 1)),
            (4, 4, 25, (3, 1)),
            (4, 4, 50, (4, 4)),
            (4, 4, 75, (1, 3)),
            (1, 1, 50, (1, 1)),
            (2, 2, 99, (1, 2)),
        ],
    )
    def test_come_as_near_as_they_can(
        self, old: int, new: int, percent: int, found: tuple[int, int]
    ) -> None:
        assert counts(old, new, percent) == found


class TestWatch:
    """What is waited for is watched, and not asked for again and again."""

    def wait(self, shop: Kubernetes, count: int, within_s: float = 20.0) -> None:
        found = endpoints.Endpoints(shop.provider.api, shop.provider.labels)
        found.wait("shop-blue", lambda seen: seen["blue"] == count, "it was to grow", within_s)

    def asked(self, shop: Kubernetes, how: str) -> int:
        path = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
        return shop.cluster.calls.count(f"{how} {path}")

    def test_ends_with_the_change_that_was_waited_for(self, shop: Kubernetes) -> None:
        live = shop.live("1.0.0", 1)
        shop.cluster.kubelet.scripts["1.0.0"] = "unready"
        before = self.asked(shop, "GET")
        waiting = threading.Thread(target=self.wait, args=(shop, 2))
        waiting.start()
        eventually(lambda: self.asked(shop, "WATCH") == 1)
        shop.provider.start(live, 2, shop.write())
        shop.cluster.kubelet.scripts["1.0.0"] = "well"
        waiting.join()
        changed = sum(change.plural == "endpointslices" for change in shop.cluster.objects.changes)
        assert self.asked(shop, "GET") - before <= changed + 1, "a list for each change"

    def test_asks_nothing_while_nothing_changes(self, shop: Kubernetes) -> None:
        shop.live("1.0.0", 1)
        lists = self.asked(shop, "GET")
        with pytest.raises(EdgeFailed):
            self.wait(shop, 2, within_s=1.5)
        assert self.asked(shop, "GET") - lists <= 3

    def test_from_a_version_that_is_gone_begins_again_with_a_list(self, shop: Kubernetes) -> None:
        live = shop.live("1.0.0", 1)
        shop.cluster.expiring = 2
        waiting = threading.Thread(target=self.wait, args=(shop, 2))
        waiting.start()
        eventually(lambda: self.asked(shop, "WATCH") >= 3)
        shop.provider.start(live, 2, shop.write())
        waiting.join()
        assert colors(shop) == {"blue": 2} and shop.cluster.expiring == 0

    def test_that_is_told_midway_that_its_version_is_gone_is_told_so(
        self, shop: Kubernetes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}}
        monkeypatch.setattr(shop.cluster, "_collection", lambda *_: (200, [said]))
        with pytest.raises(Gone, match="too old"):
            shop.provider.api.await_change(SLICE, {}, "1", 1.0)


def test_endpoints_wait_says_what_it_saw(shop: Kubernetes) -> None:
    shop.live("1.0.0", 1)
    with pytest.raises(EdgeFailed) as raised:
        endpoints.Endpoints(shop.provider.api, shop.provider.labels).wait(
            "shop", lambda seen: seen["green"] > 0, "green was to serve", 0.2
        )
    assert "{'blue': 1}" in raised.value.why[0]
