"""Waiting as a task: for a client that declares the extension, and for no other."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from orchestrate.tools.documents import DeploymentDocument
from tests.support.agent import HELLO, READY, Bare, Json, bare, call
from tests.support.service import World
from tests.support.waiting import eventually

pytestmark = pytest.mark.system

TASKS = "io.modelcontextprotocol/tasks"


class Modern:
    """Requests of the sessionless era, each with its envelope."""

    def __init__(self, link: Bare, *, declares: bool = True) -> None:
        self._link = link
        self._number = 0
        self._meta = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "bare", "version": "0"},
            "io.modelcontextprotocol/clientCapabilities": {
                "extensions": {TASKS: {}} if declares else {}
            },
        }

    def ask(self, method: str, **params: Any) -> Json:
        """The whole answer."""
        self._number += 1
        said = {"jsonrpc": "2.0", "id": self._number, "method": method}
        self._link.send({**said, "params": {**params, "_meta": self._meta}})
        return self._link.answer(self._number)

    def wait(self, **arguments: object) -> Json:
        found: Json = self.ask("tools/call", name="wait_deployment", arguments=arguments)["result"]
        return found


@pytest.fixture
def baking(world: World) -> Iterator[str]:
    """A deployment that goes on until it is promoted or cancelled."""
    name = "tasked"
    site = world.small(name, strategy={"type": "blue-green", "bake_s": 600})
    if site.live_version() is None:
        site.deploy("1.0.0", strategy="recreate")
    started = world.api.begin(name, "1.1.0").id
    yield started
    if not world.api.get(started).terminal:
        world.api.control(started, "cancel")
        world.api.wait(started)


@contextmanager
def modern(world: World, *, declares: bool = True) -> Iterator[Modern]:
    with bare(world.home) as link:
        yield Modern(link, declares=declares)


def test_the_extension_is_offered(world: World) -> None:
    with modern(world) as client:
        found = client.ask("server/discover")["result"]
    assert TASKS in found["capabilities"]["extensions"]


def test_a_wait_becomes_a_task_that_ends_with_the_deployment(world: World, baking: str) -> None:
    with modern(world) as client:
        task = client.wait(deployment=baking)
        assert (task["resultType"], task["taskId"], task["status"]) == ("task", baking, "working")
        assert task["pollIntervalMs"] > 0
        assert client.ask("tasks/get", taskId=baking)["result"]["status"] == "working"
    # Another session, as after a restart of the client: the task is the record.
    with modern(world) as client:
        assert client.ask("tasks/cancel", taskId=baking)["result"]["resultType"] == "complete"
        assert not world.api.get(baking).terminal, "cancelling a task ends the waiting alone"
        world.api.control(baking, "cancel")

        def completed() -> Json | None:
            found: Json = client.ask("tasks/get", taskId=baking)["result"]
            return found if found["status"] != "working" else None

        ended = eventually(completed)
        assert ended["status"] == "completed"
        document = ended["result"]["structuredContent"]
        assert document["terminal"] is True
        schema = DeploymentDocument.model_json_schema(mode="serialization", by_alias=True)
        Draft202012Validator(schema).validate(document)
        assert client.wait(deployment=baking)["structuredContent"] == document


def test_who_says_how_long_or_declares_nothing_gets_the_plain_answer(
    world: World, baking: str
) -> None:
    with modern(world) as client:
        found = client.wait(deployment=baking, timeout_s=0)
        assert (found["resultType"], found["structuredContent"]["id"]) == ("complete", baking)
    with modern(world, declares=False) as client:
        found = client.wait(deployment=baking, timeout_s=0.1)
        assert (found["resultType"], found["structuredContent"]["id"]) == ("complete", baking)


def test_a_task_nobody_has_is_told(world: World) -> None:
    with modern(world) as client:
        answer = client.ask("tasks/get", taskId="d424242")
        assert answer["error"]["code"] == -32602
        assert "d424242" in answer["error"]["message"]
        assert client.wait(deployment="d424242")["isError"] is True


def test_the_handshake_era_has_no_tasks(world: World) -> None:
    hello = {**HELLO, "params": {**HELLO["params"], "capabilities": {"extensions": {TASKS: {}}}}}
    with bare(world.home) as link:
        link.send(hello, READY)
        link.answer(1)
        link.send({"jsonrpc": "2.0", "id": 2, "method": "tasks/get", "params": {"taskId": "d1"}})
        assert link.answer(2)["error"]["code"] == -32601
        link.send(call(3, "wait_deployment", deployment="d424242"))
        assert link.answer(3)["result"]["isError"] is True
