"""docs/configuration.md names every key of the config of aws_ecs."""

from __future__ import annotations

import re

import pytest

from orchestrate.core.errors import ProviderConfigInvalid
from orchestrate.providers.aws_ecs.settings import settings_of
from tests.support.repository import ROOT

pytestmark = pytest.mark.unit

PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


def known() -> list[str]:
    with pytest.raises(ProviderConfigInvalid) as raised:
        settings_of({"nothing_like_any_of_them": 1})
    found = re.search(r"known: (.*)", "\n".join(raised.value.why))
    assert found
    return [name for name in found[1].split(", ") if name != "root"]


def test_the_table_names_every_key_and_no_other() -> None:
    section = PAGE.split("### config of aws_ecs\n", 1)[1].split("\n#", 1)[0]
    keys = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert sorted(keys) == sorted(known())
