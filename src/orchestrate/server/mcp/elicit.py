"""Carrying a link to a person through the client, where it can open one (URL elicitation).

That a person opened the page, or that the client says so, approves nothing: the page asks who they
are. A client without that door gives its model the same in words.
"""

import logging
from typing import Any

import anyio
import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError

from orchestrate.server.mcp.tasks import ERA
from orchestrate.tools.approval_documents import AskedDocument

log = logging.getLogger(__name__)
LOOKED_FOR_S = 20.0
"""How long an answer waits for a person to look at the link."""
OPEN = "approval"

Request = ServerRequestContext[Any]


async def carry(
    context: Request, params: types.CallToolRequestParams, document: AskedDocument
) -> types.InputRequiredResult | None:
    """Have the client show the link. An answer to give first, in the era that asks so; whatever the
    client says of it changes nothing."""
    if document.url is None or not _opens_links(context):
        return None
    if context.session.protocol_version >= ERA:
        if params.input_responses is not None or params.request_state is not None:
            return None  # it was shown already
        asked = types.ElicitRequest(params=_link(document, document.url))
        return types.InputRequiredResult(
            input_requests={OPEN: asked}, request_state=document.approval_id
        )
    with anyio.move_on_after(LOOKED_FOR_S):
        try:
            await context.session.elicit_url(
                document.summary,
                document.url,
                document.approval_id,
                related_request_id=context.request_id,
            )
        except MCPError as refused:
            log.info("a client did not show a link: %s", refused)
    return None


def _opens_links(context: Request) -> bool:
    declared = context.session.client_capabilities
    return bool(declared and declared.elicitation and declared.elicitation.url)


def _link(document: AskedDocument, url: str) -> types.ElicitRequestURLParams:
    return types.ElicitRequestURLParams(message=document.summary, url=url)
