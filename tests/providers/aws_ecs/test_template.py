"""Task definitions from templates: what is replaced, what stays, what is known from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import JsonValue

from orchestrate.core.environment import HealthGate
from orchestrate.core.errors import ArtifactInvalid, ProviderConfigInvalid
from orchestrate.core.revision import Artifact, Revision
from orchestrate.providers.aws_ecs.settings import settings_of
from orchestrate.providers.aws_ecs.template import (
    filled,
    ref_of,
    repository_of,
    template_digest,
    template_of,
)

pytestmark = pytest.mark.unit

DIGEST = f"sha256:{'ab' * 32}"
TEMPLATE: dict[str, JsonValue] = {
    "family": "shop",
    "revision": 7,
    "status": "ACTIVE",
    "taskDefinitionArn": "arn:...",
    "compatibilities": ["FARGATE"],
    "cpu": "256",
    "volumes": [],
    "containerDefinitions": [
        {"name": "proxy", "image": "envoy:1", "essential": False},
        {
            "name": "shop",
            "image": "host:5000/shop:0.9",
            "environment": [{"name": "COLOUR", "value": "green"}, {"name": "LEVEL", "value": "x"}],
            "secrets": [{"name": "TOKEN", "valueFrom": "/old"}],
        },
    ],
}


def revision(**variables: str) -> Revision:
    return Revision(
        environment="shop/dev",
        version="1.0.0",
        artifact=Artifact(kind="image", reference="host:5000/shop:1.0.0", digest=DIGEST),
        provider="aws_ecs",
        config={},
        variables=variables,
        health=HealthGate(),
    )


def container(found: dict[str, JsonValue]) -> dict[str, JsonValue]:
    containers = found["containerDefinitions"]
    assert isinstance(containers, list)
    chosen = containers[1]
    assert isinstance(chosen, dict)
    return chosen


def fill(**variables: str) -> dict[str, JsonValue]:
    settings = settings_of({"service": "shop"})
    return filled(TEMPLATE, revision(**variables), "shop-dev-1", settings, {"TOKEN": "/new/1"})


def test_the_image_is_pinned_by_its_digest_in_the_essential_container_alone() -> None:
    found = fill()
    assert container(found)["image"] == f"host:5000/shop@{DIGEST}"
    assert found["containerDefinitions"][0]["image"] == "envoy:1"  # type: ignore[index,call-overload]


def test_what_aws_adds_to_its_answers_is_not_sent_back() -> None:
    assert set(fill()) == {"family", "cpu", "containerDefinitions"}
    assert fill()["family"] == "shop-dev-1"


def test_variables_replace_those_of_the_same_name_and_no_others() -> None:
    given = container(fill(LEVEL="debug"))["environment"]
    assert isinstance(given, list)
    values = {each["name"]: each["value"] for each in given if isinstance(each, dict)}
    assert values["COLOUR"] == "green"
    assert values["LEVEL"] == "debug"
    assert values["ORCHESTRATE_VERSION"] == "1.0.0"
    assert len(given) == len(values)


def test_secrets_are_references() -> None:
    assert container(fill())["secrets"] == [{"name": "TOKEN", "valueFrom": "/new/1"}]


def test_what_an_earlier_revision_was_given_is_taken_away() -> None:
    before = fill(GONE="1")
    settings = settings_of({"service": "shop"})
    after = filled(before, revision(), "shop-dev-2", settings, {})
    assert "GONE" not in json.dumps(after)
    assert "TOKEN" not in json.dumps(container(after)["secrets"])


def test_the_revision_is_known_again_from_what_was_registered() -> None:
    assert ref_of(fill(), "shop/dev") == revision().ref
    assert ref_of(fill(), "shop/production") is None
    assert ref_of(TEMPLATE, "shop/dev") is None


def test_a_container_that_is_not_there_is_told_with_those_that_are() -> None:
    settings = settings_of({"service": "shop", "container": "shopp"})
    with pytest.raises(ProviderConfigInvalid) as raised:
        filled(TEMPLATE, revision(), "f", settings, {})
    assert "it has proxy, shop" in raised.value.why


@pytest.mark.parametrize("name", ["task.json", "task.yaml"])
def test_a_file_is_read_in_either_form(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(json.dumps({"taskDefinition": TEMPLATE}), encoding="utf-8")
    settings = settings_of({"service": "s", "task_definition": name, "root": str(tmp_path)})
    assert template_of(settings) == TEMPLATE


@pytest.mark.parametrize(("text", "said"), [("{", "cannot be read"), ("[]", "no task definition")])
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "task.json").write_text(text, encoding="utf-8")
    settings = settings_of({"service": "s", "task_definition": "task.json", "root": str(tmp_path)})
    with pytest.raises(ArtifactInvalid, match=said):
        template_of(settings)


def test_a_changed_template_is_another_revision_and_an_equal_one_is_not() -> None:
    changed = {**TEMPLATE, "cpu": "512"}
    assert template_digest(TEMPLATE) != template_digest(changed)
    assert template_digest(TEMPLATE) == template_digest({**TEMPLATE, "revision": 8})
    plain = revision()
    with_template = plain.model_copy(
        update={"artifact": plain.artifact.model_copy(update={"template": "sha256:1"})}
    )
    assert plain.digest != with_template.digest


@pytest.mark.parametrize(
    ("image", "repository"),
    [
        ("host:5000/shop:1.0.0", "host:5000/shop"),
        ("host:5000/shop@sha256:1", "host:5000/shop"),
        ("shop", "shop"),
        ("a.b/c/d:x@sha256:1", "a.b/c/d"),
    ],
)
def test_the_repository_of_an_image(image: str, repository: str) -> None:
    assert repository_of(image) == repository
