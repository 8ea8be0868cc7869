"""The tables of docs/mcp.md and docs/rest.md are what the program offers."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from orchestrate.server.mcp.limits import MCP_TOOLS
from orchestrate.tools import TOOLS
from orchestrate.tools.operation import Hints
from tests.support.repository import ROOT
from tests.support.snapshot import Snapshot

pytestmark = pytest.mark.unit

DOCS = ROOT / "docs"


def rows(head: tuple[str, ...], lines: list[tuple[str, ...]]) -> str:
    table = [head, tuple("---" for _ in head), *lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in table)


def effect(hints: Hints) -> str:
    if hints.read_only:
        return "looks" if hints.open_world else "reads"
    return "acts" if hints.destructive else "prepares"


def tools() -> str:
    head = ("tool", "what it does", "arguments", "toolset", "effect")
    return rows(
        head,
        [
            (
                f"`{tool.name}`",
                tool.description,
                arguments(tool.arguments) or "none",
                tool.toolset,
                effect(tool.hints),
            )
            for tool in MCP_TOOLS
        ],
    )


def routes() -> str:
    head = ("method and path", "operation", "further arguments", "answer")
    return rows(head, [route(tool) for tool in TOOLS])


def route(tool: Any) -> tuple[str, ...]:
    method, path = tool.rest
    model = tool.people or tool.arguments
    answer = f"`{tool.document.model_fields['schema_'].default}`"
    return (f"`{method} {path}`", f"`{tool.name}`", arguments(model, path) or "none", answer)


def arguments(model: Any, path: str = "") -> str:
    """Names, those that must be given in bold."""
    return ", ".join(
        f"**{name}**" if field.is_required() else name
        for name, field in model.model_fields.items()
        if f"{{{name}}}" not in path
    )


@pytest.mark.parametrize(
    ("file", "section", "table"), [("mcp.md", "tools", tools), ("rest.md", "routes", routes)]
)
def test_the_table_is_what_is_offered(
    file: str, section: str, table: Any, snapshot: Snapshot
) -> None:
    path = DOCS / file
    text = path.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {section}: [^\n]*-->\n).*?(<!-- end -->)", re.DOTALL)
    now, found = pattern.subn(lambda m: f"{m[1]}{table()}{m[2]}", text)
    assert found == 1
    snapshot.check(path, now)


def test_every_snippet_is_json_and_starts_the_shim() -> None:
    blocks = re.findall(r"```json\n(.*?)```", (DOCS / "mcp.md").read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 4
    for block in blocks:
        ((servers,),) = [json.loads(block).values()]
        assert servers["orchestrate"]["command"] == "orchestrate"
        assert servers["orchestrate"]["args"] == ["mcp"]


def test_the_snippet_for_claude_code_is_the_file_of_this_repository() -> None:
    text = (DOCS / "mcp.md").read_text(encoding="utf-8")
    committed = json.loads(Path(ROOT / ".mcp.json").read_text(encoding="utf-8"))
    assert committed in [json.loads(b) for b in re.findall(r"```json\n(.*?)```", text, re.S)]


def test_links_lead_somewhere() -> None:
    for name in ("mcp.md", "rest.md"):
        text = (DOCS / name).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+)", text):
            assert (DOCS / target).exists(), target
