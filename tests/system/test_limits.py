"""Limits: what one actor, one record or one deployment does, and what it never does to others."""

from __future__ import annotations

import contextlib
import json
import resource
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from orchestrate.engine.durable import MOST_RECOVERIES
from orchestrate.store.database import Store
from tests.support import cli
from tests.support.api import Problem
from tests.support.real import need_program
from tests.support.records import deploy
from tests.support.service import World
from tests.support.service import world as a_world
from tests.support.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(240)]

AT_ONCE = {"type": "recreate"}
FATAL = """
import os
from orchestrate.core.environment import StrategyName
from orchestrate.core.protocols import Capabilities, Finding, LiveState, Restorable
from orchestrate.core.revision import Artifact


class Fatal:
    capabilities = Capabilities(strategies=frozenset(StrategyName))

    def __init__(self, environment, home, secrets):
        self.deaths = os.path.join(home, "deaths")

    def replicas(self):
        return 1

    def probe(self):
        return [Finding("fatal", True, "there")]

    def resolve(self, version):
        return Artifact(kind="word", reference=version, digest="sha256:" + "0" * 64)

    def observe(self):
        return LiveState()

    def requests(self):
        return {}

    def start(self, revision, replicas, write):
        with open(self.deaths, "a") as file:
            file.write("x")
        os._exit(9)

    def scale(self, revision, replicas, write):
        pass

    def route(self, shares, fallback, write):
        pass

    def stop(self, revision, write):
        pass

    def restorable(self, revision):
        return Restorable(ok=True)

    def logs(self, revision, tail, grep=None):
        return iter(())
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A service of its own, with a provider whose `start` takes the process with it."""
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    (tmp_path / "fatal.py").write_text(FATAL, encoding="utf-8")
    metadata = tmp_path / "fatal-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: fatal\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[orchestrate.providers]\nfatal = fatal:Fatal\n")
    with a_world(PYTHONPATH=str(tmp_path)) as found:
        for version in ("1.0.0", "1.1.0"):
            found.release(version)
        yield found


@pytest.mark.attack("DO01", "2,000 deployments of one actor wait for their turn", "others start")
def test_many_that_wait_in_one_environment_keep_no_other_waiting(world: World) -> None:
    crowded = world.small("crowded", strategy=AT_ONCE)
    free = world.small("free", strategy=AT_ONCE)
    crowded.live("1.0.0")
    world.service.stop()
    with closing(Store(f"sqlite:///{world.home / 'orchestrate.db'}")) as store:
        with store.session() as session:
            for _ in range(2000):
                deploy(session, 1, "1.1.0", taken=False)
    world.service.start()
    assert free.deploy("1.0.0").phase == "succeeded"
    assert free.serves() == "1.0.0"


@pytest.mark.attack("DO02", "the record of one environment is spoiled", "the others go on")
def test_a_spoiled_record_is_the_affair_of_its_environment_alone(world: World) -> None:
    sick = world.small("sick", strategy=AT_ONCE)
    well = world.small("well", strategy=AT_ONCE)
    for site in (sick, well):
        site.live("1.0.0")
    with closing(sqlite3.connect(world.home / "orchestrate.db")) as database, database:
        spoiled = json.dumps({"type": 7, "steps": "none"})
        database.execute("UPDATE environments SET strategy = ? WHERE name = 'sick'", (spoiled,))
    for _ in range(3):
        world.service.kill()
        world.service.start()
    shown = {row["name"]: row for row in world.api.call("GET", "/api/overview")["items"]}
    assert (shown["sick"]["health"], shown["well"]["health"]) == ("unknown", "healthy")
    with pytest.raises(Problem) as refused:
        sick.begin("1.1.0")
    assert refused.value.code == "store_damaged"
    assert well.deploy("1.1.0").phase == "succeeded"
    assert (sick.serves(), well.serves()) == ("1.0.0", "1.1.0")


@pytest.mark.attack(
    "DO03", "a deployment that takes the process with it each time", "undone and told, not for ever"
)
def test_a_deployment_that_kills_the_service_each_time_is_undone_after_some(world: World) -> None:
    world.api.set(
        {
            "app": "shop",
            "name": "fatal",
            "type": "dev",
            "provider": "fatal",
            "url": "http://127.0.0.1:9",
            "strategy": {"type": "recreate"},
        }
    )
    well = world.small("well", strategy=AT_ONCE)
    with contextlib.suppress(OSError):
        world.api.begin("fatal", "1.0.0")
    deaths = world.home / "deaths"
    assert world.service.process is not None
    world.service.process.wait(timeout=60)
    while len(deaths.read_text()) <= 2 * MOST_RECOVERIES and not _outlives(world):
        pass
    ended = world.api.wait("d1")
    assert ended.phase == "rolled_back"
    assert len(deaths.read_text()) <= MOST_RECOVERIES + 2
    assert well.deploy("1.0.0").phase == "succeeded"


@pytest.mark.attack("DO07", "600 connections that say nothing", "others are answered")
@pytest.mark.attack("DO08", "no file handles are left", "it recovers, and nothing is spoiled")
def test_without_handles_it_recovers_and_nothing_is_spoiled(world: World) -> None:
    site = world.small("narrow", strategy=AT_ONCE)
    site.live("1.0.0")
    before = resource.prlimit(world.service.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(world.service.pid, resource.RLIMIT_NOFILE, (120, before[1]))
    idle: list[socket.socket] = []
    try:
        for _ in range(600):
            link = socket.socket(socket.AF_UNIX)
            link.settimeout(0.05)
            idle.append(link)
            with contextlib.suppress(OSError):
                link.connect(str(world.home / "run" / "api.sock"))
    finally:
        for link in idle:
            link.close()
    eventually(world.api.alive, within_s=60)
    assert site.deploy("1.1.0").phase == "succeeded"
    assert site.serves() == "1.1.0"
    resource.prlimit(world.service.pid, resource.RLIMIT_NOFILE, before)
    verified = cli.run("audit", "verify", env={"ORCHESTRATE_HOME": str(world.home)})
    assert verified.code == 0, verified


def _outlives(world: World) -> bool:
    """Start the service; whether the deployment ends before the service does."""
    process = world.service.spawn()

    def settled() -> bool:
        with contextlib.suppress(OSError, Problem):
            if world.api.get("d1").terminal:
                return True
        return process.poll() is not None

    eventually(settled, within_s=60)
    return process.poll() is None
