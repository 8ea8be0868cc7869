"""From a protocol's arguments to an operation's document: the same for every door.

Whether the principal may is decided before the arguments are looked at; what it may see is decided
by the store it is given (`Store.within`), so that what lies outside answers like what is unknown.
"""

import inspect
import logging
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import anyio
from pydantic import JsonValue, ValidationError

from orchestrate.core.audit import Outcome
from orchestrate.core.errors import Forbidden, OrchestrateError, ReadOnly
from orchestrate.core.untrusted import clean
from orchestrate.server.arguments import explain
from orchestrate.store import audit
from orchestrate.store.database import is_away, unreachable
from orchestrate.tools.documents import Document
from orchestrate.tools.operation import Arguments, Context, Operation, Service

log = logging.getLogger(__name__)
THREADS = anyio.CapacityLimiter(16)
_SUBJECTS = ("environment", "deployment", "approval", "plan", "person", "token", "name")
"""Arguments that say what a call is about, the first one that is given."""
_TOLD = ("version", "action", "kind", "strategy", "force", "queue", "dry_run", "reason")
"""Arguments that the trail tells besides. None of them ever holds a secret."""
_LONGEST = 200


async def call(
    tool: Operation[Any, Any], context: Context, data: Mapping[str, object], people: bool
) -> Document:
    """Ask whether it may be done, check the arguments and run the operation; what is not async
    runs in a thread. Whatever changes something, and whatever is forbidden, is in the trail.

    Raises OrchestrateError: Forbidden, ReadOnly, InvalidInput for arguments that do not fit.
    """
    asked = _named(context)
    try:
        _permit(tool, asked)
        document = await _run(tool, _within_reach(asked), data, people)
    except Exception as error:
        if not tool.hints.read_only or isinstance(error, Forbidden):
            await _record(tool, asked, data, _outcome(error), error)
        raise
    if not tool.hints.read_only and not tool.records:
        await _record(tool, asked, data, "ok")
    return document


def new_request_id() -> str:
    """Names one call in the trail, in the log and in its error."""
    return secrets.token_hex(4)


def told(error: Exception, request_id: str | None = None) -> tuple[OrchestrateError, str]:
    """An error that can be shown, and the number its request has in the service's log.

    The text of an unexpected one may hold what nobody outside must see: it is only logged.
    """
    request_id = request_id or new_request_id()
    if isinstance(error, OrchestrateError):
        return error, request_id
    if is_away(error):
        found = unreachable(error)
        log.warning("request %s: %s: %s", request_id, found.message, "; ".join(found.why))
        return found, request_id
    log.error("request %s failed", request_id, exc_info=error)
    why = [f"it is request {request_id} in the service's log"]
    return OrchestrateError("an unexpected error", why=why, fix=["orchestrate doctor"]), request_id


# -- helpers, in call order


def _named(context: Context) -> Context:
    """The call with a number of its own."""
    number = context.caller.request_id or new_request_id()
    return replace(context, caller=replace(context.caller, request_id=number))


def _permit(tool: Operation[Any, Any], context: Context) -> None:
    principal, service = context.caller.principal, context.service
    if not principal.may(tool.role):
        held = ", ".join(sorted(principal.roles)) or "no role"
        raise Forbidden(
            f"{tool.name} needs the role {tool.role.value}",
            why=[f"{principal.name} has {held}"],
            fix=[f"an admin grants it: orchestrate auth grant PERSON --role {tool.role.value}"],
        )
    if principal.kind == "agent" and not tool.mcp and not tool.hints.read_only:
        raise Forbidden(
            f"{tool.name} is for people",
            why=[f"{principal.name} is an agent, at every door: what agents do not have as a tool"],
            fix=[f"{principal.person} does it"],
        )
    if tool.whole and principal.environments:
        raise Forbidden(
            f"{tool.name} is about the whole service",
            why=[f"{principal.name} is limited to {', '.join(principal.environments)}"],
            fix=["ask somebody who is not limited to environments"],
        )
    if not tool.hints.read_only and not tool.always:
        _refuse_read_only(tool, service)


def _refuse_read_only(tool: Operation[Any, Any], service: Service) -> None:
    if service.alarm:
        raise ReadOnly(
            f"{tool.name} is switched off: the audit trail is not as its signed heads say",
            why=[*service.alarm, "nothing is changed until an administrator has looked"],
            fix=[
                "look: orchestrate audit verify",
                "if a backup was restored on purpose:"
                ' orchestrate audit accept-restore --reason "..."',
            ],
        )
    if service.read_only:
        raise ReadOnly(
            f"{tool.name} is switched off: this service only reads",
            why=["it was started with --read-only"],
            fix=["start it without: orchestrate serve --replace"],
        )


def _within_reach(context: Context) -> Context:
    """The same call with a store that shows the principal's environments alone."""
    limits = context.caller.principal.environments
    if not limits:
        return context
    service = context.service
    return replace(context, service=replace(service, store=service.store.within(limits)))


async def _run(
    tool: Operation[Any, Any], context: Context, data: Mapping[str, object], people: bool
) -> Document:
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


def _outcome(error: Exception) -> Outcome:
    return "refused" if isinstance(error, OrchestrateError) and error.status < 500 else "failed"


async def _record(
    tool: Operation[Any, Any],
    context: Context,
    data: Mapping[str, object],
    outcome: Outcome,
    error: Exception | None = None,
) -> None:
    """Put the call in the trail. Where that fails the call does."""
    details: dict[str, JsonValue] = {k: v for k in _TOLD if (v := _plain(data.get(k))) is not None}
    if error is not None:
        details["error"] = error.code if isinstance(error, OrchestrateError) else "internal"
    found = (_plain(data.get(name)) for name in _SUBJECTS)
    subject = str(next((each for each in found if each), "service"))
    event = context.caller.event(f"call.{tool.name}", subject, outcome, **details)

    def write() -> None:
        with context.service.store.session() as session:
            audit.append(session, event)

    await anyio.to_thread.run_sync(write, limiter=THREADS)


def _plain(value: object) -> str | bool | int | None:
    """An argument as the trail can tell it; what has other types is not told."""
    if isinstance(value, bool | int):
        return value
    return clean(value[:_LONGEST], limit=_LONGEST) if isinstance(value, str) else None
