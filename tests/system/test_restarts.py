"""Restarts in order: however many, they cost a deployment nothing; and a service that only reads
begins nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from orchestrate.engine.durable import MOST_RECOVERIES
from tests.support.real import need_program
from tests.support.service import World
from tests.support.service import world as a_world
from tests.support.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

HELD = {"type": "canary", "steps": [50, 100], "analyse": {"window_s": 0, "min_requests": 10}}
"""Holds at 50 percent until somebody asks something."""


@pytest.fixture
def world() -> Iterator[World]:
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    with a_world() as found:
        for version in ("1.0.0", "1.1.0", "1.2.0"):
            found.release(version)
        yield found


@pytest.mark.attack(
    "CR08",
    "the service is ended and started again and again during a canary",
    "it goes on where it was",
)
def test_more_orderly_restarts_than_deaths_that_are_survived_undo_nothing(world: World) -> None:
    site = world.small("patient", strategy=HELD)
    site.live("1.0.0")
    held = site.begin("1.1.0").id
    eventually(lambda: site.api.get(held).text("analyse-50").startswith("hold: no data"))
    for _ in range(MOST_RECOVERIES + 3):
        before = taken_up(world, held)
        world.service.stop()
        world.service.start()
        eventually(lambda before=before: taken_up(world, held) not in (before, None))
    site.api.control(held, "promote")
    assert site.api.wait(held).phase == "succeeded"
    events = site.api.call("GET", f"/api/deployments/{held}/follow?after=0")["events"]
    assert isinstance(events, list)
    assert not [e for e in events if isinstance(e, dict) and e["state"] == "recovered"]


def test_a_service_that_only_reads_ends_what_runs_and_begins_nothing(world: World) -> None:
    site = world.small("reading", strategy={"type": "blue-green", "bake_s": 8}, when_busy="queue")
    site.live("1.0.0")
    runs = site.begin("1.1.0").id
    waits = site.begin("1.2.0").id
    world.service.stop()
    world.service.start("--read-only")
    assert site.api.wait(runs).phase == "succeeded"
    # Its end nudges the worker; were it to begin the next one, it would within its next look.
    eventually(lambda: site.api.get(runs).terminal)
    answered = [site.api.call("GET", "/api/overview") for _ in range(20)]
    assert len(answered) == 20
    assert site.api.get(waits).phase == "pending"
    world.service.stop()
    world.service.start()
    assert site.api.wait(waits).phase == "succeeded"


def taken_up(world: World, deployment: str) -> int | None:
    """How often the journal took a deployment up; None while it is not carried out."""
    with closing(sqlite3.connect(world.home / "orchestrate.db", timeout=30)) as database:
        status, attempts = database.execute(
            "SELECT status, recovery_attempts FROM workflow_status WHERE workflow_uuid = ?",
            (deployment,),
        ).fetchone()
    return int(attempts) if status == "PENDING" else None
