"""The server of one session, in memory: what must never leave it, and what is capped."""

import logging
from types import SimpleNamespace
from typing import Any, cast

import pytest
from mcp import Client

from orchestrate.core.errors import InvalidInput, RateLimited
from orchestrate.core.identity import Principal
from orchestrate.server.mcp.answers import LARGEST, answer, failure
from orchestrate.server.mcp.limits import Limits
from orchestrate.server.mcp.session import make_server
from orchestrate.tools.documents import LogDocument
from orchestrate.tools.operation import Service
from tests.support.agent import error, text_of

pytestmark = [pytest.mark.unit, pytest.mark.anyio]


class Broken:
    """A store whose every use fails, with a text that nobody outside must see."""

    def session(self) -> Any:
        raise RuntimeError("password=hunter2")


def lines(*found: str) -> LogDocument:
    return LogDocument(
        app="shop",
        environment="dev",
        deployment_id=None,
        version="1.0.0",
        untrusted_lines=list(found),
        truncated=False,
        next=[],
    )


async def test_an_unexpected_error_stays_in_the_log_under_its_number(
    caplog: pytest.LogCaptureFixture,
) -> None:
    known = SimpleNamespace(agent=lambda said, uid, user: Principal(said, user, "agent"))
    found_service = SimpleNamespace(version="1", store=Broken(), credentials=known)
    service = cast(Service, found_service)
    with caplog.at_level(logging.ERROR):
        async with Client(make_server(service, 0, Limits())) as client:
            result = await client.call_tool("get_overview", {})
    found = error(result)
    assert (found["code"], found["message"]) == ("internal", "an unexpected error")
    assert "hunter2" not in text_of(result) + str(result.structured_content)
    assert f"request {found['request_id']} failed" in caplog.text
    assert "hunter2" in caplog.text


def test_an_answer_that_no_client_takes_is_refused_with_a_remedy() -> None:
    with pytest.raises(InvalidInput) as caught:
        answer(lines("x" * LARGEST))
    assert "ask for less" in caught.value.fix[0]


def test_a_long_log_is_told_in_part_and_says_so() -> None:
    found = text_of(answer(lines(*[f"replica 0 | {n:>5} {'x' * 90}" for n in range(300)])))
    assert found.startswith("300 lines of 1.0.0 in dev, the newest ")
    assert "  299 x" in found and "    0 x" not in found
    assert len(found) < 10_000


def test_an_error_worth_another_try_says_when() -> None:
    result = failure(RateLimited("slow down", retry_after_s=5), "0badcafe")
    assert error(result)["retryable"] is True
    assert "the same call may succeed after 5s" in text_of(result)
    assert error(result)["request_id"] == "0badcafe"
