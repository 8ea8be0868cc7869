"""Variables of the service: a value that changed is gone, and never given in another's place."""

from __future__ import annotations

import hashlib

import pytest

from orchestrate.core.environment import BackendSettings, SecretSource
from orchestrate.core.errors import SecretMissing, SecretSourceDenied
from orchestrate.providers.secrets import backend
from orchestrate.providers.secrets.variables import Variables

pytestmark = pytest.mark.unit

SOURCE = SecretSource(backend="env", name="SHOP_LICENSE")


def of(**environ: str) -> Variables:
    return Variables(environ, lambda text: hashlib.sha256(text.encode()).hexdigest()[:16])


def test_a_value_is_numbered_by_its_fingerprint() -> None:
    found = of(SHOP_LICENSE="license-one")
    number = found.newest(SOURCE)
    assert found.value(SOURCE, number).reveal() == "license-one"
    assert number not in "license-one"


def test_a_changed_value_is_not_given_in_place_of_the_old_one() -> None:
    before = of(SHOP_LICENSE="license-one").newest(SOURCE)
    after = of(SHOP_LICENSE="license-two")
    assert after.newest(SOURCE) != before
    with pytest.raises(SecretMissing, match="not there") as missing:
        after.value(SOURCE, before)
    assert "another value now" in missing.value.why[0]


@pytest.mark.parametrize("environ", [{}, {"SHOP_LICENSE": ""}])
def test_a_variable_that_is_not_set_is_missing(environ: dict[str, str]) -> None:
    with pytest.raises(SecretMissing) as missing:
        of(**environ).newest(SOURCE)
    assert "export SHOP_LICENSE" in missing.value.fix[0]


@pytest.mark.attack(
    "SK11", "an environment names the service's own variables as its secrets", "denied"
)
@pytest.mark.parametrize(
    "name",
    ["ORCHESTRATE_MASTER_KEY", "ORCHESTRATE_TOKEN", "ORCHESTRATE_DATABASE_URL", "VAULT_TOKEN",
     "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD", "TEAM_VAULT"],
)  # fmt: skip
def test_what_the_service_is_let_in_with_is_no_secret_of_an_environment(name: str) -> None:
    settings = {"vault": BackendSettings(token="env:TEAM_VAULT")}
    found = backend("env", settings, {name: "of the service"}, lambda text: text)
    source = SecretSource(backend="env", name=name)
    for ask in (lambda: found.newest(source), lambda: found.value(source, "of the service")):
        with pytest.raises(SecretSourceDenied) as denied:
            ask()
        assert "of the service" not in str(denied.value.as_dict()["message"])
