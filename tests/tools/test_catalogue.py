"""What `tools/list` shows: committed tool by tool, within its budget, and complete."""

import json
import re
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from jsonschema import Draft202012Validator

from orchestrate.core.environment import Environment
from orchestrate.server.mcp import catalogue
from orchestrate.server.mcp.limits import MCP_TOOLS, TOOLSETS, Limits
from tests.support.snapshot import Snapshot

pytestmark = pytest.mark.unit

SNAPSHOTS = Path(__file__).with_name("snapshots")
TOKENS = 6000
"""Of a model's context, at four bytes each, for the whole list."""
DESCRIPTION = 300
ASKS_FOR_TRUST = re.compile("confirm|approv|skip|bypass|override|yes|trust|sudo", re.IGNORECASE)

Json = dict[str, Any]


def shown(tool: Any) -> Json:
    found: Json = catalogue.tool(tool).model_dump(mode="json", by_alias=True, exclude_none=True)
    return found


def arguments(tool: Any) -> dict[str, Json]:
    found: dict[str, Json] = shown(tool)["inputSchema"]["properties"]
    return found


every_tool = pytest.mark.parametrize("tool", MCP_TOOLS, ids=lambda tool: tool.name)


@pytest.mark.attack("AG06", "a tool or its description changes", "the committed one alone is shown")
@every_tool
def test_a_tool_is_shown_as_committed(tool: Any, snapshot: Snapshot) -> None:
    text = json.dumps(shown(tool), indent=2, ensure_ascii=False) + "\n"
    snapshot.check(SNAPSHOTS / f"{tool.name}.json", text)


def test_no_snapshot_is_left_over() -> None:
    assert {path.stem for path in SNAPSHOTS.iterdir()} == {tool.name for tool in MCP_TOOLS}


def test_the_whole_list_fits_its_budget() -> None:
    listed = types.ListToolsResult(tools=[catalogue.tool(tool) for tool in MCP_TOOLS])
    sent = listed.model_dump_json(by_alias=True, exclude_none=True).encode()
    assert len(sent) / 4 <= TOKENS


def test_there_are_as_many_tools_as_a_model_can_tell_apart() -> None:
    assert len(MCP_TOOLS) <= 20


@every_tool
def test_a_tool_says_in_few_words_what_it_does(tool: Any) -> None:
    assert re.fullmatch("[a-z]+(_[a-z]+)*", tool.name)
    assert len(tool.name) <= 40
    assert 40 <= len(tool.description) <= DESCRIPTION


@every_tool
def test_a_tool_has_a_title_and_states_all_four_hints(tool: Any) -> None:
    found = shown(tool)
    assert found["title"]
    hints = found["annotations"]
    assert {name for name, value in hints.items() if isinstance(value, bool)} == {
        "readOnlyHint",
        "destructiveHint",
        "idempotentHint",
        "openWorldHint",
    }
    if hints["readOnlyHint"]:
        assert not hints["destructiveHint"]


@every_tool
def test_every_argument_is_described_and_others_are_refused(tool: Any) -> None:
    schema = shown(tool)["inputSchema"]
    assert schema["additionalProperties"] is False
    for name, argument in schema["properties"].items():
        assert argument.get("description"), f"{tool.name}.{name}"
        assert not argument["description"].endswith(".")


@every_tool
def test_no_argument_stands_for_a_persons_yes(tool: Any) -> None:
    assert not [name for name in arguments(tool) if ASKS_FOR_TRUST.search(name)]


@pytest.mark.attack("AG04", "an argument of an agent's tool that is a setting", "there is none")
@every_tool
def test_no_argument_is_a_setting_that_runs(tool: Any) -> None:
    """Commands, urls, paths and variables are set by people alone. What an agent may say beside a
    name is a choice of what is there, a number, or words that are recorded."""
    settings = named(Environment) - {"app", "name", "version", "reason"}
    shared = {name: arguments(tool)[name] for name in arguments(tool) if name in settings}
    for name, argument in shared.items():
        assert "enum" in argument or argument["type"] in ("number", "boolean", "integer"), name


def named(model: Any) -> set[str]:
    """The names of all fields of a model and of the models within it."""
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return {name for part in parts for name in part.get("properties", {})}


@every_tool
def test_schemas_are_schemas_without_noise(tool: Any) -> None:
    for part in ("inputSchema", "outputSchema"):
        schema = shown(tool)[part]
        Draft202012Validator.check_schema(schema)
        text = json.dumps(schema)
        assert "$ref" not in text and "$defs" not in text
        assert '"type": "null"' not in json.dumps(shown(tool)["inputSchema"])


def test_tools_that_only_read_are_offered_first_and_always_in_the_same_order() -> None:
    names = [tool.name for tool in Limits().offered()]
    assert names == [tool.name for tool in MCP_TOOLS]
    assert names[0] == "get_overview"
    assert names.index("plan_deployment") < names.index("start_deployment")


def test_reading_only_leaves_what_changes_nothing() -> None:
    offered = Limits(read_only=True).offered()
    assert offered
    assert all(tool.hints.read_only for tool in offered)
    assert {tool.name for tool in MCP_TOOLS} - {tool.name for tool in offered} == {
        "plan_deployment",
        "start_deployment",
        "control_deployment",
        "request_approval",
        "rollback",
    }


@pytest.mark.parametrize("toolset", TOOLSETS)
def test_a_toolset_alone_is_a_part_of_the_whole(toolset: str) -> None:
    offered = Limits(toolsets=(toolset,)).offered()
    assert 0 < len(offered) < len(MCP_TOOLS)
    assert {tool.toolset for tool in offered} == {toolset}
