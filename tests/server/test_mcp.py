"""The MCP door, as agents meet it: through the shim with the SDK's client, in both eras."""

import contextlib
import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import MCPError

from orchestrate import prompts
from orchestrate.server.mcp.limits import MCP_TOOLS
from tests.support.agent import (
    HELLO,
    MODES,
    READY,
    Mode,
    agent,
    bare,
    call,
    document,
    error,
    piped,
    text_of,
)
from tests.support.service import World
from tests.support.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.anyio]

SNAPSHOTS = Path(__file__).parents[1] / "tools" / "snapshots"
every_mode = pytest.mark.parametrize("mode", MODES)


def connected(world: World) -> int:
    """Sessions that are open now, by the service's own sockets."""
    path = str(world.home / "run" / "mcp.sock")
    lines = Path("/proc/net/unix").read_text(encoding="utf-8").splitlines()
    # The listening socket is the one whose flags say so.
    return sum(line.endswith(path) and " 00010000 " not in line for line in lines)


def log(world: World) -> str:
    return (world.home / "service.log").read_text(encoding="utf-8")


@every_mode
@pytest.mark.attack(
    "AG06", "the list changes with the era of the protocol, or between calls", "it does not"
)
async def test_the_list_is_the_committed_one_in_every_era(world: World, mode: Mode) -> None:
    async with agent(world.home, mode=mode) as client:
        assert client.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28")
        listed = (await client.list_tools()).tools
        if mode != "2026-07-28":  # a client that pins the era does not ask who the server is
            assert client.instructions == prompts.load(prompts.INSTRUCTIONS)
    assert [tool.name for tool in listed] == [tool.name for tool in MCP_TOOLS]
    for tool in listed:
        committed = json.loads((SNAPSHOTS / f"{tool.name}.json").read_text(encoding="utf-8"))
        assert tool.model_dump(mode="json", by_alias=True, exclude_none=True) == committed


@every_mode
async def test_the_prompts_are_listed_and_filled_in(world: World, mode: Mode) -> None:
    async with agent(world.home, mode=mode) as client:
        listed = (await client.list_prompts()).prompts
        got = await client.get_prompt("deploy", {"environment": "dev", "version": "1.0.0"})
    assert tuple(prompt.name for prompt in listed) == prompts.names()
    (message,) = got.messages
    assert message.role == "user"
    assert "Deploy version 1.0.0 to the environment dev." in message.content.text  # type: ignore[union-attr]


@every_mode
@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("deplo", {}, "did you mean deploy?"),
        ("deploy", {"environment": "dev"}, "missing: version"),
        ("deploy", {"environment": "dev", "version": "1", "name": "x"}, "not known: name"),
    ],
)
async def test_a_wrong_prompt_is_told_and_not_an_internal_error(
    world: World, mode: Mode, name: str, arguments: dict[str, str], said: str
) -> None:
    async with agent(world.home, mode=mode) as client:
        with pytest.raises(MCPError) as caught:
            await client.get_prompt(name, arguments)
    assert caught.value.error.code == -32602
    assert said in caught.value.error.message


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize(
    ("tool", "arguments", "code", "said"),
    [
        ("get_enviroment", {}, "invalid_input", "did you mean get_environment?"),
        ("rm_rf", {}, "invalid_input", "tools are: get_overview"),
        ("get_service", {}, "invalid_input", "there is no tool 'get_service'"),
        ("get_environment", {"enviroment": "x"}, "invalid_input", "did you mean environment?"),
        ("get_environment", {}, "invalid_input", "environment is missing"),
        ("get_environment", {"environment": 7}, "invalid_input", "valid string"),
        (
            "get_environment",
            {"environment": "x", "include": ["all"]},
            "invalid_input",
            "include.0: input should be 'settings'",
        ),
        ("wait_deployment", {"deployment": "d1", "timeout_s": 51}, "invalid_input", "50"),
        ("get_environment", {"environment": "nowhere"}, "unknown_environment", "nowhere"),
        ("get_deployment", {"deployment": "d9999"}, "unknown_deployment", "d9999"),
        ("get_deployment", {"deployment": "d" + "9" * 30}, "unknown_deployment", "d999"),
        ("list_deployments", {"cursor": "9" * 30}, "invalid_input", "is not a cursor"),
        ("start_deployment", {"plan": "0" * 12}, "unknown_plan", "0000"),
        ("start_deployment", {"plan": "x", "confirmed": True}, "invalid_input", "not an argument"),
        ("get_logs", {}, "invalid_input", "name an environment or a deployment"),
    ],
)
async def test_a_wrong_call_is_a_result_the_model_can_act_on(
    world: World, mode: Mode, tool: str, arguments: dict[str, Any], code: str, said: str
) -> None:
    async with agent(world.home, mode=mode) as client:
        result = await client.call_tool(tool, arguments)
    found = error(result)
    assert found["code"] == code
    assert found["retryable"] is False
    assert said in text_of(result)
    assert text_of(result).startswith(f"error[{code}]: {found['message']}")
    assert all(line in text_of(result) for line in [*found["why"], *found["fix"]])
    assert "Traceback" not in text_of(result) and "pydantic" not in text_of(result)


@every_mode
async def test_reading_only_takes_tools_away_and_refuses_them(world: World, mode: Mode) -> None:
    async with agent(world.home, "--read-only", mode=mode) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        result = await client.call_tool("rollback", {"environment": "dev"})
        allowed = await client.call_tool("get_overview", {})
    assert "rollback" not in names and "get_overview" in names
    assert error(result)["code"] == "read_only"
    assert "--read-only" in text_of(result)
    assert document(allowed)["schema"] == "orchestrate.overview.v1"


async def test_toolsets_take_tools_away_and_refuse_them(world: World) -> None:
    async with agent(world.home, "--toolsets", "deploy") as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        result = await client.call_tool("get_overview", {})
    assert names == {
        "plan_deployment",
        "start_deployment",
        "control_deployment",
        "request_approval",
        "rollback",
    }
    assert error(result)["code"] == "read_only"
    assert "--toolsets deploy" in text_of(result)


async def test_a_toolset_that_does_not_exist_is_told_and_nothing_works(world: World) -> None:
    async with agent(world.home, "--toolsets", "reed") as client:
        with pytest.raises(MCPError) as caught:
            await client.list_tools()
        result = await client.call_tool("get_overview", {})
    assert "did you mean read?" in caught.value.error.message
    assert "there is no toolset 'reed'" in error(result)["message"]


async def test_who_asks_is_recorded_and_cannot_forge_a_line(world: World) -> None:
    site = world.small("who", strategy={"type": "recreate"})
    async with agent(world.home, name="claude\nroot \x1b[31m\u202e" + "x" * 200) as client:
        plan = document(
            await client.call_tool("plan_deployment", {"environment": "who", "version": "1.0.0"})
        )
        started = document(
            await client.call_tool(
                "start_deployment", {"plan": plan["digest"], "reason": "asked to"}
            )
        )
    done = site.api.wait(started["id"]).document
    by: Any = done["requested_by"]
    assert by["actor"].startswith("claude root xxx")
    assert len(by["actor"]) == 60 and by["actor"].isprintable()
    assert by["on_behalf_of"] == started["requested_by"]["on_behalf_of"] == "root"
    assert done["reason"] == "asked to"


async def test_many_sessions_at_once_each_get_their_own_answers(world: World) -> None:
    answers: dict[int, str] = {}

    async def ask(number: int) -> None:
        async with agent(world.home, mode=MODES[number % 2]) as client:
            for _ in range(3):
                result = await client.call_tool(
                    "get_deployment", {"deployment": f"d{900 + number}"}
                )
                answers[number] = error(result)["message"]

    async with anyio.create_task_group() as group:
        for number in range(6):
            group.start_soon(ask, number)
    assert answers == {n: f"there is no deployment 'd{900 + n}'" for n in range(6)}
    eventually(lambda: connected(world) == 0)


def test_a_client_that_goes_away_with_its_answers_unread_is_no_failure(world: World) -> None:
    for _ in range(30):
        with bare(world.home) as link:
            link.send(HELLO, READY)
            link.receive()
            link.send(*[{"jsonrpc": "2.0", "id": n, "method": "tools/list"} for n in range(2, 30)])
    eventually(lambda: connected(world) == 0)
    assert "a session failed" not in log(world)


def test_standard_output_is_messages_and_nothing_else(world: World) -> None:
    said = [HELLO, READY, {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}]
    done = piped(world.home, b"".join(json.dumps(each).encode() + b"\n" for each in said))
    assert done.returncode == 0
    assert done.stderr == b""
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(line["jsonrpc"] == "2.0" for line in lines)
    assert {line["id"] for line in lines} == {1, 2}


def test_what_was_asked_before_the_end_of_input_is_answered(world: World) -> None:
    with bare(world.home) as link:
        link.send(HELLO, READY, *[call(n, "get_overview") for n in range(2, 8)])
        link.half_close()
        answers = list(iter(link.receive, None))
    assert sorted(found["id"] for found in answers if found) == list(range(1, 8))
    assert all("result" in found for found in answers if found)


def test_a_client_that_goes_away_in_mid_call_does_no_harm(world: World) -> None:
    site = world.small("gone", strategy={"type": "recreate"})
    plan = world.api.plan("gone", "1.0.0")["digest"]
    before = log(world).count("ERROR")
    with bare(world.home) as link:
        link.send(HELLO, READY)
        link.answer(1)
        link.send(call(2, "start_deployment", plan=plan))
    newest = eventually(lambda: site.api.history("gone"))[0]
    assert site.api.wait(str(newest["id"])).phase == "succeeded"
    for _ in range(3):
        with bare(world.home) as link:
            link.send(HELLO, READY, call(2, "get_overview"), call(3, "get_overview"))
    eventually(lambda: connected(world) == 0)
    assert log(world).count("ERROR") == before
    assert site.live_version() == "1.0.0"


@pytest.mark.parametrize(
    "noise", [b"", b"hello", b"[]", b'{"jsonrpc": "2.0"}', b"\xff\x00{", b"null"]
)
def test_a_line_that_is_no_message_is_survived(world: World, noise: bytes) -> None:
    with bare(world.home) as link:
        link.send(HELLO, READY)
        link.answer(1)
        link.send(noise, call(2, "get_overview"))
        assert link.answer(2)["result"]["structuredContent"]["schema"] == "orchestrate.overview.v1"


def test_a_line_without_end_ends_its_session_alone(world: World) -> None:
    with bare(world.home) as link:
        link.send(HELLO, READY)
        link.answer(1)
        with contextlib.suppress(ConnectionError):  # closed with the rest of it unread
            link.send(b"x" * (9 * 1024 * 1024))
            assert link.receive() is None
    assert "longer than this service reads" in log(world)
    assert world.api.alive()


@pytest.mark.parametrize(
    "first",
    [
        {"orchestrate": {"read_only": True, "sudo": True}},
        {"orchestrate": []},
        {"orchestrate": {"toolsets": "read"}},
    ],
)
def test_options_that_are_not_understood_open_no_session(world: World, first: Any) -> None:
    with bare(world.home) as link:
        link.send(first)
        assert link.receive() is None
    assert "options of this session are not understood" in log(world)
