"""What a model is given: the document, and a short text of our own in place of its JSON again.

The text alone is enough to go on with, because not every client shows its model the document. Text
from outside stands between marks with a boundary drawn for this answer.
"""

import json
import secrets

import mcp_types as types

from orchestrate.core.errors import InvalidInput, OrchestrateError
from orchestrate.core.untrusted import clean, fence
from orchestrate.server.mcp.text import lines
from orchestrate.tools.documents import Document
from orchestrate.tools.present import UNTRUSTED

LARGEST = 100_000
"""Characters of a document. Clients refuse 25,000 tokens or more."""
LONGEST_LINE = 1000


def answer(document: Document) -> types.CallToolResult:
    """The result of a call. Raises InvalidInput for one that no client would take."""
    data = document.as_json()
    size = len(json.dumps(data))
    if size > LARGEST:
        raise InvalidInput(
            f"the answer has {size:,} characters, more than the {LARGEST:,} a client takes",
            fix=["ask for less: a smaller limit or tail, a filter, or without include"],
        )
    return types.CallToolResult(content=[_text(lines(document))], structured_content=data)


def failure(error: OrchestrateError, request_id: str) -> types.CallToolResult:
    """An error the model can act on: code, message, why, fix, and whether to try again."""
    said = [f"error[{error.code}]: {error.message}"]
    said += [why if why.startswith(UNTRUSTED) else f"why: {why}" for why in error.why]
    said += [f"fix: {remedy}" for remedy in error.fix]
    if error.retryable:
        wait = f" after {error.retry_after_s:g}s" if error.retry_after_s else ""
        said.append(f"retryable: the same call may succeed{wait}")
    document = {
        "schema": "orchestrate.error.v1",
        "error": {**error.as_dict(), "request_id": request_id},
    }
    return types.CallToolResult(is_error=True, content=[_text(said)], structured_content=document)


def _text(said: list[str]) -> types.TextContent:
    """The lines, those from outside fenced, run by run, all with one boundary."""
    boundary = secrets.token_hex(8)
    parts: list[str] = []
    foreign: list[str] = []
    for line in [*said, ""]:
        if line.startswith(UNTRUSTED):
            foreign.append(line.removeprefix(UNTRUSTED))
            continue
        if foreign:
            parts.append(fence("\n".join(foreign), boundary))
            foreign = []
        parts.append(clean(line.replace("\n", " "), limit=LONGEST_LINE))
    return types.TextContent(type="text", text="\n".join(parts[:-1]))
