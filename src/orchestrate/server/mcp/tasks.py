"""Waiting as a task (`io.modelcontextprotocol/tasks`), for clients that declare the extension.

Such a client gets its model's turn back at once and asks for the end itself. A task is nothing but
a deployment that is waited for: it has its id, and its state is read from the record, so it
outlives the session and the service. Cancelling it ends the waiting, never the deployment.
"""

from datetime import UTC, datetime
from typing import Any

import mcp_types as types
from mcp.server import ServerRequestContext
from pydantic import Field

from orchestrate.server.mcp.answers import answer
from orchestrate.tools.documents import DeploymentDocument

EXTENSION = "io.modelcontextprotocol/tasks"
TOOL = "wait_deployment"
ERA = "2026-07-28"
"""Of the protocol, from which a result may be of a kind that an extension defines."""
POLL_MS = 2000
TTL_MS = 7 * 24 * 3600 * 1000
"""A deployment's record is kept for longer; no client waits for longer."""

Result = dict[str, Any]


class TaskParams(types.RequestParams):
    """Arguments of `tasks/get` and `tasks/cancel`."""

    task_id: str = Field(alias="taskId", max_length=40)


def served(context: ServerRequestContext[Any]) -> bool:
    """Whether this connection's era has tasks."""
    return context.session.protocol_version >= ERA


def wanted(context: ServerRequestContext[Any], params: types.CallToolRequestParams) -> bool:
    """Whether a call is to be answered with a task: one that names how long to wait is not."""
    if params.name != TOOL or "timeout_s" in (params.arguments or {}) or not served(context):
        return False
    declared = context.session.client_capabilities
    return declared is not None and EXTENSION in (declared.extensions or {})


def begun(document: DeploymentDocument) -> Result:
    """The answer to the call: a task to ask about, or the end when it has come already."""
    if _over(document):
        return _completed(document)
    return {**_state(document), "resultType": "task"}


def state(document: DeploymentDocument) -> Result:
    """The answer to `tasks/get`; with the call's result once it is there."""
    found = {**_state(document), "resultType": "complete"}
    return {**found, "result": _completed(document)} if _over(document) else found


def _state(document: DeploymentDocument) -> Result:
    return {
        "taskId": document.id,
        "status": "completed" if _over(document) else "working",
        "statusMessage": document.summary,
        "createdAt": document.created_at.isoformat(),
        "lastUpdatedAt": datetime.now(UTC).isoformat(),
        "ttlMs": TTL_MS,
        "pollIntervalMs": POLL_MS,
    }


def _over(document: DeploymentDocument) -> bool:
    """As wait_deployment sees it."""
    return document.terminal or document.paused


def _completed(document: DeploymentDocument) -> Result:
    result = answer(document).model_dump(mode="json", by_alias=True, exclude_none=True)
    return {**result, "resultType": "complete"}
