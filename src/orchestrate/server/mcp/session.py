"""The MCP server of one session: what it lists, and what it does when called."""

from dataclasses import replace
from typing import Any

import mcp_types as types
from mcp.server import CacheHint, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from orchestrate import prompts
from orchestrate.core.errors import OrchestrateError
from orchestrate.server.auth import agent
from orchestrate.server.calling import call, told
from orchestrate.server.mcp import catalogue
from orchestrate.server.mcp.answers import answer, failure
from orchestrate.server.mcp.limits import Limits
from orchestrate.tools.operation import Caller, Context, Service

Request = ServerRequestContext[Any]
LISTS = CacheHint(ttl_ms=300_000, scope="private")
"""Neither list changes while a service lives."""


def make_server(service: Service, uid: int, limits: Limits) -> Server[dict[str, Any]]:
    """A server for whoever connected as the user `uid`, within `limits`."""

    async def list_tools(
        context: Request, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        try:
            offered = limits.offered()
        except OrchestrateError as error:
            raise _refused(error) from error
        return types.ListToolsResult(tools=[catalogue.tool(each) for each in offered])

    async def call_tool(
        context: Request, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        try:
            tool = limits.find(params.name)
            asked = Context(service, _caller(context, uid))
            return answer(await call(tool, asked, params.arguments or {}, people=False))
        except Exception as error:
            return failure(*told(error))

    async def list_prompts(
        context: Request, params: types.PaginatedRequestParams | None
    ) -> types.ListPromptsResult:
        return types.ListPromptsResult(prompts=[catalogue.prompt(n) for n in prompts.names()])

    async def get_prompt(
        context: Request, params: types.GetPromptRequestParams
    ) -> types.GetPromptResult:
        try:
            text = prompts.load(params.name, **(params.arguments or {}))
        except OrchestrateError as error:
            raise _refused(error) from error
        content = types.TextContent(type="text", text=text)
        return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=content)])

    return Server(
        "orchestrate",
        title="Orchestrate",
        version=service.version,
        instructions=prompts.load(prompts.INSTRUCTIONS),
        cache_hints={"tools/list": LISTS, "prompts/list": LISTS},
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
    )


def _caller(context: Request, uid: int) -> Caller:
    async def progress(done: float, of: float, what: str) -> None:
        await context.session.report_progress(done, of, what)

    client = context.session.client_params
    name = client.client_info.name if client is not None else "agent"
    return replace(agent(name, uid), progress=progress)


def _refused(error: OrchestrateError) -> MCPError:
    """Where a protocol has no room for an error of ours: one sentence, and all of it as data."""
    text = "; ".join([error.message, *error.why, *error.fix])
    return MCPError(types.INVALID_PARAMS, text, error.as_dict())
