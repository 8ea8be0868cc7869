"""Whose credentials are used, and that no others are."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import JsonValue

from orchestrate.core.environment import Environment, EnvironmentType
from orchestrate.core.errors import ProviderConfigInvalid, ProviderUnavailable, SecretMissing
from orchestrate.providers.aws_ecs.account import Account
from orchestrate.providers.aws_ecs.settings import settings_of
from tests.support.secrets import GivenSecrets

pytestmark = pytest.mark.unit

SERVICES_OWN = {
    "AWS_ACCESS_KEY_ID": "AKIAOFTHESERVICE",
    "AWS_SECRET_ACCESS_KEY": "the service's own",
    "AWS_SESSION_TOKEN": "its token",
    "AWS_PROFILE": "administrator",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A service with credentials of its own, and a profile `deploy` in its files."""
    (tmp_path / ".aws").mkdir()
    text = "[deploy]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = of the profile\n"
    (tmp_path / ".aws" / "credentials").write_text(text, encoding="utf-8")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in SERVICES_OWN.items():
        monkeypatch.setenv(name, value)


def account(
    secrets: dict[str, str], variables: dict[str, str] | None = None, **config: JsonValue
) -> Account:
    given: dict[str, JsonValue] = {"cluster": "c", "service": "s", "region": "eu-west-1", **config}
    given = {name: value for name, value in given.items() if value is not None}
    environment = Environment(
        app="shop",
        name="dev",
        type=EnvironmentType.DEV,
        provider="aws_ecs",
        config=given,
        variables=variables or {},
        secrets=tuple(secrets),
    )
    return Account(settings_of(given), environment, GivenSecrets(**secrets))


def keys(found: Account) -> tuple[str, str, str | None]:
    """What requests of an account are signed with."""
    credentials = found.ecs._request_signer._credentials  # type: ignore[attr-defined]  # botocore's own
    return credentials.access_key, credentials.secret_key, credentials.token


@pytest.mark.parametrize(
    "secrets",
    [
        {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "key"},
        {"AWS_ACCESS_KEY": "AKIA1", "AWS_SECRET_KEY": "key"},
        {"AWS_ACCESS_KEY": "AKIA1:key"},
    ],
)
def test_the_environments_secrets_are_used_by_any_of_their_names(secrets: dict[str, str]) -> None:
    assert keys(account(secrets)) == ("AKIA1", "key", None)


def test_a_session_token_goes_with_them() -> None:
    secrets = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "k", "AWS_SESSION_TOKEN": "t"}
    assert keys(account(secrets)) == ("A", "k", "t")


def test_without_any_the_services_own_are_not_used() -> None:
    with pytest.raises(SecretMissing) as raised:
        account({}).ecs  # noqa: B018  # making it asks for them
    assert "no secret AWS_ACCESS_KEY_ID" in raised.value.message
    assert any("credentials: ambient" in fix for fix in raised.value.fix)


def test_half_of_them_is_told() -> None:
    with pytest.raises(SecretMissing, match="AWS_SECRET_ACCESS_KEY"):
        account({"AWS_ACCESS_KEY": "AKIA1"}).ecs  # noqa: B018


def test_ambient_uses_what_the_service_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_PROFILE")
    found = account({}, credentials="ambient", region=None)
    assert keys(found)[0] == "AKIAOFTHESERVICE"
    assert found.region == "us-east-1"


def test_a_profile_is_read_from_the_services_files_and_nothing_else_is() -> None:
    found = account({}, profile="deploy")
    assert keys(found) == ("AKIAPROFILE", "of the profile", None)
    assert found.ecs.meta.endpoint_url == "https://ecs.eu-west-1.amazonaws.com"


def test_a_profile_that_is_not_there_is_told() -> None:
    with pytest.raises(ProviderUnavailable, match="profile deplyo was not found"):
        account({}, profile="deplyo").ecs  # noqa: B018


def test_an_endpoint_of_the_services_variables_is_not_followed() -> None:
    found = account({"AWS_ACCESS_KEY": "A:k"})
    assert found.ecs.meta.endpoint_url == "https://ecs.eu-west-1.amazonaws.com"


def test_the_region_is_the_environments() -> None:
    found = account({"AWS_ACCESS_KEY": "A:k"}, {"AWS_REGION": "eu-north-1"}, region=None)
    assert found.region == "eu-north-1"
    with pytest.raises(ProviderConfigInvalid, match="the region is not known"):
        account({"AWS_ACCESS_KEY": "A:k"}, region=None).region  # noqa: B018


def test_clients_are_shared_by_equal_credentials_and_by_no_others() -> None:
    one, two = account({"AWS_ACCESS_KEY": "A:k"}), account({"AWS_ACCESS_KEY": "A:k"})
    assert one.ecs is two.ecs
    assert one.ecs is not account({"AWS_ACCESS_KEY": "A:another"}).ecs
