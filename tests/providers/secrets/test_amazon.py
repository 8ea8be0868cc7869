"""Secrets Manager and the parameter store: the version that is pinned, or a word on why not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from orchestrate.core.environment import BackendSettings, SecretSource
from orchestrate.core.errors import SecretMissing, SecretSourceDenied, SecretSourceDown
from orchestrate.providers.secrets.parameters import Parameters
from orchestrate.providers.secrets.secrets_manager import SecretsManager
from tests.support.amazon import moto_server, point_at, refusing

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

SECRET = SecretSource(backend="aws", name="shop/payment")
MEMBER = SecretSource(backend="aws", name="shop/payment", key="token")
PARAMETER = SecretSource(backend="ssm", name="/shop/smtp")


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as found:
        yield found


@pytest.fixture
def aws(moto: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    import boto3
    import httpx2

    httpx2.post(f"{moto}/moto-api/reset")
    point_at(monkeypatch, moto)
    return boto3


def test_versions_of_a_secret_keep_their_ids_and_values(aws: Any) -> None:
    client = aws.client("secretsmanager")
    client.create_secret(Name="shop/payment", SecretString='{"token": "first-token"}')
    found = SecretsManager(BackendSettings())
    first = found.newest(MEMBER)
    client.put_secret_value(SecretId="shop/payment", SecretString='{"token": "second-token"}')
    second = found.newest(MEMBER)
    assert first != second
    assert found.value(MEMBER, first).reveal() == "first-token"
    assert found.value(MEMBER, second).reveal() == "second-token"
    assert found.value(SECRET, second).reveal() == '{"token": "second-token"}'


def test_a_secret_without_the_member_says_so_and_shows_nothing(aws: Any) -> None:
    aws.client("secretsmanager").create_secret(Name="shop/payment", SecretString="only-a-text")
    with pytest.raises(SecretSourceDenied) as refused:
        SecretsManager(BackendSettings()).newest(MEMBER)
    assert "only-a-text" not in str(refused.value.as_dict())


def test_a_secret_that_is_not_there_or_deleted_is_missing(aws: Any) -> None:
    found = SecretsManager(BackendSettings())
    with pytest.raises(SecretMissing):
        found.newest(SECRET)
    client = aws.client("secretsmanager")
    client.create_secret(Name="shop/payment", SecretString="a-password")
    number = found.newest(SECRET)
    with pytest.raises(SecretMissing):
        found.value(SECRET, "00000000-0000-4000-8000-000000000000")
    client.delete_secret(SecretId="shop/payment")
    with pytest.raises(SecretMissing):
        found.value(SECRET, number)


def test_versions_of_a_parameter_are_numbers(aws: Any) -> None:
    client = aws.client("ssm")
    for text in ("first-password", "second-password"):
        client.put_parameter(Name="/shop/smtp", Value=text, Type="SecureString", Overwrite=True)
    found = Parameters(BackendSettings())
    assert found.newest(PARAMETER) == "2"
    assert found.value(PARAMETER, "1").reveal() == "first-password"
    assert found.value(PARAMETER, "2").reveal() == "second-password"
    with pytest.raises(SecretMissing):
        found.value(PARAMETER, "9")


def test_a_parameter_that_is_not_there_is_missing(aws: Any) -> None:
    with pytest.raises(SecretMissing):
        Parameters(BackendSettings()).newest(PARAMETER)


@pytest.mark.parametrize(
    ("kind", "right"),
    [(SecretsManager, "secretsmanager:GetSecretValue"), (Parameters, "ssm:GetParameter")],
)
def test_a_refusal_names_the_permission_and_no_account(
    kind: Any, right: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with refusing("AccessDeniedException") as address:
        point_at(monkeypatch, address)
        with pytest.raises(SecretSourceDenied) as denied:
            kind(BackendSettings()).newest(SECRET)
    assert right in denied.value.fix[0]
    assert "123456789012" not in str(denied.value.as_dict())


@pytest.mark.parametrize("kind", [SecretsManager, Parameters])
def test_a_busy_or_broken_aws_is_asked_again_later(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for code, status in (("ThrottlingException", 400), ("InternalServiceError", 500)):
        with refusing(code, status) as address:
            point_at(monkeypatch, address)
            with pytest.raises(SecretSourceDown):
                kind(BackendSettings()).newest(SECRET)
    point_at(monkeypatch, "http://127.0.0.1:1")
    with pytest.raises(SecretSourceDown):
        kind(BackendSettings()).newest(SECRET)


def test_a_service_without_an_identity_is_told_what_to_give_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    point_at(monkeypatch, "http://127.0.0.1:1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(SecretSourceDenied, match="NoCredentialsError"):
        SecretsManager(BackendSettings()).newest(SECRET)
