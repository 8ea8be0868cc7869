"""What may be kept as a secret, and how its versions are named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from orchestrate.core.environment import Environment, EnvironmentType, SecretSource
from orchestrate.core.errors import SecretInvalid
from orchestrate.core.notification import Notification, Webhook
from orchestrate.core.revision import Artifact, snapshot
from orchestrate.core.secret import Secret
from orchestrate.core.secret_rules import (
    LONGEST,
    check_secret_name,
    check_value,
    for_application,
    for_platform,
    parted,
    pinned,
    shown,
)

pytestmark = pytest.mark.unit


@pytest.mark.attack("SK06", "a value of 1 to 7 characters, or a common word", "refused")
@pytest.mark.parametrize("value", ["x", "abc", "1234567", "password", "ChangeMe", "production"])
def test_a_value_that_cannot_be_masked_is_refused_until_somebody_insists(value: str) -> None:
    with pytest.raises(SecretInvalid) as refused:
        check_value("DB_URL", Secret(value), short=False)
    assert f" {value} " not in str(refused.value.as_dict()) and "--short" in refused.value.fix[0]
    check_value("DB_URL", Secret(value), short=True)


@pytest.mark.parametrize("value", ["", "with\0nul-in-it", "x" * (LONGEST + 1)])
@pytest.mark.parametrize("short", [True, False])
def test_a_value_that_no_process_can_have_is_refused(value: str, short: bool) -> None:
    with pytest.raises(SecretInvalid):
        check_value("DB_URL", Secret(value), short=short)


@pytest.mark.parametrize("name", ["", "1X", "A-B", "A B", "ORCHESTRATE_X", "Ä", "../X", "A" * 201])
def test_a_name_that_is_no_variable_is_refused(name: str) -> None:
    with pytest.raises(SecretInvalid):
        check_secret_name(name)


@pytest.mark.attack("SK08", "NAME=VALUE in the command line", "refused, the value is not repeated")
def test_a_value_behind_the_name_is_refused_and_not_repeated() -> None:
    with pytest.raises(SecretInvalid) as refused:
        check_secret_name("DB_URL=hunter22")
    assert "hunter22" not in str(refused.value.as_dict())


NAMES = st.text("abcXYZ019/._-:", min_size=1, max_size=30)


@given(st.sampled_from(["vault", "aws", "ssm", "env"]), NAMES, st.none() | NAMES, NAMES)
def test_a_version_says_where_it_is_kept(
    backend: str, name: str, key: str | None, number: str
) -> None:
    source = SecretSource.model_validate({"backend": backend, "name": name, "key": key})
    assert parted(source.version(number)) == (source, number)


def test_versions_as_people_read_them() -> None:
    assert [shown(v) for v in ("3", "vault:shop/api#key@7", "aws:shop@1f9c4e2a-6d0b")] == [
        "v3",
        "vault v7",
        "aws 1f9c4e2a",
    ]


def test_what_the_platform_gets_the_application_does_not() -> None:
    found = Environment(
        app="shop",
        name="dev",
        type=EnvironmentType.DEV,
        provider="docker",
        config={"credentials": {"username": "REG_USER", "password": "REG_PASSWORD"}},
        secrets=("DB_URL", "REG_PASSWORD", "SLACK_URL"),
        notifications=(Notification(name="team", sink=Webhook(url_secret="SLACK_URL")),),
    )
    assert for_application(found) == ("DB_URL",)
    assert for_platform(found) == {"REG_USER", "REG_PASSWORD", "SLACK_URL"}


@pytest.mark.parametrize(
    ("provider", "config"),
    [
        ("aws_ecs", {"registry": {"username": "USER", "password": "PASS"}}),
        ("docker", {"credentials": {"username": "USER", "password": "PASS"}}),
        ("kubernetes", {"kubeconfig_secret": "USER", "credentials": {"password": "PASS"}}),
    ],
)
def test_a_login_that_the_provider_needs_is_not_the_applications(
    provider: str, config: dict[str, JsonValue]
) -> None:
    found = Environment(
        app="shop",
        name="dev",
        type=EnvironmentType.DEV,
        provider=provider,
        config=config,
        secrets=("DB_URL", "USER", "PASS"),
    )
    assert for_application(found) == ("DB_URL",)
    artifact = Artifact(kind="image", reference="shop", digest=f"sha256:{'0' * 64}")
    revision = snapshot(found, "1.0.0", artifact, dict.fromkeys(found.secrets, "1"))
    assert pinned(found, revision) == {"DB_URL": "1"}
