"""Vault: the version that was asked for or a word on why not; the token goes nowhere else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrate.core.environment import BackendSettings, SecretSource
from orchestrate.core.errors import SecretMissing, SecretSourceDenied, SecretSourceDown
from orchestrate.providers.secrets import vault as module
from orchestrate.providers.secrets.vault import Vault
from tests.support.vault import FakeVault, Token, fake_vault

SOURCE = SecretSource(backend="vault", name="shop/api", key="password")


@pytest.fixture
def fake() -> Iterator[FakeVault]:
    module._renewed.clear()
    with fake_vault() as found:
        yield found


def of(fake: FakeVault, token: str = "root-token", **settings: str) -> Vault:
    given = BackendSettings(address=fake.address, **settings)  # type: ignore[arg-type]  # texts all
    return Vault(given, {"VAULT_TOKEN": token})


def test_the_newest_version_and_each_earlier_one(fake: FakeVault) -> None:
    fake.put("secret/shop/api", password="first-password", user="shop")
    fake.put("secret/shop/api", password="second-password")
    found = of(fake)
    assert found.newest(SOURCE) == "2"
    assert found.value(SOURCE, "1").reveal() == "first-password"
    assert found.value(SOURCE, "2").reveal() == "second-password"


@pytest.mark.parametrize(
    ("gone", "why"), [("deleted", "can be undeleted"), ("destroyed", "destroyed")]
)
def test_a_version_that_was_deleted_is_missing_and_no_other_takes_its_place(
    fake: FakeVault, gone: str, why: str
) -> None:
    fake.put("secret/shop/api", password="first-password")
    fake.put("secret/shop/api", password="second-password")
    (fake.delete if gone == "deleted" else fake.destroy)("secret/shop/api", 1)
    with pytest.raises(SecretMissing) as missing:
        of(fake).value(SOURCE, "1")
    assert why in missing.value.why[0]
    assert of(fake).value(SOURCE, "2").reveal() == "second-password"


def test_versions_beyond_the_limit_of_the_store_are_missing(fake: FakeVault) -> None:
    for number in range(11):
        fake.put("secret/shop/api", password=f"password-number-{number}")
    with pytest.raises(SecretMissing):
        of(fake).value(SOURCE, "1")


def test_an_unknown_path_is_missing_and_an_unknown_key_says_so(fake: FakeVault) -> None:
    with pytest.raises(SecretMissing):
        of(fake).newest(SOURCE)
    fake.put("secret/shop/api", other="value-of-another")
    with pytest.raises(SecretSourceDenied, match="cannot be read") as refused:
        of(fake).newest(SOURCE)
    assert "value-of-another" not in str(refused.value.as_dict())


@pytest.mark.parametrize("state", ["sealed", "quota"])
def test_a_vault_that_is_sealed_or_busy_is_asked_again_later(fake: FakeVault, state: str) -> None:
    fake.put("secret/shop/api", password="first-password")
    setattr(fake, state, True)
    with pytest.raises(SecretSourceDown) as down:
        of(fake).newest(SOURCE)
    assert down.value.retry_after_s
    setattr(fake, state, False)
    assert of(fake).newest(SOURCE) == "1"


def test_a_vault_that_is_gone_is_asked_again_later(fake: FakeVault) -> None:
    given = BackendSettings(address="http://127.0.0.1:1")
    with pytest.raises(SecretSourceDown) as down:
        Vault(given, {"VAULT_TOKEN": "root-token"}).newest(SOURCE)
    assert "root-token" not in str(down.value.as_dict())


@pytest.mark.parametrize("token", ["wrong-token", "narrow-token", "expired-token"])
def test_a_token_that_may_not_is_refused_with_the_policy_it_needs(
    fake: FakeVault, token: str
) -> None:
    fake.put("secret/shop/api", password="first-password")
    fake.tokens["narrow-token"] = Token(("secret/other/",))
    fake.tokens["expired-token"] = Token(("",), expires=time.monotonic() - 1)
    with pytest.raises(SecretSourceDenied) as denied:
        of(fake, token).newest(SOURCE)
    assert 'capabilities = ["read"]' in denied.value.fix[0]
    assert token not in str(denied.value.as_dict())


def test_a_token_is_renewed_when_half_of_its_life_is_over(fake: FakeVault) -> None:
    fake.put("secret/shop/api", password="first-password")
    old = Token(("",), creation_ttl=3600, expires=time.monotonic() + 600)
    fresh = Token(("",), creation_ttl=3600)
    fixed = Token(("",), creation_ttl=3600, renewable=False, expires=time.monotonic() + 600)
    fake.tokens |= {"old-token": old, "fresh-token": fresh, "fixed-token": fixed}
    for name in ("old-token", "fresh-token", "fixed-token"):
        assert of(fake, name).newest(SOURCE) == "1"
        assert of(fake, name).newest(SOURCE) == "1"
    assert (old.renewed, fresh.renewed, fixed.renewed) == (1, 0, 0)
    looked = [path for _, path in fake.asked if path == "auth/token/lookup-self"]
    assert len(looked) == 3


def test_a_namespace_and_another_mount_are_asked(fake: FakeVault) -> None:
    fake.namespace = "team/shop"
    fake.put("kv/shop/api", password="first-password")
    with pytest.raises(SecretSourceDenied):
        of(fake, mount="kv").newest(SOURCE)
    assert of(fake, mount="kv", namespace="team/shop").newest(SOURCE) == "1"


def test_the_token_is_read_from_its_file_each_time(fake: FakeVault, tmp_path: Path) -> None:
    fake.put("secret/shop/api", password="first-password")
    path = tmp_path / "token"
    given = BackendSettings(address=fake.address, token=f"file:{path}")
    with pytest.raises(SecretSourceDenied, match="no token"):
        Vault(given, {}).newest(SOURCE)
    path.write_text("root-token\n")
    assert Vault(given, {}).newest(SOURCE) == "1"


@pytest.mark.attack("SS04", "Vault answers with a redirect to somebody else", "not followed")
def test_the_token_does_not_follow_a_redirect(fake: FakeVault) -> None:
    with fake_vault() as other:
        fake.redirect = f"{other.address}/v1/secret/data/shop/api"
        with pytest.raises(SecretSourceDenied, match="cannot be used") as refused:
            of(fake).newest(SOURCE)
        assert "redirect" in refused.value.why[0] and other.asked == []


@pytest.mark.parametrize("address", ["http://vault.example.com:8200", "http://10.0.0.1:8200", ""])
def test_the_token_is_not_sent_in_the_clear(address: str) -> None:
    given = BackendSettings(address=address or None)
    with pytest.raises(SecretSourceDenied, match="cannot be asked"):
        Vault(given, {"VAULT_TOKEN": "root-token"}).newest(SOURCE)


@pytest.mark.attack(
    "SK11", "an environment sends the service's master key to Vault as a token", "denied"
)
@pytest.mark.parametrize("name", ["ORCHESTRATE_MASTER_KEY", "AWS_SECRET_ACCESS_KEY"])
def test_no_other_variable_of_the_service_is_sent_as_a_token(fake: FakeVault, name: str) -> None:
    given = BackendSettings(address=fake.address, token=f"env:{name}")
    with pytest.raises(SecretSourceDenied) as denied:
        Vault(given, {name: "root-token"}).newest(SOURCE)
    assert "the service's own" in denied.value.why[0]
