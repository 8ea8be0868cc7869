"""Notifications end to end: a real service, a real deployment, a sink that fails and recovers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pytest

from tests.support import cli
from tests.support.api import Problem
from tests.support.calendars import windows
from tests.support.real import need_program
from tests.support.service import Site, World
from tests.support.service import world as a_world
from tests.support.sinks import Hook, hook
from tests.support.waiting import eventually

pytestmark = pytest.mark.system


@pytest.fixture
def sink() -> Iterator[Hook]:
    with hook() as found:
        yield found


@pytest.fixture
def world(sink: Hook) -> Iterator[World]:
    """A service of its own: what it may ask is set where it is started."""
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    with a_world(ORCHESTRATE_ALLOW_OUTBOUND=f"127.0.0.1:{sink.port}") as found:
        for version in ("1.0.0", "1.1.0"):
            found.release(version)
        found.release("1.2.0", failing=True)
        yield found


def run(world: World, *arguments: str) -> cli.Result:
    return cli.run(*arguments, env={"ORCHESTRATE_HOME": str(world.home)})


EVERYTHING = ("started", "succeeded", "failed", "rolled_back", "rollback_failed")


def told(world: World, sink: Hook, name: str, events: Sequence[str] = EVERYTHING) -> Site:
    """An environment whose events are told to the sink."""
    webhook = {"kind": "webhook", "url": sink.url}
    notifications = [{"name": "team", "events": list(events), "sink": webhook}]
    return world.small(name, strategy={"type": "blue-green"}, notifications=notifications)


def test_a_release_that_fails_is_told_with_its_reason(world: World, sink: Hook) -> None:
    site = told(world, sink, "one")
    site.live("1.0.0")
    site.change(health={"start_timeout_s": 2, "version_header": "X-Version"})
    assert site.deploy("1.2.0").phase == "rolled_back"
    events = [(each.body["event"], each.body["to_version"]) for each in sink.wait(4)]
    assert events == [
        ("started", "1.0.0"),
        ("succeeded", "1.0.0"),
        ("started", "1.2.0"),
        ("rolled_back", "1.2.0"),
    ]
    last = sink.got[-1].body
    assert last["serving"] == "1.0.0"
    assert "did not become healthy" in last["problem"]


def test_who_wants_to_know_hears_of_what_a_freeze_kept_out_once(world: World, sink: Hook) -> None:
    site = told(world, sink, "icy", events=["frozen"])
    site.live("1.0.0")
    site.change(calendar=windows(open_now=False))
    for _ in range(3):
        with pytest.raises(Problem) as stopped:
            site.begin("1.1.0")
        assert stopped.value.code == "window_closed"
    with pytest.raises(Problem):
        site.begin("1.2.0")
    bodies = [each.body for each in sink.wait(2)]
    assert [(b["event"], b["to_version"], b["phase"]) for b in bodies] == [
        ("frozen", "1.1.0", "refused"),
        ("frozen", "1.2.0", "refused"),
    ]
    assert 'freeze "now" until' in str(bodies[0]["problem"])


def test_a_rollback_by_hand_is_told(world: World, sink: Hook) -> None:
    site = told(world, sink, "two")
    site.live("1.0.0")
    site.live("1.1.0")
    world.api.rollback("two")
    assert [each.body["event"] for each in sink.wait(6)][-1] == "rolled_back"


def test_what_a_sink_did_not_take_survives_the_service(world: World, sink: Hook) -> None:
    sink.answers = [(503, {})] * 2
    site = told(world, sink, "three")
    site.live("1.0.0")
    eventually(lambda: len(sink.got) >= 2)
    world.service.kill()
    world.service.start()
    got = sink.wait(4, within_s=90)
    events = {each.body["event"] for each in got[2:]}
    assert events == {"started", "succeeded"}
    assert len({each.headers["x-orchestrate-delivery"] for each in got}) == 2


def test_a_trial_says_whether_it_arrived(world: World, sink: Hook) -> None:
    told(world, sink, "four")
    sink.answers = [(500, {})]
    failed = run(world, "notifications", "try", "team", "--env", "four")
    assert (failed.code, "the webhook answered 5xx" in failed.out) == (1, True)
    arrived = run(world, "notifications", "try", "team", "--env", "four")
    assert arrived.code == 0
    assert "has arrived at team" in arrived.out
    listed = json.loads(run(world, "notifications", "list", "--env", "four", "--json").out)
    assert [item["state"] for item in listed["items"]] == ["sent", "waiting"]
