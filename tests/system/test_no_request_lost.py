"""Under a load that never retries, every way to change what serves loses no request."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise

import pytest

from tests.support.api import Deployment
from tests.support.load import BASKET, SHOPPING, Load, Probe, Result, slow_posts, sse_stream, until
from tests.support.service import Site, World

pytestmark = [pytest.mark.system, pytest.mark.alone, pytest.mark.timeout(240)]

RATE = 550.0
LEAST = 20_000
SETTLED_S = 0.1
"""A request under way while a document was written may still follow the one before."""
ENOUGH = 200
"""Requests between two changes from which a share can be told."""


@pytest.mark.trap(37)
@pytest.mark.trap(36)
def test_a_load_loses_nothing_through_every_change(world: World) -> None:
    site = world.shop(
        "busy",
        config={"replicas": 3},
        strategy={"type": "canary", "steps": [10, 25, 50, 100], "analyse": {"window_s": 2}},
    )
    site.live("1.0.0")
    with Load.start(site.url, rate=RATE, connections=64, path=SHOPPING, body=BASKET) as load:
        until(load, lambda counts: counts.requests > 500)
        through(site, "1.0.0", lambda: site.begin("1.1.0"), "succeeded")
        through(site, "1.1.0", lambda: site.begin("1.0.0", strategy="blue-green"), "succeeded")
        through(site, "1.0.0", lambda: site.begin("1.1.0", strategy="rolling"), "succeeded")
        through(site, "1.1.0", lambda: site.api.rollback(site.name), "succeeded")
        # A release that never becomes healthy is taken back while the load goes on.
        site.change(health={"healthy_after": 1, "interval_s": 0.05, "start_timeout_s": 2})
        through(site, "1.0.0", lambda: site.begin("1.2.0"), "rolled_back")
        until(load, lambda counts: counts.requests >= LEAST)
        result = load.stop()
    assert (result.failed, result.unsent) == (0, 0), f"{result.by_kind} {result.by_status}"
    assert result.requests >= LEAST
    assert set(result.by_version) == {"1.0.0", "1.1.0"}, "1.2.0 was never to be seen"
    shares = observed_shares(site, result)
    assert {10, 25, 50, 100} <= {percent for percent, _ in shares}
    assert [pair for pair in shares if abs(pair[0] - pair[1]) > 3] == []


def through(site: Site, before: str, change: Callable[[], Deployment], phase: str) -> None:
    """Make a change with slow requests and a stream under way, which must end whole."""
    underway: list[Probe] = [*slow_posts(site.url, 4, seconds=2), sse_stream(site.url, 3)]
    for probe in underway:
        assert probe.begun.wait(10)
    done = site.api.wait(change().id)
    assert done.phase == phase, done
    for outcome in [probe.result() for probe in underway]:
        assert outcome.whole, outcome
        assert outcome.version == before


def observed_shares(site: Site, result: Result) -> list[tuple[int, float]]:
    """Percent asked for in a document of the edge, and percent of the requests under it."""
    # applied.jsonl has the time of day, the load the monotonic clock.
    offset = time.monotonic() - time.time()
    versions = versions_of(site)
    found = []
    for entry, after in pairwise(site.applied()):
        begin, end = (datetime.fromisoformat(str(e["at"])).timestamp() for e in (entry, after))
        low, high = ((t + offset) * 1e9 for t in (begin + SETTLED_S, end - SETTLED_S))
        seen = Counter(e.version for e in result.events if low <= e.start_ns and e.end_ns <= high)
        shares = entry["shares"]
        assert isinstance(shares, dict)
        if seen.total() > ENOUGH:
            for key, percent in shares.items():
                assert isinstance(percent, int)
                found.append((percent, round(100 * seen[versions[key]] / seen.total(), 1)))
    return found


def versions_of(site: Site) -> dict[str, str]:
    """Version by key of each revision that was ever started."""
    found = {}
    for path in (site.directory / "run").glob("*/spec.json"):
        spec = json.loads(path.read_text(encoding="utf-8"))
        found[path.parent.name] = str(spec["labels"]["version"])
    return found
