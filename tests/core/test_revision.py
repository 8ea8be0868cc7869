"""Revisions: the same snapshot has the same name, in any process and any order of fields."""

import pytest
from pydantic import ValidationError

from orchestrate.core.environment import Environment, EnvironmentType, HealthGate
from orchestrate.core.revision import Artifact, Ref, Revision, snapshot

pytestmark = pytest.mark.unit

REVISION = Revision(
    environment="shop/staging",
    version="1.4.2",
    artifact=Artifact(kind="directory", reference="releases/1.4.2", digest="sha256:" + "a" * 64),
    provider="local",
    config={"command": ["python3", "shop.py"], "replicas": 2, "deep": {"b": 1, "a": None}},
    variables={"LOG_LEVEL": "info", "CURRENCY": "EUR"},
    secret_versions={"KEY": "3"},
    health=HealthGate(path="/healthz", interval_s=0.5),
)
PINNED = "sha256:62db714bfaa17389680454c54a2ae303b4c70146621033ae93484ecc96e9fce7"


def test_the_digest_is_pinned() -> None:
    assert REVISION.digest == PINNED
    assert REVISION.key == PINNED[7:19]
    assert REVISION.ref == Ref(key=PINNED[7:19], version="1.4.2")


def test_the_order_of_fields_and_entries_changes_nothing() -> None:
    data = REVISION.model_dump()
    turned = {
        name: dict(reversed(value.items())) if isinstance(value, dict) else value
        for name, value in reversed(data.items())
    }
    assert list(turned) != list(data)
    assert Revision.model_validate(turned).digest == PINNED


def test_a_round_trip_through_json_changes_nothing() -> None:
    assert Revision.model_validate_json(REVISION.model_dump_json()).digest == PINNED


@pytest.mark.parametrize(
    "change",
    [
        {"environment": "shop/production"},
        {"version": "1.4.3"},
        {"artifact": Artifact(kind="directory", reference="releases/1.4.2", digest="sha256:b")},
        {"provider": "docker"},
        {"config": {"replicas": 3}},
        {"variables": {"LOG_LEVEL": "debug"}},
        {"secret_versions": {"KEY": "4"}},
        {"health": HealthGate(path="/up")},
    ],
)
def test_whatever_differs_gives_another_digest(change: dict[str, object]) -> None:
    assert REVISION.model_copy(update=change).digest != PINNED


def test_a_revision_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        REVISION.version = "2"  # type: ignore[misc]


def test_an_unknown_field_is_an_error() -> None:
    with pytest.raises(ValidationError, match="extra"):
        Revision.model_validate({**REVISION.model_dump(), "extra": 1})


def test_a_snapshot_holds_what_the_environment_says_now() -> None:
    environment = Environment(
        app="shop",
        name="staging",
        type=EnvironmentType.STAGING,
        provider="local",
        url="http://127.0.0.1:8080",
        config=REVISION.config,
        variables=REVISION.variables,
        health=REVISION.health,
    )
    found = snapshot(environment, "1.4.2", REVISION.artifact)
    assert found == REVISION.model_copy(update={"secret_versions": {}})
