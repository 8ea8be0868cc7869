"""The config of a local environment is read whole, or every problem is told at once."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from orchestrate.core.errors import ProviderConfigInvalid
from orchestrate.providers.local.settings import GitSource, Settings, settings_of

pytestmark = pytest.mark.unit

LEAST: dict[str, JsonValue] = {
    "root": "/srv/shop",
    "command": ["python3", "shop.py"],
    "artifact": "releases/{version}",
}


def test_the_least_config_gets_the_defaults() -> None:
    assert settings_of(LEAST) == Settings(
        root="/srv/shop", command=("python3", "shop.py"), artifact="releases/{version}"
    )


def test_all_of_it_is_read() -> None:
    found = settings_of(
        {
            **LEAST,
            "artifact": {"git": "../shop", "ref": "release-{version}", "subdirectory": "web/"},
            "port_variable": "HTTP_PORT",
            "replicas": 3,
            "grace": "1m",
            "log_size": "5MiB",
            "log_files": 0,
            "keep": 2,
            "max_files": 10,
            "max_size": "1GB",
        }
    )
    assert found.artifact == GitSource("../shop", "release-{version}", "web")
    assert (found.grace_s, found.log_bytes, found.most_bytes) == (60.0, 5 << 20, 10**9)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ProviderConfigInvalid) as raised:
        settings_of({"command": "python3 shop.py", "replicas": 0, "replica": 2, "grace": "soon"})
    text = "\n".join(raised.value.why)
    for part in (
        "command: ",
        "replicas: ",
        "grace: ",
        "did you mean replicas?",
        "artifact is miss",
    ):
        assert part in text
    assert "root is missing" in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("root", "relative"),
        ("command", []),
        ("command", "sh -c x"),
        ("command", [["nested"]]),
        ("artifact", ""),
        ("artifact", {"git": "x", "branch": "y"}),
        ("artifact", {"git": "x", "subdirectory": "../y"}),
        ("artifact", {"git": "x", "subdirectory": "/y"}),
        ("port_variable", "a b"),
        ("replicas", True),
        ("replicas", "2"),
        ("replicas", 101),
        ("grace", True),
        ("log_size", "-1"),
        ("max_size", "1 furlong"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, value: JsonValue) -> None:
    with pytest.raises(ProviderConfigInvalid) as raised:
        settings_of({**LEAST, name: value})
    assert raised.value.why[0].startswith(f"{name}: ")
