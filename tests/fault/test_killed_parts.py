"""Parts of a running environment are killed or frozen: it serves on, or again, without a word."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrate.providers.processes.program import Program
from tests.support import processes
from tests.support.real import need_program
from tests.support.service import Service, Site, World, end_all, kill
from tests.support.service import world as a_world
from tests.support.waiting import eventually

pytestmark = pytest.mark.fault

HELD = {"type": "canary", "steps": [50, 100], "analyse": {"window_s": 0, "min_requests": 10_000}}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    with a_world() as found:
        for version in ("1.0.0", "1.1.0"):
            found.release(version)
        yield found


@pytest.fixture
def site(world: World, request: pytest.FixtureRequest) -> Site:
    """1.0.0 live, in an environment of the test's own."""
    name = str(request.node.name).removeprefix("test_").replace("_", "-")[:40]
    found = world.small(name, strategy={"type": "blue-green"})
    found.live("1.0.0")
    return found


class TestTraefik:
    def test_killed_serves_again_on_the_same_port(self, site: Site) -> None:
        before = one(traefik(site))
        kill(before)
        eventually(lambda: answers(site) == "1.0.0")
        assert one(traefik(site)) != before

    def test_killed_with_its_supervisor_serves_again(self, site: Site) -> None:
        for pid in (*supervisors(edge(site)), *traefik(site)):
            kill(pid)
        eventually(lambda: answers(site) == "1.0.0")

    def test_killed_in_the_middle_of_a_canary_serves_both_again(self, site: Site) -> None:
        site.change(strategy=HELD)
        begun = site.begin("1.1.0")
        eventually(lambda: site.api.get(begun.id).text("analyse-50").startswith("hold"))
        kill(one(traefik(site)))
        eventually(lambda: {answers(site) for _ in range(10)} == {"1.0.0", "1.1.0"})
        site.api.control(begun.id, "promote")
        assert site.api.wait(begun.id).serving == "1.1.0"


class TestASupervisor:
    def test_killed_leaves_its_replicas_serving_and_is_followed_by_another(
        self, site: Site
    ) -> None:
        replica = one(replicas(site))
        before = one(supervisors(site.directory))
        kill(before)
        assert site.serves() == "1.0.0"
        after = eventually(lambda: supervisor(site))
        assert after != before
        assert replicas(site) == [replica], "adopted, not started again"
        kill(replica)
        eventually(lambda: answers(site) == "1.0.0")
        assert supervisor(site) == after
        started = [e for e in site.effects() if e["what"] == "started"]
        assert len(started) == 2

    @pytest.mark.attack("CR09", "a replica and who keeps it are killed together", "both come back")
    def test_killed_with_its_replica_is_followed_by_both(self, site: Site) -> None:
        for pid in (*supervisors(site.directory), *replicas(site)):
            kill(pid)
        eventually(lambda: answers(site) == "1.0.0")
        assert len(replicas(site)) == 1


@pytest.mark.attack(
    "CR08", "the machine restarts", "what was live serves again once the service starts"
)
def test_everything_killed_serves_again_once_the_service_starts(world: World) -> None:
    site = world.small("reboot", strategy={"type": "blue-green"})
    site.live("1.0.0")
    end_all(world.home, world.service)
    assert answers(site) is None
    world.service.start()
    eventually(lambda: answers(site) == "1.0.0")
    assert len(replicas(site)) == 1


@pytest.mark.attack(
    "CF01",
    "a service freezes in a canary and another takes over",
    "the frozen one is ended first; each write once",
)
@pytest.mark.trap(19)
def test_a_frozen_service_is_replaced_and_its_deployment_goes_on(world: World) -> None:
    site = world.small("frozen", strategy=HELD)
    site.live("1.0.0")
    begun = site.begin("1.1.0")
    eventually(lambda: site.api.get(begun.id).text("analyse-50").startswith("hold"))
    frozen = world.service
    assert frozen.process is not None
    os.kill(frozen.pid, signal.SIGSTOP)
    world.service = Service(world.home)
    world.service.start("--replace")
    assert frozen.process.wait(timeout=10) == -signal.SIGKILL
    assert world.service.pid != frozen.process.pid
    site.api.control(begun.id, "promote")
    done = site.api.wait(begun.id)
    assert (done.phase, done.serving) == ("succeeded", "1.1.0")
    assert site.running() == {"1.1.0": 1}
    numbers = [entry["number"] for entry in site.applied()]
    assert len(numbers) == len(set(numbers)), "each document was written once"


@pytest.mark.attack("CF03", "a second service of one home", "it ends, and leaves the first")
def test_a_second_service_of_a_home_ends_and_leaves_the_first(world: World) -> None:
    second = Service(world.home)
    pid = world.service.pid
    assert second.start_and_wait() == 0
    assert world.service.pid == pid
    assert world.api.alive()


def edge(site: Site) -> Path:
    return site.world.home / "edge" / site.url.rpartition(":")[2]


def traefik(site: Site) -> list[int]:
    return [p.pid for p in processes.of_home(edge(site)) if "launch.py" not in p.command]


def supervisors(directory: Path) -> list[int]:
    return [p.pid for p in processes.of_home(directory) if "launch.py" in p.command]


def supervisor(site: Site) -> int | None:
    """The one that has the directory of the only revision."""
    (directory,) = (site.directory / "run").iterdir()
    found = Program(str(directory)).supervisor()
    return found.pid if found else None


def replicas(site: Site) -> list[int]:
    return [p.pid for p in processes.of_home(site.directory / "versions")]


def answers(site: Site) -> str | None:
    """Version in an answer; None when nobody listens."""
    try:
        return site.serves()
    except OSError:
        return None


def one(found: list[int]) -> int:
    assert len(found) == 1, found
    return found[0]
