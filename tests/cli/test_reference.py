"""docs/cli.md: its reference is the table of commands, and what it shows is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrate.cli import hot
from orchestrate.cli.spec import COMMANDS, COMMON, Command, Option
from orchestrate.core.error_codes import known
from tests.support.snapshot import Snapshot

pytestmark = pytest.mark.unit

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
MARK = "<!-- From here on written by tests/cli/test_reference.py --update-snapshots -->"


def test_the_reference_is_what_the_program_has(snapshot: Snapshot) -> None:
    text = PAGE.read_text(encoding="utf-8")
    by_hand, mark, _ = text.partition(MARK)
    assert mark, "the mark is gone"
    snapshot.check(PAGE, f"{by_hand}{MARK}\n\n{reference()}")


def test_every_command_on_the_page_can_be_parsed() -> None:
    text = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
    found = re.findall(r"^(?:\$ )?orchestrate (.*?)(?: +#.*)?$", text, re.MULTILINE)
    assert len(found) > 10
    for line in found:
        words = [w.strip("'\"") for w in re.findall(r"'[^']*'|\"[^\"]*\"|\S+", line)]
        assert words == ["demo"] or words == ["mcp"] or hot.parse(words) is not None, line


def test_exit_codes_on_the_page_are_those_of_the_errors() -> None:
    assert {kind.exit_code for kind in known().values()} == {1, 2}


def reference() -> str:
    common = "\n".join(_option(option) for option in COMMON)
    commands = "\n\n".join(_command(command) for command in COMMANDS)
    return f"Every command takes:\n\n{common}\n\n{commands}\n"


def _command(command: Command) -> str:
    argument = command.argument
    shown = f" [{argument[:-1]}]" if argument.endswith("?") else f" {argument}" if argument else ""
    parts = [f"### orchestrate {' '.join(command.path)}{shown}", f"{command.help}."]
    parts += [command.more] if command.more else []
    if command.options:
        parts.append("\n".join(_option(option) for option in command.options))
    return "\n\n".join(parts)


def _option(option: Option) -> str:
    value = option.metavar or "|".join(option.choices)
    names = ", ".join(name for name in (option.short, option.name) if name)
    more = "; may be repeated" if option.kind == "many" else ""
    return f"* `{names}{f' {value}' if value else ''}`: {option.help}{more}"
