"""REST over the socket: one route per operation, made from TOOLS; errors as problem details."""

import inspect
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orchestrate.core.errors import InvalidInput, OrchestrateError
from orchestrate.server.arguments import explain
from orchestrate.server.auth import person
from orchestrate.tools import TOOLS
from orchestrate.tools.documents import Document
from orchestrate.tools.operation import Arguments, Context, Operation, Service

log = logging.getLogger(__name__)
LONGEST_BODY = 4 * 1024 * 1024
THREADS = anyio.CapacityLimiter(16)


def rest_app(service: Service, touch: Callable[[], None]) -> Starlette:
    """The application with a route per operation."""
    routes = [
        Route(_pattern(tool.rest[1]), _endpoint(tool, service, touch), methods=[tool.rest[0]])
        for tool in TOOLS
    ]
    overview = next(tool for tool in TOOLS if tool.name == "get_overview")
    routes += [
        Route("/api/environments", _endpoint(overview, service, touch), methods=["GET"]),
        Route("/healthz", _alive, methods=["GET"]),
    ]
    # Longer patterns first: an environment's name may hold a slash (app/name).
    routes.sort(key=lambda route: -len(route.path))
    return Starlette(routes=routes, exception_handlers={404: _unknown_path})


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


def _pattern(path: str) -> str:
    return path.replace("{environment}", "{environment:path}")


def _endpoint(
    tool: Operation[Any, Any], service: Service, touch: Callable[[], None]
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        touch()
        try:
            context = Context(service, person(_uid(request)))
            document = await call(tool, context, await _arguments(request, tool), people=True)
            return JSONResponse(document.as_json())
        except Exception as error:
            return problem(error)
        finally:
            touch()

    return endpoint


def problem(error: Exception) -> Response:
    """An error as orchestrate.error.v1 with the members of RFC 9457."""
    known = error
    request_id = secrets.token_hex(4)
    if not isinstance(known, OrchestrateError):
        log.error("request %s failed", request_id, exc_info=error)
        known = OrchestrateError(
            "an unexpected error", why=[f"request {request_id} in the service's log"]
        )
    details = {**known.as_dict(), "request_id": request_id}
    body = {
        "schema": "orchestrate.error.v1",
        "type": f"/docs/errors#{known.code}",
        "title": known.code.replace("_", " "),
        "status": known.status,
        "detail": known.message,
        "error": details,
    }
    return JSONResponse(body, status_code=known.status, media_type="application/problem+json")


def _uid(request: Request) -> int:
    client = request.scope.get("client")
    assert client is not None and client[0] == "uid", "this door is a unix socket"
    return int(client[1])


async def _arguments(request: Request, tool: Operation[Any, Any]) -> dict[str, object]:
    """Path, query and body together; a name given twice is refused."""
    found: dict[str, object] = dict(request.path_params)
    model = tool.people or tool.arguments
    for name in request.query_params:
        values = request.query_params.getlist(name)
        field = model.model_fields.get(name)
        many = field is not None and str(field.annotation).startswith("list")
        _put(found, name, values if many else values[-1])
    for name, value in (await _body(request)).items():
        _put(found, name, value)
    return found


def _put(found: dict[str, object], name: str, value: object) -> None:
    if name in found:
        raise InvalidInput(f"{name} is given twice", fix=["give it once"])
    found[name] = value


async def _body(request: Request) -> dict[str, object]:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LONGEST_BODY:
            raise InvalidInput(f"the body is larger than {LONGEST_BODY // 1024**2} MB")
        chunks.append(chunk)
    raw = b"".join(chunks)
    if not raw:
        return {}
    try:
        data = json.loads(raw)
    except ValueError as error:
        raise InvalidInput("the body is not JSON", why=[str(error)]) from error
    if not isinstance(data, dict):
        raise InvalidInput("the body must be a JSON object")
    return data


async def _alive(request: Request) -> Response:
    return JSONResponse({"ok": True})


async def _unknown_path(request: Request, error: Exception) -> Response:
    missing = InvalidInput(f"there is nothing at {request.method} {request.url.path}")
    return JSONResponse(
        {"schema": "orchestrate.error.v1", "status": 404, "error": missing.as_dict()},
        status_code=404,
        media_type="application/problem+json",
    )
