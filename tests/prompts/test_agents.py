"""The agents that come with the repository: their files, and the tools they may use."""

import json
from pathlib import Path

import pytest
import yaml

from orchestrate.core.agents import AgentType
from tests.prompts.offered import offered

pytestmark = pytest.mark.unit

ROOT = Path(__file__).parents[2]
AGENTS = ROOT / ".claude" / "agents"


def parts(agent: AgentType) -> tuple[dict[str, str], str]:
    """Front matter and text of an agent's file."""
    text = (AGENTS / f"{agent.value}.md").read_text(encoding="utf-8")
    _, front, body = text.split("---\n", 2)
    return yaml.safe_load(front), body


def server() -> str:
    """The name under which clients know this program."""
    (name,) = json.loads((ROOT / ".mcp.json").read_text(encoding="utf-8"))["mcpServers"]
    return str(name)


def test_each_agent_type_has_its_file_and_no_file_is_left_over() -> None:
    assert {path.stem for path in AGENTS.glob("*.md")} == {agent.value for agent in AgentType}


@pytest.mark.parametrize("agent", AgentType)
def test_an_agent_is_named_as_its_type_and_says_when_to_use_it(agent: AgentType) -> None:
    front, body = parts(agent)
    assert front["name"] == agent.value
    assert len(front["description"]) > 40
    assert front["model"] == "inherit"
    assert body.strip()


def test_the_deployer_may_use_every_tool_of_the_server_and_nothing_else() -> None:
    front, _ = parts(AgentType.DEPLOYER)
    allowed = [tool.strip() for tool in front["tools"].split(",")]
    assert sorted(allowed) == sorted(f"mcp__{server()}__{name}" for name in offered())


def test_the_deployer_knows_every_code_that_is_for_a_person() -> None:
    _, body = parts(AgentType.DEPLOYER)
    for code in ("approval_required", "confirmation_needed", "plan_changed", "rollback_failed"):
        assert code in body


def test_the_server_is_started_as_installed() -> None:
    servers = json.loads((ROOT / ".mcp.json").read_text(encoding="utf-8"))["mcpServers"]
    assert servers == {"orchestrate": {"type": "stdio", "command": "orchestrate", "args": ["mcp"]}}
