"""A client that goes away in the middle of its request is no failure of the service."""

import logging
from typing import cast

import pytest
from starlette.types import Message, Scope

from orchestrate.core.identity import Principal, Role
from orchestrate.server.http import PRINCIPAL
from orchestrate.server.rest import rest_app
from orchestrate.tools.operation import Service

pytestmark = [pytest.mark.unit, pytest.mark.anyio]


async def test_nobody_is_alarmed_by_half_a_request(caplog: pytest.LogCaptureFixture) -> None:
    said: list[Message] = [
        {"type": "http.request", "body": b'{"environment": ', "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return said.pop(0)

    async def send(message: Message) -> None:
        pass

    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/plans",
        "query_string": b"",
        "headers": [],
        PRINCIPAL: Principal("ann", "ann", roles=frozenset({Role.DEPLOYER})),
    }
    with caplog.at_level(logging.INFO):
        await rest_app(cast(Service, None), lambda: None)(scope, receive, send)
    assert said == []
    assert caplog.records == []
