"""Does a user's way through it work: requests one after the other, with what each must answer?"""

import json
import re

from pydantic import JsonValue

from orchestrate.core.jsonpath import MISSING, value_at
from orchestrate.core.untrusted import clean
from orchestrate.core.verification import Expect, SmokeRequest
from orchestrate.engine.checks.observed import (
    Found,
    Memory,
    Observed,
    failed,
    not_yet,
    passed,
    skipped,
    unknown,
)
from orchestrate.engine.http import Reply, send
from orchestrate.engine.revealed import masked

NAME = "smoke"
_HOLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def check(subject: Observed, memory: Memory) -> Found:
    """Passes when the whole scenario went through once; begins it anew after a failure, until
    `patience_s` are over."""
    verify = subject.revision.verify
    if not verify.smoke:
        return skipped(NAME, "no scenario is configured")
    entrance = subject.entrance()
    if entrance is None and subject.percent == 0:
        return not_yet(NAME)
    if entrance is None:
        return unknown(NAME, "there is no address to ask", "take verify.smoke out, or set url")
    who, address, host = entrance
    captured = {"version": subject.revision.version}
    took: dict[str, JsonValue] = {}
    for number, request in enumerate(verify.smoke, 1):
        reply, problem = _one(request, address, host, captured)
        if problem is not None:
            said = f"{request.name} ({number} of {len(verify.smoke)}), {who}: {problem}"
            if subject.watched_s < verify.patience_s:
                return Found(None, said)
            found = failed(NAME, said, url=reply.url, status=reply.status)
            return Found(found.result, evidence=found.evidence, lines=_answered(reply))
        took[request.name] = round(reply.took_s, 4)
    times = "1 request" if len(verify.smoke) == 1 else f"{len(verify.smoke)} requests"
    return passed(NAME, f"{times} at the {who} as expected", took_s=took)


def _one(
    request: SmokeRequest, address: str, host: str | None, captured: dict[str, str]
) -> tuple[Reply, str | None]:
    """Send one request; what is wrong with its answer, and what it captured into `captured`."""
    reply = send(
        request.method,
        address,
        _fill(request.path, captured),
        host=host,
        headers={name: _fill(value, captured) for name, value in request.headers.items()},
        body=_fill_all(request.body, captured),
        timeout_s=request.timeout_s,
    )
    problem = reply.problem or _wrong(request, reply, captured)
    return reply, problem or _capture(request, reply, captured)


def _wrong(request: SmokeRequest, reply: Reply, captured: dict[str, str]) -> str | None:
    """What of the answer is not as expected, in one line."""
    expect = request.expect
    head = f"{request.method} {reply.url}"
    if reply.status != expect.status:
        return f"{head} answered {reply.status}, expected {expect.status}"
    if expect.within_s is not None and reply.took_s > expect.within_s:
        return f"{head} took {reply.took_s:.3g}s, expected at most {expect.within_s:g}s"
    for name, value in expect.headers.items():
        found, wanted = reply.headers.get(name.lower()), _fill(value, captured)
        if found is None or not _matches(wanted, found):
            return f"{head}: {name} is {_seen(found)}, expected {wanted}"
    if expect.contains is not None:
        wanted = _fill(expect.contains, captured)
        if wanted.encode() not in reply.body:
            return f"{head} does not hold {wanted[:80]!r}"
    return _wrong_values(head, expect, reply, captured)


def _wrong_values(head: str, expect: Expect, reply: Reply, captured: dict[str, str]) -> str | None:
    if not expect.values:
        return None
    try:
        document = reply.json()
    except ValueError:
        return f"{head} answered no JSON"
    for path, value in expect.values.items():
        found, wanted = value_at(document, path), _fill_all(value, captured)
        if found is MISSING:
            return f"{head}: there is no {path}"
        if found != wanted or isinstance(found, bool) != isinstance(wanted, bool):
            said = clean(masked(json.dumps(found)), limit=100)
            return f"{head}: {path} is {said}, expected {json.dumps(wanted)}"
    return None


def _capture(request: SmokeRequest, reply: Reply, captured: dict[str, str]) -> str | None:
    for name, where in request.capture.items():
        value: object = MISSING
        if where.startswith("header:"):
            value = reply.headers.get(where.removeprefix("header:").strip().lower(), MISSING)
        else:
            try:
                value = value_at(reply.json(), where)
            except ValueError:
                return f"{request.method} {reply.url} answered no JSON to take {name} from"
        if value is MISSING:
            return f"{request.method} {reply.url}: there is no {where} to take {name} from"
        captured[name] = value if isinstance(value, str) else json.dumps(value)
    return None


def _fill(text: str, captured: dict[str, str]) -> str:
    """`{name}` of what was captured; anything else in braces stays."""
    return _HOLE.sub(lambda hole: captured.get(hole.group(1), hole.group()), text)


def _fill_all(value: JsonValue, captured: dict[str, str]) -> JsonValue:
    match value:
        case str():
            return _fill(value, captured)
        case list():
            return [_fill_all(each, captured) for each in value]
        case dict():
            return {key: _fill_all(each, captured) for key, each in value.items()}
        case _:
            return value


def _matches(wanted: str, found: str) -> bool:
    """Whether `found` is `wanted`, in which `*` stands for anything."""
    first, *rest = wanted.split("*")
    if not rest:
        return found == wanted
    if not found.startswith(first) or not found[len(first) :].endswith(rest[-1]):
        return False
    at, end = len(first), len(found) - len(rest[-1])
    for part in rest[:-1]:
        at = found.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True


def _seen(found: str | None) -> str:
    return clean(masked(found), limit=100) if found is not None else "not there"


def _answered(reply: Reply) -> tuple[str, ...]:
    return (f"untrusted | it answered: {reply.shown}",) if reply.body else ()
