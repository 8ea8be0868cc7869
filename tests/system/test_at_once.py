"""Several environments of one service at once: each goes its way as if it were alone."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support import cli
from tests.support.api import Deployment, Problem
from tests.support.postgres import postgres
from tests.support.real import need_program
from tests.support.service import Site, World
from tests.support.service import world as a_world
from tests.support.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

HELD = {"window_s": 0, "min_requests": 10_000}
STRATEGIES: list[dict[str, object]] = [
    {"type": "recreate"},
    {"type": "blue-green", "analyse": HELD},
    {"type": "canary", "steps": [50, 100], "analyse": HELD},
    {"type": "rolling"},
    {"type": "canary", "steps": [10, 100], "analyse": HELD},
    {"type": "blue-green"},
]
BAD = "9.0.0"
ASKS = 6
"""What each environment is asked for."""
EXPECTED = {"unhealthy", "cancelled", None}
"""Results: why a deployment of this test may fail."""


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    if request.param == "sqlite":
        with a_world() as found:
            yield _stocked(found)
        return
    with postgres() as server, a_world(ORCHESTRATE_DATABASE_URL=server.database()) as found:
        yield _stocked(found)


def test_what_many_do_at_once_hinders_nobody(world: World) -> None:
    """Deployments good and bad, rollbacks, and people who pause, promote and cancel them."""
    sites = [
        world.small(f"crowd{n}", strategy=strategy, health={"start_timeout_s": 3})
        for n, strategy in enumerate(STRATEGIES)
    ]
    with ThreadPoolExecutor(len(sites)) as pool:
        ended = list(pool.map(_busy, sites, range(len(sites))))
    done = [deployment for found in ended for deployment in found]
    assert [d for d in done if d.result not in EXPECTED] == []
    assert sum(d.phase == "succeeded" for d in done) >= len(sites)
    assert "Traceback" not in world.service.complaints()
    for site in sites:
        assert site.serves() == site.live_version(), site.name
        numbers = [entry["number"] for entry in site.applied()]
        assert len(numbers) == len(set(numbers)), "each document was written once"
    home = {"ORCHESTRATE_HOME": str(world.home), **world.service.environment}
    verified = cli.run("audit", "verify", env=home)
    assert verified.code == 0, verified


def _stocked(world: World) -> World:
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        world.release(version)
    world.release(BAD, failing=True)
    return world


def _busy(site: Site, seed: int) -> list[Deployment]:
    """Ask for one thing after the other, as a seeded chance has it; the deployments, ended."""
    chance = random.Random(seed)
    ended = [_settled(site, site.begin("1.0.0"))]
    for _ in range(ASKS):
        try:
            asked = _ask(site, chance)
        except Problem as refused:
            assert refused.code in ("nothing_to_do", "no_rollback_target", "quarantined"), refused
            continue
        for _ in range(chance.randint(0, 3)):
            time.sleep(chance.random() / 4)
            _steer(site, asked, chance.choice(["pause", "resume", "promote", "cancel"]))
        ended.append(_settled(site, asked))
    return ended


def _ask(site: Site, chance: random.Random) -> Deployment:
    wish = chance.choice(["1.0.0", "1.1.0", "1.2.0", BAD, "rollback"])
    return site.api.rollback(site.name) if wish == "rollback" else site.begin(wish)


def _steer(site: Site, asked: Deployment, action: str) -> None:
    try:
        site.api.control(asked.id, action)
    except Problem as refused:
        assert refused.code == "not_now", refused


def _settled(site: Site, asked: Deployment) -> Deployment:
    """It, once it has ended: resumed and promoted until it does."""

    def ended() -> Deployment | None:
        found = site.api.get(asked.id)
        if found.terminal:
            return found
        for action in ("resume", "promote"):
            _steer(site, asked, action)
        return None

    found = eventually(ended, within_s=90, every_s=0.2)
    assert found is not None
    return found
