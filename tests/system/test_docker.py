"""The service with a real Docker engine: no request lost, nothing lost by a crash or done twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.api import Deployment
from tests.support.docker.service import Dock, dock
from tests.support.load import BASKET, SHOPPING, Load, Probe, slow_posts, sse_stream, until
from tests.support.real import need_program
from tests.support.service import Site, world
from tests.support.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.alone, pytest.mark.timeout(600)]

RATE = 500.0
LEAST = 50_000


@pytest.fixture
def docked() -> Iterator[Dock]:
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    with world() as made, dock(made) as found:
        yield found


def test_a_load_loses_nothing_through_every_change_of_containers(docked: Dock) -> None:
    site = docked.shop(
        "busy",
        config={"replicas": 3},
        strategy={"type": "canary", "steps": [10, 25, 50, 100], "analyse": {"window_s": 2}},
    )
    site.live("1.0.0")
    with Load.start(site.url, rate=RATE, connections=64, path=SHOPPING, body=BASKET) as load:
        until(load, lambda counts: counts.requests > 500)
        through(site, "1.0.0", lambda: site.begin("1.1.0"), "succeeded")
        through(site, "1.1.0", lambda: site.api.rollback(site.name), "succeeded")
        through(site, "1.0.0", lambda: site.begin("1.1.0", strategy="blue-green"), "succeeded")
        through(site, "1.1.0", lambda: site.begin("1.0.0", strategy="rolling"), "succeeded")
        # A release that never becomes healthy is taken back while the load goes on.
        site.change(health={**WAITS, "start_timeout_s": 2})
        through(site, "1.0.0", lambda: site.begin("1.2.0"), "rolled_back")
        until(load, lambda counts: counts.requests >= LEAST, within_s=300)
        result = load.stop()
    assert (result.failed, result.unsent) == (0, 0), f"{result.by_kind} {result.by_status}"
    assert result.requests >= LEAST
    assert set(result.by_version) == {"1.0.0", "1.1.0"}, "1.2.0 was never to be seen"


WAITS = {"version_header": "X-Version", "healthy_after": 1, "interval_s": 0.05}


def through(site: Site, before: str, change: Callable[[], Deployment], phase: str) -> None:
    """Make a change with slow requests and a stream under way, which must end whole."""
    underway: list[Probe] = [*slow_posts(site.url, 4, seconds=2), sse_stream(site.url, 3)]
    for probe in underway:
        assert probe.begun.wait(10)
    done = site.api.wait(change().id, within_s=120)
    assert done.phase == phase, done
    for outcome in [probe.result() for probe in underway]:
        assert outcome.whole, outcome
        assert outcome.version == before


def test_a_killed_service_finds_its_containers_again_and_goes_on(docked: Dock) -> None:
    site = docked.small("kept", strategy={"type": "rolling"}, config={"replicas": 2, "grace": "2s"})
    site.live("1.0.0")
    before = docked.containers("kept", "running")
    assert len(before) == 2
    docked.world.service.kill()
    assert site.serves() == "1.0.0", "containers and edge outlive the service"
    docked.world.service.start()
    site.live("1.1.0")
    assert site.serves() == "1.1.0"
    assert not set(docked.containers("kept", "running")) & set(before)


@pytest.mark.fault
def test_a_service_killed_while_it_deploys_ends_the_deployment_with_nothing_twice(
    docked: Dock,
) -> None:
    site = docked.small(
        "cut", strategy={"type": "blue-green"}, config={"replicas": 3, "grace": "2s"}
    )
    site.live("1.0.0")
    begun = site.begin("1.1.0")
    # In the middle of starting: some containers of the new version are there, not all.
    eventually(lambda: 3 < len(docked.containers("cut")) < 6, every_s=0.005)
    docked.world.service.kill()
    docked.world.service.start()
    done = site.api.wait(begun.id)
    assert done.phase == "succeeded", done
    assert site.serves() == "1.1.0"
    eventually(lambda: len(docked.containers("cut", "running")) == 3)
    assert len(docked.containers("cut")) == 6, "three of each version, the old ones stopped"


def test_a_container_that_is_removed_or_stopped_by_hand_comes_back(docked: Dock) -> None:
    site = docked.small("tidy", strategy={"type": "recreate"}, config={"replicas": 2})
    site.live("1.0.0")
    removed, stopped = docked.containers("tidy", "running")
    docked.engine.api.remove_container(removed, force=True)
    docked.engine.api.kill(stopped, "SIGKILL")
    docked.engine.api.stop(stopped, timeout=1)

    def back() -> bool:
        running = docked.containers("tidy", "running")
        return len(running) == 2 and stopped in running and removed not in running

    eventually(back)
