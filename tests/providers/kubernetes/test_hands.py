"""Somebody else's hand on what a deployment sets: noticed on the way forward, no obstacle on the
way back, and taken over on the operator's word alone."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from orchestrate.core.environment import Strategy, StrategyName
from orchestrate.core.errors import FieldConflict, StepFailed
from orchestrate.providers.kubernetes import KubernetesProvider
from orchestrate.providers.kubernetes.objects import template_owners
from tests.providers.kubernetes.test_manifests import DEPLOYMENT, of, write
from tests.providers.kubernetes.test_rollout import follow
from tests.support.kubernetes.app import Kubernetes, kubernetes
from tests.support.waiting import eventually

pytestmark = pytest.mark.system

OTHER = "registry.local/other:9"


def set_image(shop: Kubernetes, name: str = "shop-blue") -> None:
    """What `kubectl set image` does."""
    image = {"containers": [{"name": "app", "image": OTHER}]}
    patch = {"spec": {"template": {"spec": image}}}
    shop.cluster.by_hand("kubectl-set", "deployments", name, patch)


def image_of(shop: Kubernetes, name: str = "shop-blue") -> str:
    spec = shop.cluster.one("deployments", name)["spec"]["template"]["spec"]
    return str(spec["containers"][0]["image"])


def service_by_hand(shop: Kubernetes) -> None:
    """A Service that was there before this program, made by `kubectl apply --server-side`."""
    spec = {"selector": {"app": "shop"}, "ports": [{"name": "http", "port": 80}]}
    body: dict[str, Any] = {"metadata": {"name": "shop"}, "spec": spec}
    shop.cluster.objects.apply("services", "shop", body, "kubectl", False, False)


class TestWayBack:
    def test_goes_over_an_image_that_was_set_by_hand(self, shop: Kubernetes) -> None:
        old = shop.live("1.0.0")
        new = shop.pinned("1.1.0")
        shop.provider.roll(new, 2, shop.write())
        set_image(shop)
        with pytest.raises(StepFailed, match="superseded by kubectl-set"):
            follow(shop, new)
        shop.provider.roll(old, 2, shop.write())
        assert follow(shop, old).done
        assert shop.images.digest("1.0.0") in image_of(shop)
        assert shop.served() == {"1.0.0"}

    def test_of_a_change_that_was_refused_goes_to_what_is_on_record(self, shop: Kubernetes) -> None:
        old, new = shop.live("1.0.0"), shop.pinned("1.1.0")
        set_image(shop)
        with pytest.raises(FieldConflict):
            shop.provider.roll(new, 2, shop.write())
        shop.provider.roll(old, 2, shop.write())
        assert follow(shop, old).done
        assert shop.images.digest("1.0.0") in image_of(shop)

    def test_goes_over_a_scale_by_hand_with_no_fewer_replicas(self, shop: Kubernetes) -> None:
        old = shop.live("1.0.0")
        shop.provider.roll(shop.pinned("1.1.0"), 2, shop.write())
        shop.cluster.by_hand("kubectl", "deployments", "shop-blue", {"spec": {"replicas": 4}})
        shop.provider.roll(old, 2, shop.write())
        assert follow(shop, old).done
        assert shop.cluster.one("deployments", "shop-blue")["spec"]["replicas"] == 4

    def test_once_gone_is_no_word_for_the_next_way_forward(self, shop: Kubernetes) -> None:
        old, new = shop.live("1.0.0"), shop.pinned("1.1.0")
        for revision in (new, old):
            shop.provider.roll(revision, 2, shop.write())
            follow(shop, revision)
        set_image(shop)
        with pytest.raises(FieldConflict):
            shop.provider.roll(new, 2, shop.write())
        assert image_of(shop) == OTHER


class TestTakeOver:
    def test_is_what_a_conflict_names_with_the_object_and_its_namespace(
        self, shop: Kubernetes
    ) -> None:
        shop.live("1.0.0")
        new = shop.pinned("1.1.0")
        set_image(shop)
        with pytest.raises(FieldConflict) as raised:
            shop.provider.roll(new, 2, shop.write())
        assert "deployments/shop-blue" in raised.value.message
        assert "deployments/shop-blue in namespace shop" in raised.value.fix[0]
        assert "take_over: true" in raised.value.fix[0]
        assert "kubectl get deployments shop-blue --namespace shop" in raised.value.fix[1]

    def test_does_what_its_hint_says(self, shop: Kubernetes) -> None:
        shop.live("1.0.0")
        set_image(shop)
        shop.config = {"take_over": True}
        shop.provider = shop.another()
        new = shop.pinned("1.1.0")
        shop.provider.roll(new, 2, shop.write())
        assert follow(shop, new).done
        assert shop.images.digest("1.1.0") in image_of(shop)

    def test_takes_a_service_that_was_there_before(self, home: Path) -> None:
        with kubernetes(home, take_over=True) as shop:
            service_by_hand(shop)
            shop.live("1.0.0")
            assert shop.served() == {"1.0.0"}

    def test_is_not_assumed_for_a_service_that_was_there_before(self, shop: Kubernetes) -> None:
        revision = shop.pinned("1.0.0")
        service_by_hand(shop)
        shop.up(revision)
        with pytest.raises(FieldConflict, match="services/shop"):
            shop.route((revision, 100))
        assert shop.cluster.one("services", "shop")["spec"]["selector"] == {"app": "shop"}


class TestNotice:
    @pytest.mark.parametrize(
        "change",
        [
            {"containers": [{"name": "app", "env": [{"name": "MODE", "value": "slow"}]}]},
            {"containers": [{"name": "app", "resources": {"limits": {"memory": "1Mi"}}}]},
            {"nodeName": "elsewhere"},
        ],
        ids=["env", "limits", "node"],
    )
    def test_is_taken_of_any_change_of_the_template(
        self, shop: Kubernetes, change: dict[str, Any]
    ) -> None:
        shop.live("1.0.0")
        new = shop.pinned("1.1.0")
        shop.provider.roll(new, 2, shop.write())
        written = shop.cluster.one("deployments", "shop-blue")["metadata"]["generation"]
        patch = {"spec": {"template": {"spec": change}}}
        shop.cluster.by_hand("kubectl-edit", "deployments", "shop-blue", patch)
        with pytest.raises(StepFailed, match="superseded by kubectl-edit") as raised:
            follow(shop, new)
        assert f"is at generation {written + 1}, and {written} was" in raised.value.why[0]

    def test_is_not_taken_of_a_number_of_replicas(self, shop: Kubernetes) -> None:
        shop.live("1.0.0")
        new = shop.pinned("1.1.0")
        shop.provider.roll(new, 2, shop.write())
        patch = {"spec": {"replicas": 3}}
        shop.cluster.by_hand("kube-controller-manager", "deployments", "shop-blue", patch, "scale")
        assert follow(shop, new).done
        shop.provider.scale(new.ref, 1, shop.write())
        shop.provider.start(new, 1, shop.write())
        assert follow(shop, new, 1).done

    def test_of_an_image_set_after_the_release_is_taken_by_what_the_pods_run(
        self, shop: Kubernetes
    ) -> None:
        live = shop.live("1.0.0")

        def run() -> set[str | None]:
            return {each.artifact for each in shop.provider.observe().replicas(live.key)}

        assert run() == {live.artifact.digest}
        set_image(shop)
        eventually(lambda: run() and not run() & {None, live.artifact.digest})

    def test_knows_the_artifact_of_manifests_by_their_image(
        self, home: Path, tmp_path: Path
    ) -> None:
        write(tmp_path / "k8s", DEPLOYMENT)
        with of(home, tmp_path) as shop:
            live = shop.live("1.0.0")
            found = {each.artifact for each in shop.provider.observe().replicas(live.key)}
            assert found == {live.artifact.digest}
            assert live.artifact.digest != shop.images.digest("1.0.0")


class TestBeforehand:
    """A conflict is known when it is planned, and not in the middle of the deployment."""

    def conflict(self, shop: Kubernetes, *, rolling: bool = True) -> tuple[str, str]:
        """What planning and probing say of it. Nothing is changed by either."""
        chosen = StrategyName.ROLLING if rolling else StrategyName.BLUE_GREEN
        strategy = Strategy(type=chosen)
        shop.provider = KubernetesProvider(
            shop.environment.model_copy(update={"strategy": strategy}), str(shop.home), shop.secrets
        )
        before = copy.deepcopy(shop.cluster.objects.found)
        with pytest.raises(FieldConflict) as raised:
            shop.provider.resolve("1.1.0")
        (bad,) = [each for each in shop.provider.probe() if not each.ok]
        assert bad.code == "field_conflict" and "take_over: true" in (bad.fix or "")
        for key, found in before.items():
            if key[0] in ("deployments", "services"):
                assert shop.cluster.objects.found[key].get("spec") == found.get("spec")
        return raised.value.message, bad.text

    def test_an_image_set_by_hand_is_told(self, shop: Kubernetes) -> None:
        shop.live("1.0.0")
        set_image(shop)
        for said in self.conflict(shop):
            assert "deployments/shop-blue" in said

    def test_a_scale_by_hand_is_told(self, shop: Kubernetes) -> None:
        shop.live("1.0.0")
        shop.cluster.by_hand("kubectl", "deployments", "shop-blue", {"spec": {"replicas": 4}})
        for said in self.conflict(shop):
            assert "deployments/shop-blue" in said

    @pytest.mark.parametrize("rolling", [True, False])
    def test_a_service_of_somebody_else_is_told(self, shop: Kubernetes, rolling: bool) -> None:
        service_by_hand(shop)
        for said in self.conflict(shop, rolling=rolling):
            assert "services/shop" in said

    def test_a_free_colour_is_asked_for_where_another_one_serves(self, shop: Kubernetes) -> None:
        shop.live("1.0.0")
        set_image(shop)
        strategy = Strategy(type=StrategyName.BLUE_GREEN)
        environment = shop.environment.model_copy(update={"strategy": strategy})
        provider = KubernetesProvider(environment, str(shop.home), shop.secrets)
        provider.resolve("1.1.0")
        assert [each for each in provider.probe() if not each.ok] == []

    def test_is_none_with_the_operators_word(self, home: Path) -> None:
        with kubernetes(home, take_over=True) as shop:
            service_by_hand(shop)
            shop.provider.resolve("1.0.0")
            assert [each for each in shop.provider.probe() if not each.ok] == []


def test_who_came_after_our_apply_is_named_and_not_who_was_there_before() -> None:
    def entry(manager: str, time: str, operation: str = "Update") -> dict[str, object]:
        fields = {"f:spec": {"f:template": {"f:spec": {}}}}
        return {"manager": manager, "operation": operation, "time": time, "fieldsV1": fields}

    entries = [
        entry("kubectl-rollout", "2026-11-23T03:00:00Z"),
        entry("orchestrate", "2026-11-23T03:10:00Z", "Apply"),
        entry("kubectl-edit", "2026-11-23T03:11:00Z"),
    ]
    assert template_owners({"metadata": {"managedFields": entries}}) == ["kubectl-edit"]
