"""The kinds of agent this program is made for."""

from enum import StrEnum


class AgentType(StrEnum):
    """An agent's job. Its prompt is `.claude/agents/<value>.md`."""

    DEPLOYER = "deployer"
