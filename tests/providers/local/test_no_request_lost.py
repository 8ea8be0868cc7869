"""Under a load that never retries, no change of the traffic or of the processes loses a request.

The shop of examples/ behind the real edge; judged by counts, never by time.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic_ns

import pytest
from pydantic import JsonValue

from orchestrate.core.environment import HealthGate
from orchestrate.core.revision import Revision
from orchestrate.core.steps import Share
from tests.providers.conftest import Make
from tests.support.load import BASKET, SHOPPING, Event, Load, Probe, slow_posts, sse_stream, until
from tests.support.local import Local
from tests.support.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.alone, pytest.mark.timeout(240)]

SHOP = Path(__file__).parents[3] / "examples" / "shop"
A_WHILE = 900
"""Requests between two changes."""


@pytest.fixture
def shop(make_local: Make) -> Local:
    local = make_local(
        health=HealthGate(path="/healthz"),
        config={"root": str(SHOP), "command": ["{python}", "-B", "shop.py"], "grace": "15s"},
    )
    local.up(local.pinned("1.0.0"), 3)
    local.route((local.pinned("1.0.0"), 100))
    return local


@pytest.fixture
def old(shop: Local) -> Revision:
    return shop.pinned("1.0.0")


@pytest.fixture
def new(shop: Local) -> Revision:
    return shop.pinned("1.1.0")


class Traffic:
    """A load, long requests beside it, and marks of what was changed when."""

    def __init__(self, shop: Local, load: Load) -> None:
        self.shop, self.load = shop, load
        self.url = shop.provider.edge.place.url
        self.probes: list[Probe] = []
        self.phases: dict[str, list[int]] = {}

    def goes_on(self, requests: int = A_WHILE) -> None:
        """Let this many more requests be answered."""
        wanted = self.load.counts().requests + requests
        until(self.load, lambda counts: counts.requests >= wanted)

    def long_ones(self) -> None:
        """Begin two POSTs of 2 s and a stream of events, which the next change falls into."""
        begun = [*slow_posts(self.url, 2), sse_stream(self.url, 4)]
        for probe in begun:
            probe.begun.wait(timeout=20)
        self.probes += begun

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """What is sent until the end of the block is judged by itself."""
        start = monotonic_ns()
        yield
        self.phases[name] = [start, monotonic_ns()]

    def judge(self) -> dict[str, Counter[str]]:
        """No request failed and every long one was whole; versions of each phase."""
        outcomes = [probe.result() for probe in self.probes]
        result = self.load.stop()
        assert (result.failed, result.by_kind, result.unsent) == (0, {}, 0)
        assert [outcome for outcome in outcomes if not outcome.whole] == []
        return {
            name: _versions(result.events, start, end) for name, (start, end) in self.phases.items()
        }


def _versions(events: tuple[Event, ...], start: int, end: int) -> Counter[str]:
    return Counter(event.version for event in events if start <= event.start_ns < end)


def share(found: Counter[str], version: str) -> float:
    return 100 * found[version] / found.total()


def test_a_canary_to_the_end_and_a_switch_back(shop: Local, old: Revision, new: Revision) -> None:
    with Load.start(shop.provider.edge.place.url, path=SHOPPING, body=BASKET) as load:
        traffic = Traffic(shop, load)
        traffic.goes_on()
        shop.up(new, 3)
        for percent in (10, 25, 50):
            traffic.long_ones()
            shop.route((old, 100 - percent), (new, percent), fallback=old)
            with traffic.phase(str(percent)):
                traffic.goes_on()
        traffic.long_ones()
        shop.route((new, 100), fallback=old)
        with traffic.phase("100"):
            traffic.goes_on()
        traffic.long_ones()
        shop.route((old, 100), fallback=new)
        with traffic.phase("back"):
            traffic.goes_on()
        found = traffic.judge()
    for percent in (10, 25, 50):
        assert share(found[str(percent)], "1.1.0") == pytest.approx(percent, abs=2)
    assert set(found["100"]) == {"1.1.0"}
    assert set(found["back"]) == {"1.0.0"}


def test_a_rolling_replacement(shop: Local, old: Revision, new: Revision) -> None:
    with Load.start(shop.provider.edge.place.url, path=SHOPPING, body=BASKET) as load:
        traffic = Traffic(shop, load)
        traffic.goes_on()
        for count in (1, 2, 3):
            shop.up(new, count)
            traffic.long_ones()
            part = round(100 * count / 3)
            shares = [Share(revision=new.ref, percent=part, replicas=count)]
            if part < 100:
                shares.append(Share(revision=old.ref, percent=100 - part, replicas=3 - count))
            shop.provider.route(shares, None, shop.write())
            drain(shop, old, beyond=3 - count)
            shop.provider.scale(old.ref, 3 - count, shop.write())
            traffic.goes_on()
        with traffic.phase("end"):
            traffic.goes_on()
        found = traffic.judge()
    assert set(found["end"]) == {"1.1.0"}
    assert exit_codes(shop, old) == [0, 0, 0]


def test_scaling_down_and_stopping_without_a_word_to_the_edge(
    shop: Local, old: Revision, new: Revision
) -> None:
    with Load.start(shop.provider.edge.place.url, path=SHOPPING, body=BASKET) as load:
        traffic = Traffic(shop, load)
        shop.up(new, 1)
        shop.route((old, 50), (new, 50), fallback=None)
        traffic.goes_on()
        traffic.long_ones()
        shop.provider.scale(old.ref, 1, shop.write())
        eventually(lambda: len(shop.pids(old)) == 1)
        traffic.goes_on()
        traffic.long_ones()
        shop.provider.stop(old.ref, shop.write())
        eventually(lambda: shop.pids(old) == [])
        with traffic.phase("end"):
            traffic.goes_on()
        found = traffic.judge()
    assert set(found["end"]) == {"1.1.0"}


def test_the_supervisors_are_killed(shop: Local, old: Revision) -> None:
    with Load.start(shop.provider.edge.place.url, path=SHOPPING, body=BASKET) as load:
        traffic = Traffic(shop, load)
        traffic.goes_on()
        traffic.long_ones()
        for program in (shop.provider.edge.engine.program, shop.provider.running.program(old.key)):
            os.kill(eventually(program.supervisor).pid, signal.SIGKILL)
        traffic.goes_on()
        assert shop.provider.ensure()
        traffic.goes_on()
        traffic.judge()


def drain(shop: Local, revision: Revision, beyond: int) -> None:
    def idle() -> bool:
        found = shop.provider.observe().replicas(revision.key)[beyond:]
        return all(replica.connections == 0 for replica in found)

    eventually(idle)


def exit_codes(shop: Local, revision: Revision) -> list[JsonValue]:
    return [e["exit_code"] for e in shop.journal(revision) if e["what"] == "exited"]
