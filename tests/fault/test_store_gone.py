"""The database goes away in the middle of a deployment, and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support import cli
from tests.support.api import Problem
from tests.support.postgres import Postgres, postgres
from tests.support.real import need_program
from tests.support.service import World
from tests.support.service import world as a_world
from tests.support.waiting import eventually

pytestmark = [pytest.mark.fault, pytest.mark.timeout(240)]

HELD = {"type": "canary", "steps": [50, 100], "analyse": {"window_s": 0, "min_requests": 10_000}}


@pytest.fixture
def server() -> Iterator[Postgres]:
    with postgres() as found:
        yield found


@pytest.fixture
def world(server: Postgres) -> Iterator[World]:
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    with a_world(ORCHESTRATE_DATABASE_URL=server.database()) as found:
        for version in ("1.0.0", "1.1.0"):
            found.release(version)
        yield found


@pytest.mark.attack(
    "CF06",
    "PostgreSQL goes away in the middle of a deployment, and comes back",
    "it waits, and goes on by itself",
)
def test_a_deployment_goes_on_once_the_database_is_back_and_nobody_starts_anything(
    world: World, server: Postgres
) -> None:
    site = world.small("canary", strategy=HELD)
    site.live("1.0.0")
    begun = site.begin("1.1.0")
    eventually(lambda: site.api.get(begun.id).text("analyse-50").startswith("hold"))
    before = world.service.pid
    server.stop()
    eventually(lambda: "waiting for the database" in world.service.complaints())
    assert {site.serves() for _ in range(20)} == {"1.0.0", "1.1.0"}, "what serves goes on"
    server.start()
    eventually(site.api.alive, within_s=60)
    assert world.service.pid == before, "whoever supervises it sees one process"
    site.api.control(begun.id, "promote")
    done = site.api.wait(begun.id)
    assert (done.phase, done.serving) == ("succeeded", "1.1.0")
    numbers = [entry["number"] for entry in site.applied()]
    assert len(numbers) == len(set(numbers)), "each document was written once"
    verified = cli.run("audit", "verify", env=surroundings(world))
    assert verified.code == 0, verified


def test_who_asks_meanwhile_is_told_that_the_database_does_not_answer(
    world: World, server: Postgres
) -> None:
    site = world.small("asked", strategy={"type": "recreate"})
    site.live("1.0.0")
    server.stop()
    codes: set[str] = set()

    def closed() -> bool:
        with suppress(OSError):
            try:
                site.api.environment(site.name)
            except Problem as refused:
                codes.add(refused.code)
                return False
        return not (world.home / "run" / "api.sock").exists()

    eventually(closed)
    assert codes <= {"store_unreachable"}
    eventually(lambda: (world.home / "run" / "waiting").exists())
    env = {**surroundings(world), "ORCHESTRATE_NO_AUTOSTART": ""}
    asked = cli.run("deploy", "status", "--env", "asked", env=env)
    assert asked.code == 1
    assert "the service waits for its database" in asked.err, asked


def test_a_service_that_finds_no_database_says_so_and_ends(tmp_path: Path) -> None:
    env = {
        "ORCHESTRATE_HOME": str(tmp_path),
        "ORCHESTRATE_DATABASE_URL": f"postgresql://postgres@/none?host={tmp_path}",
    }
    found = cli.run("serve", env=env)
    assert (found.code, "error[store_unreachable]" in found.err) == (1, True), found
    assert str(tmp_path) in found.err, "where it was looked for"


def surroundings(world: World) -> dict[str, str]:
    return {"ORCHESTRATE_HOME": str(world.home), **world.service.environment}
