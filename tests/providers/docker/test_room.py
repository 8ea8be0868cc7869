"""Room on the disk of an engine: looked at where it can be seen, and nothing said where not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from orchestrate.providers.docker import room
from orchestrate.providers.docker.host import Host

HERE = Host(url="unix:///run/docker.sock")


def test_the_disk_of_an_engine_on_this_machine_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (found,) = room.findings(HERE, {"DockerRootDir": str(tmp_path)})
    assert found.ok and f"MB free at {tmp_path}" in found.text
    monkeypatch.setenv("ORCHESTRATE_MIN_FREE_MB", "1e9")
    (found,) = room.findings(HERE, {"DockerRootDir": str(tmp_path)})
    assert (found.ok, found.code) == (False, "disk_full") and found.fix


@pytest.mark.parametrize("root", ["/nowhere/docker", None, ""])
def test_of_what_cannot_be_seen_nothing_is_said(root: str | None) -> None:
    assert room.findings(HERE, {"DockerRootDir": root}) == []


def test_the_disk_of_another_machine_is_not_taken_for_its_engine_s(tmp_path: Path) -> None:
    there = dataclasses.replace(HERE, url="ssh://deploy@web-1")
    assert room.findings(there, {"DockerRootDir": str(tmp_path)}) == []
