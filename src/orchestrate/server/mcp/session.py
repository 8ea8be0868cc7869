"""The MCP server of one session: what it lists, and what it does when called."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import mcp_types as types
from anyio import to_thread
from mcp.server import CacheHint, ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from orchestrate import prompts
from orchestrate.core.errors import OrchestrateError
from orchestrate.server.auth import agent
from orchestrate.server.calling import THREADS, call, new_request_id, told
from orchestrate.server.mcp import catalogue, tasks
from orchestrate.server.mcp.answers import answer, failure
from orchestrate.server.mcp.limits import Limits
from orchestrate.tools.documents import DeploymentDocument, Document
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

    async def ask(
        context: Request, name: str, arguments: Mapping[str, object], request_id: str
    ) -> Document:
        caller = await to_thread.run_sync(_caller, service, context, uid, limiter=THREADS)
        asked = Context(service, replace(caller, request_id=request_id))
        return await call(limits.find(name), asked, arguments, people=False)

    async def call_tool(
        context: Request, params: types.CallToolRequestParams
    ) -> types.CallToolResult | tasks.Result:
        given, request_id = params.arguments or {}, new_request_id()
        try:
            if tasks.wanted(context, params):
                return tasks.begun(await look(context, given))
            return answer(await ask(context, params.name, given, request_id))
        except Exception as error:
            return failure(*told(error, request_id))

    async def look(context: Request, arguments: Mapping[str, object]) -> DeploymentDocument:
        now = {**arguments, "timeout_s": 0}
        found = await ask(context, tasks.TOOL, now, new_request_id())
        assert isinstance(found, DeploymentDocument)
        return found

    async def get_task(context: Request, params: tasks.TaskParams) -> tasks.Result:
        _refuse_without_tasks(context, "tasks/get")
        try:
            return tasks.state(await look(context, {"deployment": params.task_id}))
        except OrchestrateError as error:
            raise _refused(error) from error

    async def cancel_task(context: Request, params: tasks.TaskParams) -> tasks.Result:
        _refuse_without_tasks(context, "tasks/cancel")
        return {}

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

    server: Server[dict[str, Any]] = Server(
        "orchestrate",
        title="Orchestrate",
        version=service.version,
        instructions=prompts.load(prompts.INSTRUCTIONS),
        cache_hints={"tools/list": LISTS, "prompts/list": LISTS},
        on_list_tools=list_tools,
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
    )
    server.add_request_handler("tools/call", types.CallToolRequestParams, call_tool)
    server.add_request_handler("tasks/get", tasks.TaskParams, get_task)
    server.add_request_handler("tasks/cancel", tasks.TaskParams, cancel_task)
    server.extensions[tasks.EXTENSION] = {}
    return server


def _caller(service: Service, context: Request, uid: int) -> Caller:
    """Who asks, as they stand at this call: roles may have changed since they connected."""

    async def progress(done: float, of: float, what: str) -> None:
        await context.session.report_progress(done, of, what)

    client = context.session.client_params
    name = client.client_info.name if client is not None else "agent"
    return replace(agent(service.credentials, name, uid), progress=progress)


def _refuse_without_tasks(context: Request, method: str) -> None:
    if not tasks.served(context):
        raise MCPError(types.METHOD_NOT_FOUND, "Method not found", method)


def _refused(error: OrchestrateError) -> MCPError:
    """Where a protocol has no room for an error of ours: one sentence, and all of it as data."""
    text = "; ".join([error.message, *error.why, *error.fix])
    return MCPError(types.INVALID_PARAMS, text, error.as_dict())
