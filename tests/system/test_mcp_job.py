"""The whole job by an agent: the shim starts the service, and everything goes through MCP.

The client is the SDK's own, over standard input and output, in both eras of the protocol.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from tests.support import processes
from tests.support.agent import MODES, Mode, agent, document, error, text_of
from tests.support.api import Api
from tests.support.local import ask
from tests.support.ports import free_port
from tests.support.real import need_program
from tests.support.service import Service, World, end_all

pytestmark = [pytest.mark.system, pytest.mark.anyio]

CANARY = {
    "type": "canary",
    "steps": [50, 100],
    "analyse": {"window_s": 0.5, "min_requests": 0},
    "bake_s": 0,
    "drain_s": 5,
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def started_home(home: Path) -> Iterator[Path]:
    """A home in which nothing runs yet; what the shim starts in it is ended after."""
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    yield home
    end_all(home)


async def done(client: Client, tool: str, **arguments: object) -> dict[str, Any]:
    return document(await client.call_tool(tool, arguments))


@pytest.mark.parametrize("mode", MODES)
async def test_an_agent_does_the_whole_job(started_home: Path, mode: Mode) -> None:
    told: list[tuple[float, float | None, str | None]] = []

    async def progress(now: float, of: float | None, what: str | None) -> None:
        told.append((now, of, what))

    async with agent(started_home, mode=mode) as client:
        assert (await done(client, "get_overview"))["items"] == []
        url = set_up(started_home)

        checked = await done(client, "validate", environment="dev", version="1.0.0")
        assert checked["ready"], checked
        plan = await done(client, "plan_deployment", environment="dev", version="1.0.0")
        first = await done(client, "start_deployment", plan=plan["digest"])
        first = await done(client, "wait_deployment", deployment=first["id"])
        assert first["summary"] == "dev serves 1.0.0", Service(started_home).complaints()
        assert ask(url).version == "1.0.0"

        plan = await done(client, "plan_deployment", environment="dev", version="1.1.0")
        assert plan["rollback"]["version"] == "1.0.0"
        started = await done(client, "start_deployment", plan=plan["digest"][7:19])
        again = await done(client, "start_deployment", plan=plan["digest"])
        assert again["id"] == started["id"]
        result = await client.call_tool(
            "wait_deployment", {"deployment": started["id"]}, progress_callback=progress
        )
        ended = document(result)
        assert (ended["phase"], ended["serving"]["version"]) == ("succeeded", "1.1.0")
        assert text_of(result).startswith(
            f"{started['id']} succeeded: dev serves 1.1.0, was 1.0.0 ("
        )
        assert ask(url).version == "1.1.0"

        status = await done(client, "get_environment", environment="dev")
        assert (status["live"]["version"], status["health"]) == ("1.1.0", "healthy")
        assert status["weights_percent"] == {"1.1.0": 100}
        assert status["live"]["by"]["actor"] == "claude-code"

        back = await done(client, "rollback", environment="dev", reason="it was a drill")
        back = await done(client, "wait_deployment", deployment=back["id"])
        assert back["summary"] == "dev serves 1.0.0 again"
        assert back["undoes"] == started["id"]
        assert ask(url).version == "1.0.0"

        history = await done(client, "list_deployments", environment="dev")
        assert [row["kind"] for row in history["items"]] == ["rollback", "deploy", "deploy"]

    steps = [now for now, _, _ in told]
    assert steps == sorted(set(steps)), "progress only grows"
    assert steps[-1] == told[-1][1] == len(ended["steps"])
    assert len(told) >= 3 and all(what for _, _, what in told)


async def test_production_is_left_to_a_person(started_home: Path) -> None:
    async with agent(started_home) as client:
        await done(client, "get_overview")
        set_up(started_home, type="production")
        plan = await done(client, "plan_deployment", environment="dev", version="1.0.0")
        assert plan["needs_confirmation"]
        result = await client.call_tool("start_deployment", {"plan": plan["digest"]})
        history = await done(client, "list_deployments")
    found = error(result)
    assert found["code"] == "confirmation_needed"
    assert found["fix"][0].startswith("a person runs: orchestrate deploy --env dev --version 1.0.0")
    assert history["items"] == []


async def test_a_deployment_outlives_the_client_that_asked_for_it(started_home: Path) -> None:
    async with agent(started_home) as client:
        await done(client, "get_overview")
        set_up(started_home)
        plan = await done(client, "plan_deployment", environment="dev", version="1.0.0")
        started = await done(client, "start_deployment", plan=plan["digest"])
    assert not [left for left in processes.of_home(started_home) if " mcp" in left.command]
    async with agent(started_home, mode="legacy") as other:
        ended = await done(other, "wait_deployment", deployment=started["id"])
    assert ended["phase"] == "succeeded"


def set_up(home: Path, **settings: object) -> str:
    """As a person does: two versions and an environment. Its address."""
    world = World(home, Service(home), Api(home), home / "source")
    for version in ("1.0.0", "1.1.0"):
        world.release(version)
    url = f"http://127.0.0.1:{free_port()}"
    world.small("dev", strategy=CANARY, url=url, **settings)
    return url
