"""The main job with PostgreSQL as the store: the same code, another URL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import cli
from tests.support.postgres import postgres
from tests.support.real import need_program
from tests.support.service import World
from tests.support.service import world as a_world
from tests.support.waiting import eventually

pytestmark = pytest.mark.system

HELD = {"type": "canary", "steps": [50, 100], "analyse": {"window_s": 0, "min_requests": 10_000}}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    with postgres() as server, a_world(ORCHESTRATE_DATABASE_URL=server.database()) as found:
        for version in ("1.0.0", "1.1.0"):
            found.release(version)
        yield found


def test_a_canary_and_a_rollback(world: World) -> None:
    site = world.small("canary", strategy=HELD)
    site.live("1.0.0")
    begun = site.begin("1.1.0")
    eventually(lambda: site.api.get(begun.id).text("analyse-50").startswith("hold"))
    site.api.control(begun.id, "promote")
    assert site.api.wait(begun.id).serving == "1.1.0"
    assert site.api.wait(site.api.rollback(site.name).id).serving == "1.0.0"
    assert site.running() == {"1.0.0": 1}
    assert world.api.call("GET", "/api/service")["store"] == "postgresql"


def test_a_killed_service_goes_on_where_it_was(world: World) -> None:
    site = world.small("killed", strategy=HELD)
    site.live("1.0.0")
    begun = site.begin("1.1.0")
    eventually(lambda: site.api.get(begun.id).text("analyse-50").startswith("hold"))
    world.service.kill()
    world.service.start()
    site.api.control(begun.id, "promote")
    done = site.api.wait(begun.id)
    assert (done.phase, done.serving) == ("succeeded", "1.1.0")
    numbers = [entry["number"] for entry in site.applied()]
    assert len(numbers) == len(set(numbers)), "each document was written once"


def test_one_that_waits_runs_when_the_first_has_ended(world: World) -> None:
    world.release("2.0.0")
    site = world.small("busy", strategy={**HELD, "type": "blue-green"}, when_busy="queue")
    site.live("1.0.0")
    first, second = site.begin("1.1.0"), site.begin("2.0.0")
    ended = site.api.wait(first.id)
    assert ended.serving == "1.1.0", ended
    assert site.api.wait(second.id).serving == "2.0.0"


def test_many_at_once_hinder_one_another_in_nothing(world: World) -> None:
    names = [f"crowd{number}" for number in range(4)]
    sites = [world.small(name, strategy={"type": "recreate"}) for name in names]
    for site in sites:
        site.live("1.0.0")
    for version in ("1.1.0", "1.0.0", "1.1.0"):
        begun = [(site, site.begin(version).id) for site in sites]
        ended = [(site.name, site.api.wait(deployment)) for site, deployment in begun]
        assert [(name, d.phase, d.error) for name, d in ended if d.phase != "succeeded"] == []
    home = {"ORCHESTRATE_HOME": str(world.home), **world.service.environment}
    verified = cli.run("audit", "verify", env=home)
    assert verified.code == 0, verified
