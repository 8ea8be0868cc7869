"""What manifests hold beside a Deployment: it goes forth and back with its revision."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrate.core.errors import FencedOut, ProviderUnavailable
from orchestrate.core.revision import Revision
from orchestrate.core.steps import Share
from orchestrate.providers.kubernetes import probe
from orchestrate.providers.kubernetes.manifests import EXTRA
from tests.providers.kubernetes.test_manifests import DEPLOYMENT, of, write
from tests.providers.kubernetes.test_reference import ROLE, rights
from tests.support.kubernetes.app import Kubernetes
from tests.support.waiting import eventually

pytestmark = pytest.mark.system

READS: list[dict[str, Any]] = [
    {"envFrom": [{"configMapRef": {"name": "settings"}}]},
    {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "at"}}}]},
]
VOLUMES: list[dict[str, Any]] = [
    {"name": "a", "configMap": {"name": "settings"}},
    {"name": "b", "projected": {"sources": [{"configMap": {"name": "settings"}}]}},
    {"name": "c", "configMap": {"name": "of-somebody-else"}},
]


def manifests(folder: Path, at: str) -> None:
    """A Deployment that reads ConfigMap `settings` in every way, and one object of each kind."""
    app = {**DEPLOYMENT["spec"]["template"]["spec"]["containers"][0], **READS[0]}
    app["env"] = READS[1]["env"]
    template = {
        **DEPLOYMENT["spec"]["template"],
        "spec": {"containers": [app], "volumes": VOLUMES},
    }
    meta = {"name": "shared", "labels": {"at": at}}
    write(
        folder,
        {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "template": template}},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "settings"},
            "data": {"at": at},
        },
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta},
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": meta,
            "spec": {"minAvailable": int(at)},
        },
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": meta,
            "spec": {"podSelector": {}},
        },
    )


@pytest.fixture
def shop(home: Path, tmp_path: Path) -> Iterator[Kubernetes]:
    manifests(tmp_path / "k8s", "1")
    with of(home, tmp_path) as made:
        yield made


def budget(shop: Kubernetes) -> int:
    return int(shop.cluster.one("poddisruptionbudgets", "shared")["spec"]["minAvailable"])


def started(shop: Kubernetes) -> Revision:
    """1.1.0 beside what serves, by another deployment."""
    new = shop.pinned("1.1.0")
    shop.provider.start(new, 2, shop.write("d2/0/start"))
    eventually(lambda: shop.provider.progress(new, 2, 0.0, {}).done)
    return new


def route(shop: Kubernetes, revision: Revision, key: str) -> None:
    shop.provider.route([Share(revision=revision.ref, percent=100)], None, shop.write(key))


def test_a_version_started_beside_changes_no_settings_of_the_one_that_serves(
    shop: Kubernetes, tmp_path: Path
) -> None:
    old = shop.live("1.0.0")
    manifests(tmp_path / "k8s", "2")
    new = shop.up(shop.pinned("1.1.0"))
    found = {
        each.key: shop.cluster.one("configmaps", f"settings-{each.key}")["data"]["at"]
        for each in (old, new)
    }
    assert found == {old.key: "1", new.key: "2"}


def test_every_reference_leads_to_the_settings_of_the_revision(shop: Kubernetes) -> None:
    own = f"settings-{shop.live('1.0.0').key}"
    pod = shop.cluster.one("deployments", "shop-blue")["spec"]["template"]["spec"]
    (app,) = pod["containers"]
    assert app["envFrom"] == [{"configMapRef": {"name": own}}]
    (env,) = [each for each in app["env"] if each["name"] == "A"]
    assert env["valueFrom"]["configMapKeyRef"]["name"] == own
    assert pod["volumes"][0]["configMap"]["name"] == own
    assert pod["volumes"][1]["projected"]["sources"][0]["configMap"]["name"] == own
    assert pod["volumes"][2]["configMap"]["name"] == "of-somebody-else"


@pytest.mark.parametrize("way", ["switch", "stop"])
def test_what_all_revisions_share_goes_back_with_the_traffic(
    shop: Kubernetes, tmp_path: Path, way: str
) -> None:
    old = shop.live("1.0.0")
    manifests(tmp_path / "k8s", "2")
    new = started(shop)
    assert budget(shop) == 2
    if way == "switch":
        route(shop, new, "d2/1/switch")
        assert budget(shop) == 2
        route(shop, old, "d3/0/switch")
    else:
        shop.provider.stop(new.ref, shop.write("d2/1/stop"))
    assert budget(shop) == 1


def test_a_hand_on_what_is_shared_is_not_gone_over_on_the_way_forward(
    shop: Kubernetes, tmp_path: Path
) -> None:
    shop.live("1.0.0")
    manifests(tmp_path / "k8s", "2")
    new = started(shop)
    patch = {"spec": {"minAvailable": 9}}
    shop.cluster.by_hand("lee", "poddisruptionbudgets", "shared", patch)
    route(shop, new, "d2/1/switch")
    assert budget(shop) == 9


def test_a_late_writer_is_refused_at_each_of_them(shop: Kubernetes) -> None:
    live = shop.live("1.0.0")
    late = shop.write()
    shop.provider.fence.pass_(late)
    shop.provider.start(live, 2, shop.write())
    objects = shop.provider.pins.objects(live.artifact)
    for each in objects[1:]:
        with pytest.raises(FencedOut):
            shop.provider.extras.put([each], "blue", live, late, force=False)


def test_settings_of_the_last_revisions_are_kept_and_all_goes_with_the_environment(
    shop: Kubernetes, tmp_path: Path
) -> None:
    keys = []
    for at in range(1, 8):
        manifests(tmp_path / "k8s", str(at))
        revision = shop.pinned("1.0.0")
        keys.append(revision.key)
        shop.provider.roll(revision, 1, shop.write())
    found = {each["metadata"]["name"] for each in shop.cluster.objects.list("configmaps")}
    assert found == {f"settings-{key}" for key in keys[2:]}
    shop.provider.dismantle()
    for plural in EXTRA.values():
        assert shop.cluster.objects.list(plural) == [], plural


def test_what_another_environment_has_taken_since_stays_with_it(shop: Kubernetes) -> None:
    shop.live("1.0.0")
    theirs = {"metadata": {"labels": {"orchestrate/environment": "prod"}}}
    shop.cluster.by_hand("orchestrate", "serviceaccounts", "shared", theirs)
    shop.provider.dismantle()
    (left,) = shop.cluster.objects.list("serviceaccounts")
    assert left["metadata"]["name"] == "shared"
    assert shop.cluster.objects.list("networkpolicies") == []


class TestRights:
    def commented(self) -> set[tuple[str, str]]:
        """Those that stand in the Role as comments."""
        text = ROLE.read_text(encoding="utf-8")
        rules = yaml.safe_load(
            "\n".join(re.findall(r"^#([- ] (?:apiGroups|resources|verbs):.*)$", text, re.M))
        )
        return {(verb, name) for r in rules for name in r["resources"] for verb in r["verbs"]}

    def test_for_more_kinds_stand_in_the_role_as_comments_and_are_enough(
        self, shop: Kubernetes, tmp_path: Path
    ) -> None:
        assert {name for _, name in self.commented()} == set(EXTRA.values())
        shop.cluster.allowed = rights() | self.commented()
        assert [finding for finding in shop.provider.probe() if not finding.ok] == []
        old = shop.live("1.0.0")
        manifests(tmp_path / "k8s", "2")
        new = shop.live("1.1.0")
        shop.provider.stop(old.ref, shop.write())
        shop.provider.stop(new.ref, shop.write())
        shop.provider.dismantle()

    def test_to_let_go_of_old_settings_are_asked_for_too(self, shop: Kubernetes) -> None:
        shop.cluster.allowed = rights() | (self.commented() - {("delete", "configmaps")})
        (bad,) = [finding for finding in shop.provider.probe() if not finding.ok]
        assert bad.text == "these credentials may not: delete configmaps"

    def test_that_lack_a_kind_are_told_before_with_what_is_missing(self, shop: Kubernetes) -> None:
        shop.cluster.allowed = rights() | (self.commented() - {("patch", "networkpolicies")})
        (bad,) = [finding for finding in shop.provider.probe() if not finding.ok]
        assert bad.text == "these credentials may not: patch networkpolicies"
        assert bad.fix is not None and "as comments" in bad.fix
        with pytest.raises(ProviderUnavailable) as raised:
            shop.pinned("1.0.0")
        assert "`patch` of `networkpolicies`" in raised.value.fix[0]

    def test_are_asked_for_by_the_verbs_that_are_used(self) -> None:
        assert {verb for verb, _ in self.commented()} == {*probe.EXTRAS.split(), "delete"}
