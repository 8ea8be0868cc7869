"""Plain commands are parsed by hand, exactly as click parses them; all else is left to click."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from orchestrate.cli import app, hot, main
from orchestrate.cli.session import Given
from orchestrate.cli.spec import COMMANDS
from tests.support import documents as docs
from tests.support.cli import environment
from tests.support.pretend import Pretend, Reply

PLAIN = [
    "deploy status",
    "deploy status --env staging",
    "deploy status -e staging --json",
    "deploy status --env=staging --follow",
    "deploy status d142",
    "deploy status d142 --wait-timeout 10m",
    "deploy history --limit 5 --by lee --before d100 --utc",
    "deploy --env staging --version 1.4.2 --strategy blue-green --yes -q",
    "deploy -e staging -V 1.4.2 --detach --reason why",
    "deploy rollback --env staging --quarantine",
    "deploy logs --grep= --tail 5 d1",
    "env list",
    "env show shop/staging --variables",
    "env create --file orchestrate.yaml --env a --env b",
    "env create staging --config a=1 --config b=2 --variable X=y",
    "serve --idle-exit 10m --replace",
    "stop",
    "doctor --output json",
]
FOR_CLICK = [
    "",
    "--help",
    "--version",
    "deploy --help",
    "deploy stauts",
    "deploy --env staging status",
    "deploy status --env",
    "deploy status --env --json",
    "deploy status --unknown",
    "deploy status d1 d2",
    "deploy history --limit many",
    "deploy history --limit -5",
    "deploy --env staging --strategy sideways",
    "deploy status --json=yes",
    "deploy status -- d1",
    "env",
    "env show",
    "env list extra",
    "--json env list",
    "demo",
    "nonsense",
]


@pytest.mark.unit
@pytest.mark.parametrize("line", PLAIN)
def test_both_parsers_give_the_same_command_the_same_values(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_hand = hot.parse(line.split(" "))
    assert by_hand is not None
    found: list[tuple[str, dict[str, Any]]] = []

    def note(run: str, given: Given) -> int:
        values = given._values
        found.append((run, {k: v for k, v in values.items() if v not in (None, False, ())}))
        return 0

    monkeypatch.setattr(app, "carry_out", note)
    assert app.dispatch(line.split(" ")) == 0
    command, values = by_hand
    assert found == [(command.run, values)]


@pytest.mark.unit
@pytest.mark.parametrize("line", FOR_CLICK)
def test_what_is_not_plain_is_left_to_click(line: str) -> None:
    assert hot.parse(line.split(" ") if line else []) is None


@pytest.mark.unit
@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.foreign])
def test_every_command_has_the_function_it_names(command: Any) -> None:
    assert callable(main.find_object(command.run))


@pytest.mark.unit
def test_no_command_has_two_options_of_one_name() -> None:
    for command in COMMANDS:
        names = [n for o in command.takes for n in (o.name, o.short) if n]
        assert len(names) == len(set(names)), command.path


@pytest.mark.unit
def test_help_of_everything_imports_no_command() -> None:
    top = app.application()
    with click.Context(top, info_name="orchestrate") as context:
        text = top.get_help(context)
    assert "Deploy a version" in text and "demo" in text


HOT = [
    ("deploy", "status", "--env", "production"),
    ("deploy", "status", "--env", "production", "--json"),
    ("deploy", "history"),
    ("env", "list"),
    ("env", "show", "production", "--json"),
    ("deploy", "diff", "--env", "production", "--version", "1.4.2", "--json"),
    ("deploy", "validate", "--env", "production", "--json"),
    ("deploy", "--env", "production", "--version", "1.4.2", "--json"),
]
HEAVY = {
    "click", "rich", "pydantic", "httpx2", "sqlalchemy", "sqlmodel", "mcp", "dbos", "starlette",
    "yaml", "argparse", "dataclasses", "inspect", "email", "ssl", "logging",
}  # fmt: skip


@pytest.mark.parametrize("arguments", HOT)
def test_a_hot_command_imports_the_standard_library_alone_and_little_of_it(
    arguments: tuple[str, ...], home: Path
) -> None:
    answers = {
        "GET /api/environments/production": Reply(
            docs.changed(docs.ENVIRONMENT, settings=docs.SETTINGS)
        ),
        "GET /api/overview": Reply(docs.OVERVIEW),
        "GET /api/deployments": Reply(docs.HISTORY),
        "POST /api/plans": Reply(docs.NOTHING),
        "POST /api/validate": Reply(docs.READY),
    }
    with Pretend(home, answers):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "orchestrate", *arguments],
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=30,
        )
    assert done.returncode == 0, done.stderr[-500:]
    imported = {
        line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.split("\n")
    }
    assert imported & HEAVY == set()
    assert "json" in imported  # the list was read
