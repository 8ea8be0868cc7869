"""What `config` may hold for a cluster."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from orchestrate.core.errors import ProviderConfigInvalid
from orchestrate.providers.kubernetes.settings import Settings, settings_of

pytestmark = pytest.mark.unit

LEAST: dict[str, JsonValue] = {
    "namespace": "shop",
    "image": "registry.example.com/team/shop:{version}",
    "port": 8080,
}


def settings(**more: JsonValue) -> Settings:
    return settings_of({**LEAST, **more}, "shop--staging")


def problems(**more: JsonValue) -> str:
    with pytest.raises(ProviderConfigInvalid) as raised:
        settings(**more)
    return "\n".join(raised.value.why)


def test_the_least_is_namespace_image_and_port() -> None:
    found = settings()
    assert (found.name, found.container, found.replicas) == ("shop-staging", "app", 1)
    with pytest.raises(ProviderConfigInvalid) as raised:
        settings_of({}, "shop")
    assert [why.split()[0] for why in raised.value.why] == ["namespace", "image", "port"]


def test_an_unknown_key_is_refused_with_the_one_that_was_meant() -> None:
    assert "did you mean replicas?" in problems(replica=3)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("image", "shop:{version}", "registry, repository and tag"),
        ("image", "registry.example.com/shop:1.0.0", "{version}"),
        ("manifests", "../elsewhere", "below the directory"),
        ("manifests", "/etc", "below the directory"),
        ("render", "helm template .", "there is no shell"),
        ("namespace", "Shop", "name of a namespace"),
        ("gateway", {"hostnames": ["a.example.com"]}, "it needs `name`"),
        ("gateway", {"name": "web", "weights": 3}, "known: "),
        ("gateway", {"route": "front", "testers": {"header": "X", "value": "y"}}, "testers: of a"),
        ("gateway", {"route": "front", "hostnames": ["a.example.com"]}, "hostnames: of a"),
        ("ingress", {"path": "/"}, "it needs a host"),
        ("requests", {"cpu": "lots"}, "{cpu: 100m"),
        ("max_surge", "a few", "number of replicas"),
        ("credentials", {"username": "U"}, "names of secrets"),
    ],
)
def test_a_wrong_value_is_told_with_its_key(key: str, value: JsonValue, said: str) -> None:
    found = problems(**{key: value})
    assert found.startswith(f"{key}: ") and said in found


def test_what_cannot_be_together_is_refused() -> None:
    assert "only one of manifests, render" in problems(manifests="k8s", render=["helm"])
    assert "only one of gateway and ingress" in problems(
        gateway={"name": "web"}, ingress={"host": "shop.example.com"}
    )
    assert "cannot both be 0" in problems(max_surge=0, max_unavailable=0)
    assert "only one of kubeconfig" in problems(kubeconfig="a", kubeconfig_secret="b")
    assert "belongs into the manifests" in problems(manifests="k8s", args=["--fast"])


@pytest.mark.parametrize(
    "name", ["3scale", "a" * 63, "team-of-many-words-and-a-cluster-of-its-own-1"]
)
def test_every_namespace_that_a_cluster_can_have_is_taken(name: str) -> None:
    assert settings(namespace=name).namespace == name
    assert "name of a namespace" in problems(namespace=f"{name}-")
    assert "name of a namespace" in problems(namespace="a" * 64)


def test_a_long_slug_leaves_room_for_a_colour() -> None:
    found = settings_of(LEAST, "a-very-long-application-name--and-a-long-environment-name")
    assert len(f"{found.name}-green") <= 63
    assert found.name[-1] != "-"
