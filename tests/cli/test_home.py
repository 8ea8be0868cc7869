"""Where the service lives, and whether it is of our version."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from orchestrate.cli import home as places
from orchestrate.core.errors import InvalidInput

pytestmark = pytest.mark.unit


def test_the_home_is_what_was_set_and_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCHESTRATE_HOME", "here")
    assert places.home() == str(tmp_path / "here")


@pytest.mark.skipif(sys.platform != "linux", reason="the place differs by platform")
def test_without_one_it_is_where_this_platform_keeps_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORCHESTRATE_HOME", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "/var/state")
    assert places.home() == "/var/state/orchestrate"
    from platformdirs import user_state_path

    assert places.home() == str(user_state_path("orchestrate"))


def test_a_path_no_socket_can_have_is_told_before_it_fails() -> None:
    with pytest.raises(InvalidInput, match="too long") as caught:
        places.socket_path("/x" * 60, places.API)
    assert caught.value.fix == ("set ORCHESTRATE_HOME to a shorter path",)


@pytest.mark.parametrize(
    ("said", "ours"),
    [
        (b"", True),
        (json.dumps({"version": "1.2.3", "pid": 1}).encode(), True),
        (json.dumps({"version": "1.2.3"}, separators=(",", ":")).encode(), True),
        (json.dumps({"version": "1.2.4"}).encode(), False),
        (b'{"version": "1.2', True),
        (b"[]", True),
    ],
)
def test_a_service_of_another_version_is_told_from_one_that_is_starting(
    said: bytes, ours: bool
) -> None:
    assert places.is_ours(said, "1.2.3") is ours
