"""Variables of the service: a value that changed is gone, and never given in another's place."""

from __future__ import annotations

import hashlib

import pytest

from orchestrate.core.environment import SecretSource
from orchestrate.core.errors import SecretMissing
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
