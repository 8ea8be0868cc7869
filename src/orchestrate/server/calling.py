"""From a protocol's arguments to an operation's document: the same for every door."""

import inspect
import logging
import secrets
from collections.abc import Mapping
from typing import Any

import anyio
from pydantic import ValidationError

from orchestrate.core.errors import OrchestrateError
from orchestrate.server.arguments import explain
from orchestrate.tools.documents import Document
from orchestrate.tools.operation import Arguments, Context, Operation

log = logging.getLogger(__name__)
THREADS = anyio.CapacityLimiter(16)


async def call(
    tool: Operation[Any, Any], context: Context, data: Mapping[str, object], people: bool
) -> Document:
    """Check the arguments and run the operation; what is not async runs in a thread.

    Raises OrchestrateError, InvalidInput for arguments that do not fit.
    """
    model: type[Arguments] = (tool.people if people else None) or tool.arguments
    try:
        given = model.model_validate(data)
    except ValidationError as error:
        raise explain(error, model) from error
    if inspect.iscoroutinefunction(tool.run):
        document = await tool.run(context, given)
    else:
        document = await anyio.to_thread.run_sync(tool.run, context, given, limiter=THREADS)
    assert isinstance(document, Document)
    return document


def told(error: Exception) -> tuple[OrchestrateError, str]:
    """An error that can be shown, and the number its request has in the service's log.

    The text of an unexpected one may hold what nobody outside must see: it is only logged.
    """
    request_id = secrets.token_hex(4)
    if isinstance(error, OrchestrateError):
        return error, request_id
    log.error("request %s failed", request_id, exc_info=error)
    why = [f"it is request {request_id} in the service's log"]
    return OrchestrateError("an unexpected error", why=why, fix=["orchestrate doctor"]), request_id
