"""docs/configuration.md names every key of the config of docker, and the defaults in force."""

from __future__ import annotations

import re

import pytest

from orchestrate.core.durations import seconds
from orchestrate.core.errors import ProviderConfigInvalid
from orchestrate.providers.docker.settings import Settings, settings_of
from orchestrate.providers.settings import size
from tests.support.repository import ROOT

pytestmark = pytest.mark.unit

PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


def table() -> dict[str, str]:
    """Default by key."""
    section = PAGE.split("### config of docker\n", 1)[1].split("\n#", 1)[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return {row[0].strip(" `"): row[1].strip(" `") for row in rows}


def known() -> list[str]:
    with pytest.raises(ProviderConfigInvalid) as raised:
        settings_of({"nothing_like_any_of_them": 1})
    found = re.search(r"known: (.*)", "\n".join(raised.value.why))
    assert found
    return [name for name in found[1].split(", ") if name != "root"]


def test_the_table_names_every_key_and_no_other() -> None:
    assert sorted(table()) == sorted(known())


def test_the_defaults_are_the_ones_in_force() -> None:
    plain, said = Settings(image="shop:{version}", port=8080), table()
    assert seconds(said["grace"]) == plain.grace_s
    assert size(said["log_size"]) == plain.log_bytes
    assert said["tmpfs"] == str([f"{p}:{o}" for p, o in plain.tmpfs.items()]).replace("'", "")
    found = {
        "replicas": plain.replicas,
        "keep": plain.keep,
        "pids": plain.limits.pids,
        "read_only": str(plain.read_only).lower(),
        "init": str(plain.init).lower(),
        "log_files": plain.log_files,
        "publish": plain.publish,
        "port_variable": plain.port_variable,
    }
    assert {key: said[key] for key in found} == {key: str(value) for key, value in found.items()}
