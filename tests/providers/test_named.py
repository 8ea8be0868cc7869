"""Providers are found by name, and a wrong name says what was meant."""

from __future__ import annotations

import pytest

from orchestrate.core.errors import ProviderUnavailable, UnknownProvider
from orchestrate.providers import PLANNED, named
from orchestrate.providers.local import LocalProvider

pytestmark = pytest.mark.unit


def test_local_is_found() -> None:
    assert named("local") is LocalProvider


def test_a_misspelled_name_says_what_was_meant() -> None:
    with pytest.raises(UnknownProvider) as raised:
        named("locall")
    assert raised.value.fix == ("did you mean 'local'?",)


def test_a_stranger_is_told_what_there_is() -> None:
    with pytest.raises(UnknownProvider) as raised:
        named("mainframe")
    assert "local" in raised.value.why[0]


@pytest.mark.parametrize("name", sorted(PLANNED))
def test_what_is_planned_is_not_unknown(name: str) -> None:
    with pytest.raises(ProviderUnavailable, match="not built yet"):
        named(name)
