"""MCP: the operations as tools, over the socket that the shim pumps stdio through.

Each connection is one stdio-framed session, in either protocol era. Nothing is decided here.
"""

import asyncio
import json
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import mcp_types as types
from mcp.server import CacheHint, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared._context_streams import create_context_streams
from mcp.shared.message import SessionMessage

from orchestrate import prompts
from orchestrate.core.errors import InvalidInput, OrchestrateError, ReadOnly
from orchestrate.core.names import did_you_mean
from orchestrate.server.auth import agent, peer_uid
from orchestrate.server.rest import call
from orchestrate.server.schema import input_schema, output_schema
from orchestrate.tools import TOOLS
from orchestrate.tools.documents import Document
from orchestrate.tools.operation import Context, Operation, Service

log = logging.getLogger(__name__)
Request = ServerRequestContext[Any]


class Activity(Protocol):
    """Keeps the service from being idle while a client is connected."""

    connections: int

    def touch(self) -> None: ...


class McpDoor:
    """Accepts connections and serves a session on each."""

    def __init__(self, service: Service, activity: Activity) -> None:
        self._service = service
        self._activity = activity
        self._sessions: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from the first line to the end of input."""
        task = asyncio.current_task()
        assert task is not None
        self._sessions.add(task)
        try:
            with self._counted():
                await self._session(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            log.debug("a client went away")
        finally:
            self._sessions.discard(task)
            writer.close()

    def close(self) -> None:
        """End all sessions."""
        for task in self._sessions:
            task.cancel()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._activity.connections += 1
        try:
            yield
        finally:
            self._activity.connections -= 1
            self._activity.touch()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection: socket.socket = writer.get_extra_info("socket")
        first = await reader.readline()
        limits, first = _limits_in(first)
        server = make_server(self._service, peer_uid(connection), limits)
        to_server, incoming = create_context_streams[SessionMessage | Exception](0)
        outgoing, from_server = create_context_streams[SessionMessage](0)

        async def read() -> None:
            line = first or await reader.readline()
            async with to_server:
                while line:
                    await to_server.send(_parsed(line))
                    line = await reader.readline()

        async def write() -> None:
            async with from_server:
                async for message in from_server:
                    text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                    writer.write(text.encode() + b"\n")
                    await writer.drain()

        async with asyncio.TaskGroup() as group:
            group.create_task(read())
            group.create_task(write())
            async with incoming, outgoing:
                await server.run(incoming, outgoing, server.create_initialization_options())


class Limits:
    """What a session may do: less than the service could, never more."""

    def __init__(self, read_only: bool = False, toolsets: tuple[str, ...] = ()) -> None:
        self.read_only = read_only
        self.toolsets = toolsets

    def allow(self, tool: Operation[Any, Any]) -> bool:
        if self.read_only and not tool.hints.read_only:
            return False
        return not self.toolsets or tool.toolset in self.toolsets


def make_server(service: Service, uid: int, limits: Limits) -> Server[dict[str, Any]]:
    """The MCP server of one session."""
    offered = [tool for tool in TOOLS if tool.mcp and limits.allow(tool)]
    described = [describe(tool) for tool in offered]

    async def list_tools(
        context: Request, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=described)

    async def call_tool(
        context: Request, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        try:
            tool = _find(params.name, offered, limits)
            who = agent(_client_name(context), uid)
            caller = Context(service, _with_progress(who, context))
            return _answer(await call(tool, caller, params.arguments or {}, people=False))
        except OrchestrateError as error:
            return _failure(error)
        except Exception:
            # Its text may hold what a model must not see; the log has it.
            log.exception("tool %s failed", params.name)
            return _failure(OrchestrateError("an unexpected error; the service's log has it"))

    async def list_prompts(
        context: Request, params: types.PaginatedRequestParams | None
    ) -> types.ListPromptsResult:
        return types.ListPromptsResult(prompts=[_prompt(name) for name in prompts.names()])

    async def get_prompt(
        context: Request, params: types.GetPromptRequestParams
    ) -> types.GetPromptResult:
        text = prompts.load(params.name, **(params.arguments or {}))
        content = types.TextContent(type="text", text=text)
        return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=content)])

    return Server(
        "orchestrate",
        title="Orchestrate",
        version=service.version,
        instructions=prompts.load("instructions"),
        cache_hints={"tools/list": CacheHint(ttl_ms=300_000, scope="private")},
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
    )


def describe(tool: Operation[Any, Any]) -> types.Tool:
    """A tool as `tools/list` shows it."""
    hints = tool.hints
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=input_schema(tool),
        output_schema=output_schema(tool),
        annotations=types.ToolAnnotations(
            read_only_hint=hints.read_only,
            destructive_hint=hints.destructive,
            idempotent_hint=hints.idempotent,
            open_world_hint=hints.open_world,
        ),
    )


def _find(name: str, offered: list[Operation[Any, Any]], limits: Limits) -> Operation[Any, Any]:
    found = next((tool for tool in TOOLS if tool.mcp and tool.name == name), None)
    if found is None:
        meant = did_you_mean(name, [tool.name for tool in offered])
        raise InvalidInput(
            f"there is no tool {name[:60]!r}", fix=[f"did you mean {each}?" for each in meant[:1]]
        )
    if found not in offered:
        why = "--read-only" if limits.read_only else "--toolsets " + ",".join(limits.toolsets)
        raise ReadOnly(
            f"{name} is switched off in this session",
            why=[f"the server was started with {why}"],
            fix=["a person changes the server's settings"],
        )
    return found


def _answer(document: Document) -> types.CallToolResult:
    """The document, and a short line of our own instead of the same JSON again."""
    data = document.as_json()
    said = [str(data.get("summary") or f"{len(_items(data))} found")]
    following = data.get("next")
    if isinstance(following, list) and following:
        said.append("next: " + "; ".join(str(each) for each in following))
    return types.CallToolResult(
        content=[types.TextContent(type="text", text="\n".join(said))], structured_content=data
    )


def _items(data: dict[str, Any]) -> list[Any]:
    found = data.get("items", data.get("untrusted_lines", []))
    return found if isinstance(found, list) else []


def _failure(error: OrchestrateError) -> types.CallToolResult:
    lines = [f"error[{error.code}]: {error.message}"]
    lines += [f"why: {fact}" for fact in error.why]
    lines += [f"fix: {remedy}" for remedy in error.fix]
    return types.CallToolResult(
        is_error=True,
        content=[types.TextContent(type="text", text="\n".join(lines))],
        structured_content={"schema": "orchestrate.error.v1", "error": error.as_dict()},
    )


def _with_progress(caller: Any, context: Request) -> Any:
    from dataclasses import replace

    async def progress(done: float, of: float, what: str) -> None:
        await context.session.report_progress(done, of, what)

    return replace(caller, progress=progress)


def _client_name(context: Request) -> str:
    params = context.session.client_params
    return params.client_info.name if params is not None else "agent"


def _prompt(name: str) -> types.Prompt:
    page = prompts.page(name)
    return types.Prompt(
        name=name,
        title=page.title,
        description=page.description,
        arguments=[
            types.PromptArgument(
                name=each.name, description=each.description, required=each.required
            )
            for each in page.arguments
        ],
    )


def _limits_in(line: bytes) -> tuple[Limits, bytes]:
    """The shim's own first line, when there is one, and what is left of the input."""
    try:
        data = json.loads(line)
    except ValueError:
        return Limits(), line
    if not isinstance(data, dict) or "orchestrate" not in data:
        return Limits(), line
    given = data["orchestrate"]
    toolsets = tuple(str(each) for each in given.get("toolsets") or ())
    return Limits(bool(given.get("read_only")), toolsets), b""


def _parsed(line: bytes) -> SessionMessage | Exception:
    try:
        return SessionMessage(types.jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        return error
