"""`secrets` and `secret_backends`: every problem with its line, and no value in a message."""

from __future__ import annotations

import pytest

from orchestrate.core.config import Config, parse
from orchestrate.core.errors import ConfigInvalid

pytestmark = pytest.mark.unit

VALUE = "hunter22-and-more"
VARIABLES = {
    "GIVEN": VALUE,
    "NONE": "",
    "ORCHESTRATE_TOKEN": VALUE,
    "ORCHESTRATE_MASTER_KEY": VALUE,
}


def read(lines: str) -> Config:
    text = "app: shop\nenvironments:\n  dev:\n    type: dev\n    provider: local\n" + lines
    return parse(text, file="f", root="/", default_app="x", variables=VARIABLES)


def problems(lines: str) -> str:
    with pytest.raises(ConfigInvalid) as refused:
        read(lines)
    found = "\n".join(refused.value.why)
    assert VALUE not in found
    return found


def test_names_values_and_places_are_told_apart() -> None:
    config = read(
        "    secrets:\n      A: ${GIVEN}\n      B:\n      C: {vault: shop/api, key: k}\n"
        "      D: {env: X}\n"
    )
    (found,) = config.environments
    assert found.secrets == ("A", "B", "C", "D")
    assert {name: value.reveal() for name, value in config.secrets["dev"].items()} == {"A": VALUE}
    assert {name: s.text for name, s in found.secret_sources.items()} == {
        "C": "vault:shop/api#k",
        "D": "env:X",
    }
    assert VALUE not in repr(config) + found.model_dump_json()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("A: hunter22", "f:7:10: environments.dev.secrets.A is written in the file"),
        ("A: ${NONE}", "is filled in with nothing"),
        ("A: ${MISSING}", "needs the variable MISSING"),
        ("1A:", "cannot be the name of a secret"),
        ("ORCHESTRATE_X:", "cannot be the name of a secret"),
        ("A: [x]", "is a list"),
        ("A: {}", "names no place"),
        ("A: {vault: a, aws: b, key: k}", "names two places"),
        ("A: {vault: shop/api}", "has no key"),
        ("A: {ssm: /x, key: k}", "does not go with ssm"),
        ("A: {vault: 'a@b', key: k}", "has a character that no name there has"),
        ("A: {elsewhere: x}", "unknown key"),
        ("A: {env: ORCHESTRATE_MASTER_KEY}", "names a variable of the service's own"),
        ("A: {env: AWS_SECRET_ACCESS_KEY}", "names a variable of the service's own"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(line: str, says: str) -> None:
    assert says in problems(f"    secrets:\n      {line}\n")


@pytest.mark.attack(
    "SK11", "a file takes the caller's own token into a variable, or a secret", "refused"
)
@pytest.mark.parametrize("section", ["secrets", "variables"])
@pytest.mark.parametrize("name", ["ORCHESTRATE_TOKEN", "ORCHESTRATE_MASTER_KEY", "ORCHESTRATE_X"])
def test_what_proves_the_caller_goes_into_no_application(section: str, name: str) -> None:
    said = problems(f"    {section}:\n      A: x${{{name}}}\n")
    assert f"environments.dev.{section}.A takes {name}" in said


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("vault: {address: vault.example.com}", "vault.address is not right; write one such as"),
        ("vault: {token: hvs.CAESIJ}", "never the token itself"),
        ("vault: {adress: x}", "did you mean address?"),
        ("gcp: {}", "unknown key"),
        ("aws: {region: Frankfurt!}", "eu-central-1"),
    ],
)
def test_a_backend_is_checked(line: str, says: str) -> None:
    assert says in problems(f"    secret_backends:\n      {line}\n")
