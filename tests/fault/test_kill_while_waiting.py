"""kill -9 of the service while a deployment waits for people: it waits on, and begins once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.approvers import Person, asked, person, register, store_of
from tests.support.real import need_program
from tests.support.service import Site, World
from tests.support.service import world as a_world
from tests.support.waiting import eventually

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]

AT_ONCE = {"type": "blue-green"}


@pytest.fixture
def world() -> Iterator[World]:
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    with a_world() as found:
        found.release("1.0.0")
        yield found


@pytest.fixture
def dana(world: World, tmp_path: Path) -> Person:
    found = person(tmp_path, "dana")
    with closing(store_of(world.home)) as store:
        register(store, found)
    return found


def restart(world: World) -> None:
    world.service.kill()
    world.service.start()


def waits(world: World, **rule: object) -> tuple[Site, str, str]:
    """A deployment that waits: its site, its id and its request."""
    site = world.small("killed", strategy=AT_ONCE, approvals=rule)
    begun = site.begin("1.0.0").id
    return site, begun, asked(world.api, begun)


def test_it_waits_on_and_begins_with_the_yes_that_comes_after(world: World, dana: Person) -> None:
    site, begun, approval = waits(world)
    before = world.api.call("GET", f"/api/approvals/{approval}")["signed"]
    for _ in range(3):
        restart(world)
        assert world.api.get(begun).phase == "awaiting_approval"
    assert world.api.call("GET", f"/api/approvals/{approval}")["signed"] == before
    dana.decide(world.api, approval)
    done = world.api.wait(begun)
    assert done.phase == "succeeded", done
    assert site.running() == {"1.0.0": 1}


def test_a_yes_that_was_given_just_before_is_not_lost(world: World, dana: Person) -> None:
    site, begun, approval = waits(world)
    dana.decide(world.api, approval)
    restart(world)
    assert world.api.wait(begun, within_s=120).phase == "succeeded"
    started = [each for each in site.effects() if each["what"] == "started"]
    assert len(started) == 1, "it began once"


def test_its_time_goes_on_while_nothing_runs(world: World) -> None:
    site, begun, approval = waits(world, expires_s=4)
    world.service.kill()
    world.service.start()
    done = world.api.wait(begun)
    assert (done.phase, done.result) == ("expired", "approval_expired")
    assert site.live_version() is None
    assert world.api.call("GET", f"/api/approvals/{approval}")["state"] == "expired"


def test_one_that_gave_way_stays_ended(world: World) -> None:
    _, begun, approval = waits(world)
    world.api.control(begun, "cancel")
    restart(world)
    eventually(lambda: world.api.get(begun).phase == "cancelled")
    assert world.api.call("GET", f"/api/approvals/{approval}")["state"] == "withdrawn"
