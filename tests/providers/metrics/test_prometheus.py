"""A real Prometheus scrapes real targets: what our source says is what they counted."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from orchestrate.core.analysis.counts import Counts
from orchestrate.core.errors import MetricSourceRefused, OutboundFailed
from orchestrate.core.protocols import MetricSource
from tests.support.asking import NEW, OLD, read, source, together
from tests.support.prometheus import Prometheus, Target, prometheus, target
from tests.support.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

SLOT_S = 1.0
QUERY = {
    "total": 'requests_total{job="JOB",version="{{version}}"}',
    "bad": 'requests_total{job="JOB",version="{{version}}",code="500"}',
}
JOBS = ("steady", "reset", "gap", "nan", "child", "gone", "empty")


@dataclass
class World:
    server: Prometheus
    source: MetricSource
    targets: dict[str, Target]

    def query(self, job: str) -> dict[str, str]:
        return {key: text.replace("JOB", job) for key, text in QUERY.items()}

    def since(self, job: str) -> float:
        """The next whole slot, the target's present counters being scraped before it."""
        self.server.await_scrape(job)
        return math.ceil(time.time() / SLOT_S) * SLOT_S

    def read(self, job: str, since: float) -> Sequence[Counts | None]:
        """All slots since, until what was counted up to now has been scraped."""
        until = math.ceil(time.time() / SLOT_S) * SLOT_S + SLOT_S
        self.server.await_scrape(job, until)
        slots = round((until - since) / SLOT_S)
        return read(self.source, self.query(job), since, slots, SLOT_S)

    def reached(self, moment: float) -> None:
        eventually(lambda: time.time() > moment, every_s=0.02)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        targets = {job: stack.enter_context(target(job)) for job in JOBS}
        for each in targets.values():
            each.count(1000, version="1.1.0", code="200")
            each.count(50, version="1.0.0", code="500")
        directory = tmp_path_factory.mktemp("prometheus")
        server = stack.enter_context(prometheus(directory, list(targets.values())))
        metrics = {"source": "prometheus", "url": server.url, "resolution_s": 0.5}
        yield World(server, source(metrics, {"errors": QUERY}), targets)


def test_each_version_s_own_requests_are_counted_to_the_last_one(world: World) -> None:
    since, steady = world.since("steady"), world.targets["steady"]
    world.reached(since)
    for _ in range(12):
        steady.count(7, version="1.1.0", code="200")
        steady.count(2, version="1.1.0", code="500")
        steady.count(100, version="1.0.0", code="500")
        world.server.await_scrape("steady")
    found = world.read("steady", since)
    assert together(found) == (108, 24)
    assert None not in found


@pytest.mark.trap(48)
def test_a_process_that_begins_again_loses_nothing_it_counted(world: World) -> None:
    since, again = world.since("reset"), world.targets["reset"]
    world.reached(since)
    again.count(30, version="1.1.0", code="200")
    world.server.await_scrape("reset")
    again.restart()
    again.count(4, version="1.1.0", code="200")
    again.count(1, version="1.1.0", code="500")
    found = world.read("reset", since)
    assert together(found) == (35, 1)


@pytest.mark.trap(45)
def test_what_nobody_scraped_is_not_known_and_no_zero(world: World) -> None:
    since, lost = world.since("gap"), world.targets["gap"]
    world.reached(since)
    lost.up = False
    lost.count(500, version="1.1.0", code="500")
    world.reached(since + 4 * SLOT_S)
    lost.up = True
    world.server.await_scrape("gap")
    world.server.await_scrape("gap")
    lost.count(3, version="1.1.0", code="200")
    found = world.read("gap", since)
    assert found[1:3] == [None, None]
    assert together(found) == (3, 0), "what grew over the gap belongs to no span"


def test_what_is_no_number_is_not_known(world: World) -> None:
    since, odd = world.since("nan"), world.targets["nan"]
    odd.not_a_number = True
    world.server.await_scrape("nan")
    world.reached(since + 2 * SLOT_S)
    found = world.read("nan", since)
    assert set(found[1:]) == {None}


def test_the_first_error_of_all_is_counted_though_its_counter_is_new(world: World) -> None:
    since, young = world.since("child"), world.targets["child"]
    world.reached(since)
    young.count(5, version="1.1.0", code="200")
    young.count(1, version="1.1.0", code="500")
    assert together(world.read("child", since)) == (6, 1)


def test_a_series_that_ended_is_not_known_any_more(world: World) -> None:
    since, ended = world.since("gone"), world.targets["gone"]
    world.reached(since)
    ended.restart()
    world.server.await_scrape("gone")
    world.reached(since + 2 * SLOT_S)
    assert world.read("gone", since)[-1] is None


@pytest.mark.trap(53)
def test_labels_that_nothing_has_are_no_data(world: World) -> None:
    since = world.since("empty")
    query = {
        "total": 'requests_total{job="empty",revision="{{revision}}"}',
        "bad": 'requests_total{job="empty",revision="{{revision}}",code="500"}',
    }
    assert read(world.source, query, since - 3, 3, SLOT_S) == [None] * 3
    assert read(world.source, query, since - 3, 3, SLOT_S, revision=OLD) == [None] * 3


@pytest.mark.trap(51)
def test_a_query_it_does_not_understand_is_refused_with_its_words(world: World) -> None:
    query = {"total": "sum(requests_total{", "bad": "requests_total{}"}
    with pytest.raises(MetricSourceRefused) as refused:
        read(world.source, query, time.time() - 5, 2, SLOT_S)
    assert any("parse error" in each for each in refused.value.why), refused.value.why


def test_a_server_that_is_away_is_worth_another_question() -> None:
    away = source({"source": "prometheus", "url": "http://127.0.0.1:9"}, {"errors": QUERY})
    with pytest.raises(OutboundFailed) as failed:
        read(away, QUERY, 0, 2, revision=NEW)
    assert failed.value.retryable
