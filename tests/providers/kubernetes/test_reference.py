"""docs/configuration.md names every key of the config of kubernetes and the defaults in force, and
the Role of docs/providers holds every right that is used, and none besides."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from orchestrate.core.config import parse
from orchestrate.core.config.providers import canonical_provider
from orchestrate.core.durations import seconds
from orchestrate.core.errors import ProviderConfigInvalid
from orchestrate.providers import named
from orchestrate.providers.kubernetes import KubernetesProvider, probe, quota, vault
from orchestrate.providers.kubernetes.settings import settings_of
from tests.support.kubernetes.app import Kubernetes, kubernetes
from tests.support.repository import ROOT
from tests.support.secrets import GivenSecrets, NoSecrets

PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "providers" / "kubernetes.md").read_text(encoding="utf-8")
ROLE = ROOT / "docs" / "providers" / "kubernetes-role.yaml"
TO_DELETE = {("delete", name) for name in ("services", "deployments", "httproutes", "ingresses")}
"""What only the deletion of an environment needs."""


def table() -> dict[str, str]:
    """Default by key."""
    section = PAGE.split("### config of kubernetes\n", 1)[1].split("\n#", 1)[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return {row[0].strip(" `"): row[1].strip(" `") for row in rows}


def rights() -> set[tuple[str, str]]:
    """Verb and resource of the Role."""
    for document in yaml.safe_load_all(ROLE.read_text(encoding="utf-8")):
        if document["kind"] == "Role":
            return {
                (verb, resource)
                for rule in document["rules"]
                for resource in rule["resources"]
                for verb in rule["verbs"]
            }
    raise AssertionError("no Role")


@pytest.mark.unit
class TestPages:
    def test_the_table_names_every_key_and_no_other(self) -> None:
        with pytest.raises(ProviderConfigInvalid) as raised:
            settings_of({"nothing_like_any_of_them": 1}, "shop")
        found = re.search(r"known: (.*)", "\n".join(raised.value.why))
        assert found
        assert sorted(table()) == sorted(set(found[1].split(", ")) - {"root"})

    def test_the_defaults_are_the_ones_in_force(self) -> None:
        config = {"namespace": "shop", "image": "r.example.com/shop:{version}", "port": 1}
        plain, said = settings_of(config, "shop"), table()
        for key, value in {
            "grace": plain.grace_s,
            "min_ready": plain.min_ready_s,
            "progress_deadline": plain.progress_deadline_s,
            "patience": plain.patience_s,
        }.items():
            assert seconds(said[key]) == value
        found = {
            "replicas": plain.replicas,
            "container": plain.container,
            "autoscaled": str(plain.autoscaled).lower(),
            "in_cluster": str(plain.access.in_cluster).lower(),
            "max_surge": plain.max_surge,
            "max_unavailable": plain.max_unavailable,
        }
        assert {key: said[key] for key in found} == {k: str(v) for k, v in found.items()}

    def test_the_guides_file_is_taken(self, tmp_path: Path) -> None:
        found = re.search(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
        assert found
        config = parse(
            found[1], file="orchestrate.yaml", root=str(tmp_path), default_app="x", variables={}
        )
        (staging,) = config.environments
        provider = KubernetesProvider(staging, str(tmp_path), NoSecrets())
        assert provider.settings.name == "shop-staging"

    def test_the_provider_is_found_by_its_name_and_its_short_one(self) -> None:
        assert canonical_provider("k8s", {}) == "kubernetes"
        assert named("kubernetes") is KubernetesProvider


@pytest.mark.system
class TestRole:
    @pytest.fixture(params=["gateway", "ingress", "replicas"])
    def bound(self, request: pytest.FixtureRequest, home: Path) -> Iterator[Kubernetes]:
        """An environment whose credentials have this Role and nothing more."""
        config = {
            "gateway": {"gateway": {"name": "public"}},
            "ingress": {"ingress": {"host": "shop.example.com"}},
            "replicas": {},
        }[request.param]
        with kubernetes(home, **config) as shop:  # type: ignore[arg-type]
            shop.secret_names, shop.secrets = ("DB",), GivenSecrets(DB="x")
            shop.provider = shop.another()
            shop.cluster.allowed = rights()
            yield shop

    def test_is_enough_for_everything(self, bound: Kubernetes) -> None:
        assert [finding for finding in bound.provider.probe() if not finding.ok] == []
        old = bound.live("1.0.0")
        new = bound.up(bound.pinned("1.1.0"))
        bound.route((old, 50), (new, 50))
        bound.route((new, 100))
        bound.provider.stop(old.ref, bound.write())
        bound.provider.roll(old, 2, bound.write())
        list(bound.provider.logs(old.ref, 5))
        bound.provider.dismantle()

    def test_holds_no_right_that_is_not_asked_for(self) -> None:
        asked = {
            (verb, resource)
            for _, resource, verbs in (
                *(*probe.RIGHTS, probe.GATEWAY, probe.INGRESS, probe.SECRETS),
                quota.RIGHT,
            )
            for verb in verbs.split()
        }
        assert rights() - asked == TO_DELETE and asked <= rights()

    def test_without_what_deletes_an_environment_is_enough_for_many_deployments(
        self, bound: Kubernetes
    ) -> None:
        bound.cluster.allowed = rights() - TO_DELETE
        assert [finding for finding in bound.provider.probe() if not finding.ok] == []
        for at in range(8):
            bound.variables = {"AT": str(at)}
            bound.provider = bound.another()
            bound.provider.roll(bound.pinned("1.0.0"), 1, bound.write())
        assert len(bound.cluster.objects.list("secrets")) == vault.KEPT

    def test_that_cannot_let_go_of_old_secrets_is_told_before(self, bound: Kubernetes) -> None:
        bound.cluster.denied.add(("delete", "secrets"))
        (bad,) = [finding for finding in bound.provider.probe() if not finding.ok]
        assert bad.text == "these credentials may not: delete secrets"

    def test_that_lacks_something_is_told_with_what(self, bound: Kubernetes) -> None:
        assert bound.cluster.allowed is not None
        bound.cluster.allowed -= {("list", "endpointslices"), ("create", "leases")}
        bad = [finding for finding in bound.provider.probe() if not finding.ok]
        assert [finding.name for finding in bad] == ["rights"]
        assert "list endpointslices" in bad[0].text and "create leases" in bad[0].text
        assert bad[0].fix is not None and "kubernetes-role.yaml" in bad[0].fix
