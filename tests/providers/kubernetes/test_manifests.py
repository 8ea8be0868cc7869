"""Manifests from a directory or a command: what is taken of them, what is refused, and pinned."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import JsonValue

from orchestrate.core.errors import (
    ArtifactInvalid,
    NotRestorable,
    OrchestrateError,
    ProviderConfigInvalid,
    ProviderUnavailable,
)
from orchestrate.core.notification import Notification, Webhook
from orchestrate.core.protocols import Rendering
from orchestrate.engine.masking import masking
from orchestrate.providers.kubernetes import KubernetesProvider
from orchestrate.providers.kubernetes.access import Access
from tests.support.kubernetes.app import Kubernetes, kubernetes
from tests.support.secrets import GivenSecrets, planted

pytestmark = pytest.mark.system

CONTAINER: dict[str, Any] = {
    "name": "web",
    "image": "set-by-the-deployment",
    "env": [{"name": "MODE", "value": "fast"}],
}
DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "shop", "labels": {"team": "a"}},
    "spec": {
        "replicas": 9,
        "selector": {"matchLabels": {"app": "shop"}},
        "template": {"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [CONTAINER]}},
    },
}
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "shop"},
    "spec": {"selector": {"app": "shop"}, "ports": [{"name": "web", "port": 8000}]},
}
SETTINGS: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "settings"},
    "data": {"since": "2026-11-23"},
}
SCALER: dict[str, Any] = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "shop"},
    "spec": {"maxReplicas": 5, "scaleTargetRef": {"kind": "Deployment", "name": "shop"}},
}


def write(folder: Path, *objects: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "all.yaml").write_text(yaml.safe_dump_all(objects), encoding="utf-8")


def of(home: Path, root: Path, **config: JsonValue) -> Any:
    given = {"root": str(root), "container": "web", "manifests": "k8s"}
    return kubernetes(home, **{**given, **config})


class TestDirectory:
    def test_is_deployed_with_image_labels_and_variables_set(
        self, home: Path, tmp_path: Path
    ) -> None:
        write(tmp_path / "k8s", DEPLOYMENT, SERVICE, SETTINGS, SCALER)
        with of(home, tmp_path) as shop:
            revision = shop.live("1.0.0")
            found = shop.cluster.one("deployments", "shop-blue")
            container = found["spec"]["template"]["spec"]["containers"][0]
            pinned = shop.images.digest("1.0.0")
            assert container["image"] == f"{shop.images.host}/team/shop@{pinned}"
            variables = {each["name"]: each["value"] for each in container["env"]}
            assert variables["MODE"] == "fast"
            assert variables["ORCHESTRATE_REVISION"] == revision.key
            assert found["spec"]["replicas"] == 2, "config's, and not the manifests'"
            assert found["metadata"]["labels"]["team"] == "a"
            assert shop.cluster.one("services", "shop")["spec"]["ports"][0]["port"] == 8000
            own = shop.cluster.one("configmaps", f"settings-{revision.key}")
            assert own["data"]["since"] == "2026-11-23"
            scaler = shop.cluster.one("horizontalpodautoscalers", "shop-blue")
            assert scaler["spec"]["scaleTargetRef"]["name"] == "shop-blue"

    def test_is_another_revision_when_a_file_changes(self, home: Path, tmp_path: Path) -> None:
        write(tmp_path / "k8s", DEPLOYMENT)
        with of(home, tmp_path) as shop:
            first = shop.pinned("1.0.0")
            write(tmp_path / "k8s", DEPLOYMENT, SETTINGS)
            assert shop.pinned("1.0.0").key != first.key

    def test_is_restored_as_it_was_whatever_the_files_say_now(
        self, home: Path, tmp_path: Path
    ) -> None:
        write(tmp_path / "k8s", DEPLOYMENT)
        with of(home, tmp_path) as shop:
            old = shop.live("1.0.0")
            shutil.rmtree(tmp_path / "k8s")
            shop.provider.stop(old.ref, shop.write())
            assert shop.provider.restorable(old).ok
            shop.up(old)

    def test_that_is_not_kept_any_more_cannot_be_restored(self, home: Path, tmp_path: Path) -> None:
        write(tmp_path / "k8s", DEPLOYMENT)
        with of(home, tmp_path) as shop:
            revision = shop.pinned("1.0.0")
            shutil.rmtree(home / "kubernetes")
            found = shop.provider.restorable(revision)
            assert not found.ok and "are not kept here" in found.lost[0]
            with pytest.raises(NotRestorable):
                shop.provider.start(revision, 1, shop.write())

    @pytest.mark.parametrize(
        ("objects", "config", "said"),
        [
            ((SERVICE,), {}, "one Deployment"),
            ((DEPLOYMENT, DEPLOYMENT), {}, "one Deployment"),
            ((DEPLOYMENT,), {"container": "app"}, "no container app"),
            ((DEPLOYMENT, {**SERVICE, "kind": "Namespace"}), {}, "cannot be deployed"),
            ((DEPLOYMENT, {**SERVICE, "metadata": {"name": "x"}}), {}, "named x, and not shop"),
            (
                (DEPLOYMENT, {**SERVICE, "metadata": {"name": "shop", "namespace": "y"}}),
                {},
                "is for namespace y",
            ),
        ],
    )
    def test_that_is_not_fit_is_refused_with_what_is_wrong(
        self,
        home: Path,
        tmp_path: Path,
        objects: tuple[dict[str, Any], ...],
        config: dict[str, JsonValue],
        said: str,
    ) -> None:
        write(tmp_path / "k8s", *objects)
        with of(home, tmp_path, **config) as shop, pytest.raises(OrchestrateError) as raised:
            shop.provider.resolve("1.0.0")
        assert isinstance(raised.value, ArtifactInvalid | ProviderConfigInvalid)
        assert said in raised.value.message

    @pytest.mark.parametrize("source", ["manifests", "render"])
    def test_that_is_too_long_is_refused_and_not_cut(
        self, home: Path, tmp_path: Path, source: str
    ) -> None:
        write(tmp_path / "k8s", DEPLOYMENT)
        with (tmp_path / "k8s" / "all.yaml").open("a", encoding="utf-8") as file:
            file.write("\n---\n" + "# a line of no weight\n" * 200_000)
        words: JsonValue = ["cat", str(tmp_path / "k8s" / "all.yaml")]
        config: dict[str, JsonValue] = {"render": words} if source == "render" else {}
        given: dict[str, JsonValue] = config or {"manifests": "k8s"}
        with kubernetes(home, root=str(tmp_path), container="web", **given) as shop:
            with pytest.raises(ArtifactInvalid, match="too long"):
                shop.provider.resolve("1.0.0")

    def test_that_the_cluster_would_refuse_is_refused_when_it_is_planned(
        self, home: Path, tmp_path: Path
    ) -> None:
        spec = {**DEPLOYMENT["spec"], "replicaz": 3}
        write(tmp_path / "k8s", {**DEPLOYMENT, "spec": spec})
        with of(home, tmp_path) as shop:
            with pytest.raises(ProviderConfigInvalid) as raised:
                shop.provider.resolve("1.0.0")
            assert "replicaz: field not declared in schema" in raised.value.why[0]
            assert shop.cluster.objects.found == {}


class TestCommand:
    def render(self, *more: str) -> JsonValue:
        text = f"import yaml; print(yaml.safe_dump({DEPLOYMENT!r}))"
        return [sys.executable, "-c", text, *more]

    def test_writes_the_manifests_without_a_shell(self, home: Path, tmp_path: Path) -> None:
        words = self.render("{version}", "$(touch spoilt)", "{image}")
        with kubernetes(home, root=str(tmp_path), container="web", render=words) as shop:
            shop.live("1.0.0")
            assert shop.served() == {"1.0.0"}
        assert list(tmp_path.iterdir()) == []

    def test_is_known_to_run_where_a_version_is_resolved(self, home: Path, tmp_path: Path) -> None:
        for more, runs in (({"render": self.render()}, True), ({"manifests": "k8s"}, False)):
            with kubernetes(home, root=str(tmp_path), **more) as shop:  # type: ignore[arg-type]
                seen = masking(shop.provider, lambda: [])
                assert isinstance(seen, Rendering) and seen.renders is runs

    def test_of_kustomize_is_given_the_directory(self, home: Path, tmp_path: Path) -> None:
        write(tmp_path / "overlay", DEPLOYMENT)
        words: JsonValue = ["cat", "{directory}/all.yaml"]
        config: dict[str, JsonValue] = {"kustomize": "overlay", "kustomize_command": words}
        with kubernetes(home, root=str(tmp_path), container="web", **config) as shop:
            assert shop.pinned("1.0.0").artifact.kind == "manifests"

    def test_that_fails_is_told_with_what_it_said(self, home: Path, tmp_path: Path) -> None:
        words: JsonValue = [sys.executable, "-c", "import sys; sys.exit('no chart here')"]
        with kubernetes(home, root=str(tmp_path), render=words) as shop:
            with pytest.raises(ArtifactInvalid) as raised:
                shop.provider.resolve("1.0.0")
        assert raised.value.why[-1] == "untrusted | no chart here"

    def test_that_is_not_there_is_told_with_a_way_out(self, home: Path, tmp_path: Path) -> None:
        with kubernetes(home, root=str(tmp_path), render=["no-such-helm"]) as shop:
            with pytest.raises(ProviderUnavailable, match="no-such-helm is not here"):
                shop.provider.resolve("1.0.0")


class TestSecrets:
    @pytest.fixture
    def shop(self, home: Path) -> Any:
        with kubernetes(home) as made:
            made.secret_names = ("DB", "KUBE")
            made.secrets = GivenSecrets(DB="postgres://secret", KUBE="x")
            yield made

    def test_are_one_immutable_secret_for_a_revision(self, shop: Kubernetes) -> None:
        shop.provider = shop.another()
        revision = shop.live("1.0.0", 1)
        found = shop.cluster.one("secrets", f"shop-{revision.key}")
        assert found["immutable"] is True and set(found["data"]) == {"DB", "KUBE"}
        pod = shop.cluster.one("deployments", "shop-blue")["spec"]["template"]["spec"]
        assert pod["containers"][0]["envFrom"] == [{"secretRef": {"name": f"shop-{revision.key}"}}]
        assert "postgres" not in str(pod)

    def test_of_the_last_revisions_are_kept_and_older_ones_go(self, shop: Kubernetes) -> None:
        shop.provider = shop.another()
        keys = []
        for number in range(7):
            shop.variables = {"N": str(number)}
            shop.provider = shop.another()
            revision = shop.pinned("1.0.0")
            keys.append(revision.key)
            shop.provider.roll(revision, 1, shop.write())
        found = {each["metadata"]["name"] for each in shop.cluster.objects.list("secrets")}
        assert found == {f"shop-{key}" for key in keys[2:]}
        shop.provider.dismantle()
        assert shop.cluster.objects.list("secrets") == []

    def test_of_this_program_are_not_the_applications(self, shop: Kubernetes) -> None:
        config = shop.kubeconfig.read_text(encoding="utf-8")
        shop.config = {"kubeconfig_secret": "KUBE"}
        shop.secrets = GivenSecrets(DB="x", KUBE=config)
        environment = shop.environment
        left = {k: v for k, v in environment.config.items() if k != "kubeconfig"}
        shop.provider = KubernetesProvider(
            environment.model_copy(update={"config": left}), str(shop.home), shop.secrets
        )
        revision = shop.pinned("1.0.0")
        revision = revision.model_copy(update={"config": left})
        shop.provider.start(revision, 1, shop.write())
        assert set(shop.cluster.one("secrets", f"shop-{revision.key}")["data"]) == {"DB"}

    def test_of_this_program_are_given_to_no_pod_whatever_a_revision_pins(
        self, shop: Kubernetes
    ) -> None:
        shop.secret_names = ("DB", "REG_USER", "REG_PASS", "OPS_HOOK")
        shop.secrets = GivenSecrets(
            DB="postgres://secret", REG_USER="u", REG_PASS="p", OPS_HOOK="h"
        )
        shop.config = {"credentials": {"username": "REG_USER", "password": "REG_PASS"}}
        shop.notifications = (Notification(name="ops", sink=Webhook(url_secret="OPS_HOOK")),)
        shop.provider = shop.another()
        revision = shop.pinned("1.0.0")
        pins = planted(shop.environment)
        revision = revision.model_copy(update={"secret_versions": pins})
        shop.provider.start(revision, 1, shop.write())
        assert set(shop.cluster.one("secrets", f"shop-{revision.key}")["data"]) == {"DB"}

    def test_that_a_revision_does_not_pin_are_not_given_to_it(self, shop: Kubernetes) -> None:
        shop.provider = shop.another()
        revision = shop.pinned("1.0.0").model_copy(update={"secret_versions": {}})
        shop.provider.start(revision, 1, shop.write())
        assert shop.cluster.objects.list("secrets") == []

    @pytest.mark.parametrize("key", ["exec", "tokenFile", "client-key"])
    def test_with_a_kubeconfig_may_not_reach_out_of_it(self, shop: Kubernetes, key: str) -> None:
        config = yaml.safe_load(shop.cluster.kubeconfig())
        config["users"][0]["user"] = {key: "/etc/shadow"}
        access = Access(secret="KUBE")
        with pytest.raises(ProviderUnavailable, match="reaches out of it"):
            access.client(GivenSecrets(KUBE=yaml.safe_dump(config)))


class TestBuiltIn:
    def test_has_a_probe_few_rights_and_the_limits_of_config(self, home: Path) -> None:
        limits: JsonValue = {"memory": "64Mi"}
        with kubernetes(home, limits=limits, pull_secret="pull", min_ready=3) as shop:
            shop.provider.start(shop.pinned("1.0.0"), 1, shop.write())
            spec = shop.cluster.one("deployments", "shop-blue")["spec"]
            pod = spec["template"]["spec"]
            container = pod["containers"][0]
            assert container["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": 8080}
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"] == {"limits": {"memory": "64Mi"}}
            assert pod["imagePullSecrets"] == [{"name": "pull"}]
            assert pod["automountServiceAccountToken"] is False
            assert spec["minReadySeconds"] == 3

    def test_of_a_revision_is_made_with_that_revisions_config(self, home: Path) -> None:
        with kubernetes(home, limits={"memory": "64Mi"}) as shop:
            old = shop.pinned("1.0.0")
            shop.config = {"limits": {"memory": "128Mi"}}
            shop.provider = shop.another()
            shop.provider.start(old, 1, shop.write())
            spec = shop.cluster.one("deployments", "shop-blue")["spec"]["template"]["spec"]
            assert spec["containers"][0]["resources"] == {"limits": {"memory": "64Mi"}}


class TestProbe:
    def test_of_a_cluster_that_is_not_there_is_one_finding(self, home: Path) -> None:
        with kubernetes(home) as shop:
            shop.kubeconfig.write_text(shop.cluster.kubeconfig("127.0.0.1:9"), encoding="utf-8")
            (bad,) = shop.another().probe()
            assert bad.name == "cluster" and "does not answer" in bad.text

    def test_of_a_namespace_that_is_not_there_says_so(self, home: Path) -> None:
        with kubernetes(home, namespace="none") as shop:
            bad = [finding for finding in shop.provider.probe() if not finding.ok]
            assert [finding.name for finding in bad] == ["dry run"]
            assert 'namespaces "none" not found' in bad[0].text

    def test_stores_nothing(self, home: Path) -> None:
        with kubernetes(home) as shop:
            shop.provider.probe()
            assert shop.cluster.objects.found == {}

    def test_without_credentials_says_what_was_tried(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.delenv("KUBECONFIG", raising=False)
        with kubernetes(home) as shop:
            environment = shop.environment
            config = {k: v for k, v in environment.config.items() if k != "kubeconfig"}
            provider = KubernetesProvider(
                environment.model_copy(update={"config": config}), str(home), shop.secrets
            )
            (bad,) = provider.probe()
            assert "no credentials for a cluster" in bad.text
