"""`orchestrate init`: a configuration that is valid as it stands, and nothing overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrate.core.config import parse
from orchestrate.providers.local.settings import settings_of
from tests.support.cli import Terminal, run

ROOT = Path(__file__).parents[2]


def config(directory: Path) -> object:
    text = (directory / "orchestrate.yaml").read_text()
    found = parse(text, file="orchestrate.yaml", root=str(directory), default_app="x", variables={})
    assert [e.name for e in found.environments] == ["dev", "production"]
    return settings_of(found.environments[0].config).command


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({}, ("./serve",)),
        ({"app.py": ""}, ("python3", "app.py")),
        ({"Procfile": "worker: x\nweb: gunicorn 'shop:app' --bind x\n"}, None),
        ({"package.json": '{"scripts": {"start": "node ."}}'}, ("npm", "start")),
        ({"package.json": "{broken", "main.py": ""}, ("python3", "main.py")),
        ({".git/HEAD": "", "server.py": ""}, ("python3", "server.py")),
    ],
)
def test_what_it_writes_is_valid_and_fits_what_is_there(
    tmp_path: Path, files: dict[str, str], command: tuple[str, ...] | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    result = run("init", "--yes", cwd=tmp_path)
    assert result.code == 0, result.err
    assert "orchestrate env create --file orchestrate.yaml" in result.out
    assert config(tmp_path) == (command or ("gunicorn", "shop:app", "--bind", "x"))


def test_it_writes_what_an_agent_needs(tmp_path: Path) -> None:
    result = run("init", "--yes", "--json", cwd=tmp_path)
    assert result.document["written"] == [
        "orchestrate.yaml",
        ".mcp.json",
        ".claude/agents/deployer.md",
    ]
    server = json.loads((tmp_path / ".mcp.json").read_text())["mcpServers"]["orchestrate"]
    assert server == {"type": "stdio", "command": "orchestrate", "args": ["mcp"]}
    assert (tmp_path / ".claude/agents/deployer.md").read_text().startswith("---\nname: deployer\n")


def test_the_agent_it_writes_is_the_one_of_this_repository() -> None:
    template = ROOT / "src/orchestrate/cli/templates/deployer.md"
    assert template.read_text() == (ROOT / ".claude/agents/deployer.md").read_text(), (
        "copy .claude/agents/deployer.md to src/orchestrate/cli/templates/"
    )


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "orchestrate.yaml").write_text("mine\n")
    (tmp_path / ".mcp.json").symlink_to("nowhere")
    result = run("init", "--yes", cwd=tmp_path)
    assert result.code == 0
    assert "orchestrate.yaml is here already and was left alone" in result.err
    assert (tmp_path / "orchestrate.yaml").read_text() == "mine\n"
    assert not (tmp_path / "nowhere").exists()


def test_without_a_yes_and_nobody_to_ask_nothing_is_written(tmp_path: Path) -> None:
    result = run("init", cwd=tmp_path)
    assert result.code == 2
    assert "fix: orchestrate init --yes" in result.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("keys", "written"), [(b"y\n", True), (b"\n", False)])
def test_at_a_terminal_it_shows_the_file_and_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: bytes, written: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    with Terminal(("init",), rows=60) as terminal:
        terminal.wait_for("[y/N]")
        assert "needs a person's yes" in terminal.text
        terminal.press(keys)
        assert terminal.end() == (0 if written else 1)
    assert (tmp_path / "orchestrate.yaml").exists() is written
