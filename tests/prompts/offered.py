"""The tools that an agent is offered."""

from orchestrate.tools import TOOLS


def offered() -> set[str]:
    return {tool.name for tool in TOOLS if tool.mcp}
