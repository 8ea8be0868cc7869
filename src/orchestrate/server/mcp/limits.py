"""What a session may do: less than the service could, never more."""

import json
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from orchestrate.core.errors import InvalidInput, ReadOnly
from orchestrate.core.names import did_you_mean
from orchestrate.tools import TOOLS
from orchestrate.tools.operation import Operation

Tool = Operation[Any, Any]
MCP_TOOLS: tuple[Tool, ...] = tuple(tool for tool in TOOLS if tool.mcp)
TOOLSETS = tuple(dict.fromkeys(tool.toolset for tool in MCP_TOOLS))


@dataclass(frozen=True)
class Limits:
    """`--read-only` and `--toolsets`, as the person who set the client up chose them."""

    read_only: bool = False
    toolsets: tuple[str, ...] = ()

    def offered(self) -> tuple[Tool, ...]:
        """The tools of this session, in the order of TOOLS. Raises InvalidInput for a toolset
        that does not exist: offering nothing would look like a server without tools."""
        for name in self.toolsets:
            if name not in TOOLSETS:
                meant = did_you_mean(name, TOOLSETS)
                raise InvalidInput(
                    f"there is no toolset {name[:60]!r}",
                    why=["the server was started with --toolsets " + ",".join(self.toolsets)[:200]],
                    fix=[f"did you mean {meant[0]}?"] if meant else [f"known: {_known()}"],
                )
        return tuple(tool for tool in MCP_TOOLS if self._allow(tool))

    def find(self, name: str) -> Tool:
        """The tool of this name. Raises InvalidInput when there is none, ReadOnly when it is
        switched off here."""
        offered = self.offered()
        found = next((tool for tool in MCP_TOOLS if tool.name == name), None)
        if found is None:
            names = [tool.name for tool in offered]
            meant = did_you_mean(name, names)
            raise InvalidInput(
                f"there is no tool {name[:60]!r}",
                fix=[f"did you mean {meant[0]}?"] if meant else [f"tools are: {', '.join(names)}"],
            )
        if found not in offered:
            raise ReadOnly(
                f"{name} is switched off in this session",
                why=[f"the server was started with {self._options(found)}"],
                fix=["a person changes the options of this server where the client is set up"],
            )
        return found

    def _allow(self, tool: Tool) -> bool:
        if self.read_only and not tool.hints.read_only:
            return False
        return not self.toolsets or tool.toolset in self.toolsets

    def _options(self, tool: Tool) -> str:
        """What keeps a tool out."""
        if self.read_only and not tool.hints.read_only:
            return "--read-only"
        return "--toolsets " + ",".join(self.toolsets)


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    read_only: bool = False
    toolsets: list[str] = []


class _FirstLine(BaseModel):
    model_config = ConfigDict(extra="forbid")

    orchestrate: _Options


def limits_in(line: bytes) -> tuple[Limits, bytes]:
    """The shim's own first line, when there is one, and what is left of the input.

    Raises InvalidInput for a line of the shim that is not understood: it may have asked for less.
    """
    try:
        data = json.loads(line)
    except ValueError:
        return Limits(), line
    if not isinstance(data, dict) or "orchestrate" not in data:
        return Limits(), line
    try:
        given = _FirstLine.model_validate(data).orchestrate
    except ValidationError as error:
        raise InvalidInput(
            "the options of this session are not understood", fix=["reinstall orchestrate"]
        ) from error
    return Limits(given.read_only, tuple(given.toolsets)), b""


def _known() -> str:
    return ", ".join(TOOLSETS)
