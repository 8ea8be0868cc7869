"""REST, on the socket and over HTTP: one route per operation, made from TOOLS."""

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from orchestrate.core.errors import InvalidInput
from orchestrate.core.identity import Principal
from orchestrate.core.untrusted import clean
from orchestrate.server.auth import person
from orchestrate.server.calling import THREADS, call, new_request_id
from orchestrate.server.http import PRINCIPAL
from orchestrate.server.problems import problem
from orchestrate.tools import TOOLS
from orchestrate.tools.operation import Caller, Context, Operation, Service

log = logging.getLogger(__name__)
LONGEST_BODY = 4 * 1024 * 1024


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
    return Starlette(routes=routes, exception_handlers={404: _unknown_path, 405: _other_method})


def _pattern(path: str) -> str:
    return path.replace("{environment}", "{environment:path}")


def _endpoint(
    tool: Operation[Any, Any], service: Service, touch: Callable[[], None]
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        touch()
        request_id = new_request_id()
        try:
            context = Context(service, await _caller(request, service, request_id))
            people = context.caller.principal.kind == "person"
            document = await call(tool, context, await _arguments(request, tool, people), people)
            return JSONResponse(document.as_json())
        except ClientDisconnect:
            log.debug("a client went away before it had asked")
            return Response(status_code=400)  # which nobody reads
        except Exception as error:
            return problem(error, request_id=request_id)
        finally:
            touch()

    return endpoint


async def _caller(request: Request, service: Service, request_id: str) -> Caller:
    """Who asks: as the HTTP door established it, else whose socket it is."""
    principal = request.scope.get(PRINCIPAL)
    if isinstance(principal, Principal):
        return Caller(principal, door="http", request_id=request_id)
    client = request.scope.get("client")
    assert client is not None and client[0] == "uid", "this door is a unix socket"
    uid = int(client[1])
    found = await to_thread.run_sync(person, service.credentials, uid, limiter=THREADS)
    return replace(found, request_id=request_id)


async def _arguments(
    request: Request, tool: Operation[Any, Any], people: bool
) -> dict[str, object]:
    """Path, query and body together; a name given twice is refused."""
    found: dict[str, object] = dict(request.path_params)
    model = (tool.people if people else None) or tool.arguments
    for name in request.query_params:
        values = request.query_params.getlist(name)
        field = model.model_fields.get(name)
        many = field is not None and str(field.annotation).startswith("list")
        for given in [values] if many else values:
            _put(found, name, given)
    for name, value in (await _body(request)).items():
        _put(found, name, value)
    return found


def _put(found: dict[str, object], name: str, value: object) -> None:
    if name in found:
        raise InvalidInput(f"{name} is given twice", fix=["give it once"])
    found[name] = value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object; a name given twice is refused, where JSON would take the last."""
    found: dict[str, object] = {}
    for name, value in pairs:
        _put(found, name, value)
    return found


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
        data = json.loads(raw, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("the body is not JSON", why=[clean(str(error), limit=200)]) from error
    if not isinstance(data, dict):
        raise InvalidInput("the body must be a JSON object")
    return data


async def _alive(request: Request) -> Response:
    return JSONResponse({"ok": True})


async def _unknown_path(request: Request, error: Exception) -> Response:
    asked = f"{request.method} {clean(request.url.path, limit=200)}"
    return problem(InvalidInput(f"there is nothing at {asked}", fix=["see docs/rest.md"]), 404)


async def _other_method(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    allowed = (error.headers or {}).get("Allow", "")
    asked = clean(request.url.path, limit=200)
    refused = InvalidInput(f"{asked} does not take {request.method}", fix=[f"it takes {allowed}"])
    answer = problem(refused, 405)
    answer.headers["Allow"] = allowed
    return answer
