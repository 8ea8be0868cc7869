"""A canary that is judged by a real Prometheus, which scrapes what a test's own targets count."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydantic import JsonValue

from orchestrate.providers.outbound import SETTING
from tests.support.api import Deployment, Problem
from tests.support.prometheus import Prometheus, Target, prometheus, target
from tests.support.real import need_program
from tests.support.service import Site, World, world
from tests.support.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

QUERY = {
    "total": 'requests_total{version="{{version}}"}',
    "bad": 'requests_total{version="{{version}}",code="500"}',
}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, Target]]:
    with target("shop") as counted:
        with prometheus(tmp_path_factory.mktemp("prometheus"), [counted]) as server:
            yield server, counted


@pytest.fixture(scope="module")
def place() -> Iterator[World]:
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    with world(**{SETTING: "127.0.0.1:*"}) as found:
        yield found


@contextmanager
def serving(counted: Target, old: str, new: str, bad: int) -> Iterator[None]:
    """Count as a shop would whose new version gets a fifth of the requests."""
    over = threading.Event()

    def count() -> None:
        while not over.wait(0.1):
            counted.count(16, version=old, code="200")
            counted.count(4 - bad, version=new, code="200")
            if bad:
                counted.count(bad, version=new, code="500")

    thread = threading.Thread(target=count)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def analyse(server: Prometheus, **changes: object) -> dict[str, object]:
    metrics = {
        "source": "prometheus",
        "url": server.url,
        "delay_s": 0.5,
        "resolution_s": 0.5,
        "queries": {"errors": QUERY},
    }
    return {"window_s": 4, "bucket_s": 1, "max_error_ratio": 0.2, "metrics": metrics, **changes}


def site(place: World, name: str, server: Prometheus, **changes: object) -> Site:
    strategy = {"type": "canary", "steps": [20, 100], "analyse": analyse(server, **changes)}
    return place.small(name, strategy=strategy)


def verdict(deployment: Deployment) -> dict[str, JsonValue]:
    found = deployment.document["verdict"]
    assert isinstance(found, dict)
    return found


def counts(deployment: Deployment, arm: str) -> int:
    found = verdict(deployment)[arm]
    assert isinstance(found, dict) and isinstance(found["total"], int)
    return found["total"]


def live(found: Site, counted: Target, version: str) -> None:
    """A version that serves and has been counted for a while."""
    with serving(counted, version, "none", 0):
        found.live(version)
        before = counted.counters[(("code", "200"), ("version", version))]
        eventually(
            lambda: counted.counters[(("code", "200"), ("version", version))] > before + 60,
            within_s=60,
        )


def test_a_release_that_prometheus_saw_fail_is_taken_back(
    place: World, watched: tuple[Prometheus, Target]
) -> None:
    server, counted = watched
    for version in ("1.0.0", "1.1.0"):
        place.release(version)
    found = site(place, "worse", server)
    live(found, counted, "1.0.0")
    with serving(counted, "1.0.0", "1.1.0", 2):
        done = found.deploy("1.1.0")
    assert (done.phase, done.result, done.serving) == ("rolled_back", "analysis_abort", "1.0.0")
    assert counts(done, "new") > 0 and counts(done, "old") > 0
    analysis = found.api.call("GET", f"/api/analysis?deployment={done.id}&svg=true")
    (errors,) = analysis["metrics"]  # type: ignore[misc, union-attr]
    assert isinstance(errors, dict) and errors["metric"] == "errors"
    assert "<text" in str(analysis["svg"])


def test_a_release_that_prometheus_saw_serve_well_is_promoted(
    place: World, watched: tuple[Prometheus, Target]
) -> None:
    server, counted = watched
    for version in ("2.0.0", "2.1.0"):
        place.release(version)
    found = site(place, "good", server)
    live(found, counted, "2.0.0")
    with serving(counted, "2.0.0", "2.1.0", 0):
        plan = found.api.plan("good", "2.1.0")
        done = found.deploy("2.1.0")
    assert isinstance(plan["analysis"], dict) and plan["analysis"]["promote_s"] is not None
    assert (done.phase, done.serving) == ("succeeded", "2.1.0")
    assert verdict(done)["outcome"] == "promote"
    assert counts(done, "new") >= 20 and counts(done, "old") > counts(done, "new")


@pytest.mark.trap(45)
def test_before_anything_begins_a_source_without_values_stops_it(
    place: World, watched: tuple[Prometheus, Target]
) -> None:
    server, _ = watched
    for version in ("3.0.0", "3.1.0"):
        place.release(version)
    found = site(place, "silent", server)
    found.live("3.0.0")
    done = found.deploy("3.1.0")
    assert (done.phase, done.result, done.serving) == ("failed", "no_data", "3.0.0")
    error = done.document["error"]
    assert isinstance(error, dict)
    assert "prometheus has no values of errors for the live 3.0.0" in str(error["message"])


@pytest.mark.trap(53)
def test_a_new_revision_of_the_same_version_is_not_compared_with_itself(
    place: World, watched: tuple[Prometheus, Target]
) -> None:
    server, _ = watched
    place.release("4.0.0")
    found = site(place, "same", server)
    found.live("4.0.0")
    found.change(variables={"LEVEL": "debug"})
    with pytest.raises(Problem) as refused:
        found.begin("4.0.0")
    assert refused.value.code == "metrics_invalid"
