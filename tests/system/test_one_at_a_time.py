"""One deployment at a time in an environment, asked for by whom and from where ever."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import JsonValue

from tests.support.api import Deployment, Json, Problem
from tests.support.service import Site, World
from tests.support.waiting import eventually

pytestmark = pytest.mark.system

HELD = {"type": "canary", "steps": [50, 100], "analyse": {"window_s": 0, "min_requests": 10}}
"""Holds at 50 percent until it is promoted."""
AT_ONCE = {"type": "blue-green"}


@pytest.fixture(scope="module", autouse=True)
def more_versions(world: World) -> None:
    for version in ("2.0.0", "3.0.0"):
        world.release(version)


@pytest.mark.trap(20)
def test_of_two_processes_at_once_one_runs_and_the_other_is_refused(world: World) -> None:
    site = world.small("race", strategy=HELD)
    site.live("1.0.0")
    asked = [ask(site, "1.1.0"), ask(site, "2.0.0")]
    answers = [answer(process) for process in asked]
    running = [a for a in answers if a.get("id")]
    refused = [code for a in answers if (code := code_of(a))]
    assert len(running) == 1, answers
    assert refused == ["environment_busy"], answers
    promote(site, str(running[0]["id"]))
    assert site.serves() == running[0]["to_version"]
    assert len(site.running()) == 1
    assert [d["phase"] for d in site.api.history(site.name)] == ["succeeded", "succeeded"]


@pytest.mark.parametrize("by", ["setting", "request"])
@pytest.mark.trap(21)
def test_the_other_may_wait_for_its_turn_and_is_planned_again(world: World, by: str) -> None:
    site = world.small(f"queue-{by}", strategy=HELD)
    if by == "setting":
        site.change(when_busy="queue")
    site.live("1.0.0")
    first = site.begin("1.1.0")
    waiting = site.begin("2.0.0", **({"queue": True} if by == "request" else {}))
    assert waiting.phase == "pending"
    assert waiting.document["started_at"] is None
    promote(site, first.id)
    done = promote(site, waiting.id)
    assert done.document["from_version"] == "1.1.0", "planned again, from what is live by then"
    assert done.document["plan_digest"] != waiting.document["plan_digest"]
    assert site.serves() == "2.0.0"
    assert site.running() == {"2.0.0": 1}


def test_those_that_wait_run_in_the_order_they_asked(world: World) -> None:
    site = world.small("order", strategy=HELD, when_busy="queue")
    site.live("1.0.0")
    first = site.begin("1.1.0")
    waiting = [site.begin("2.0.0"), site.begin("3.0.0")]
    for deployment in (first, *waiting):
        promote(site, deployment.id)
    assert site.serves() == "3.0.0"


def test_one_that_waits_takes_the_settings_as_they_are_when_it_begins(world: World) -> None:
    site = world.small("settings", strategy=HELD, when_busy="queue")
    site.live("1.0.0")
    first = site.begin("1.1.0")
    held(site, first.id)
    waiting = site.begin("2.0.0")
    site.change(variables={"GREETING": "changed meanwhile"})
    promote(site, first.id)
    done = promote(site, waiting.id)
    assert site.serves() == done.serving == site.live_version() == "2.0.0"
    plan = site.api.plan(site.name, "2.0.0")
    assert plan["steps"] == [], "what is recorded as live has the new settings"


def test_one_that_waits_can_be_withdrawn(world: World) -> None:
    site = world.small("withdrawn", strategy=HELD, when_busy="queue")
    site.live("1.0.0")
    first = site.begin("1.1.0")
    waiting = site.begin("2.0.0")
    withdrawn = site.api.control(waiting.id, "cancel")
    assert (withdrawn.phase, withdrawn.result) == ("cancelled", "cancelled")
    promote(site, first.id)
    assert site.serves() == "1.1.0"


def test_one_that_waits_in_production_is_refused_when_the_plan_moved(world: World) -> None:
    site = world.small("guarded", strategy=HELD, type="production", when_busy="queue")
    assert site.deploy("1.0.0", confirmed=True).phase == "succeeded"
    first = site.begin("1.1.0", confirmed=True)
    held(site, first.id)
    waiting = site.begin("2.0.0", confirmed=True)
    promote(site, first.id)
    done = site.api.wait(waiting.id)
    assert (done.phase, done.result) == ("failed", "plan_changed")
    assert site.serves() == "1.1.0"


def test_different_environments_run_side_by_side(world: World) -> None:
    sites = [world.small(f"side-{number}", strategy=HELD) for number in range(3)]
    for site in sites:
        site.live("1.0.0")
    begun = [(site, site.begin("1.1.0")) for site in sites]
    for site, deployment in begun:
        held(site, deployment.id)
    for site, deployment in reversed(begun):
        assert promote(site, deployment.id).serving == "1.1.0"


def test_the_same_plan_twice_is_one_deployment(world: World) -> None:
    site = world.small("same", strategy=HELD)
    site.live("1.0.0")
    plan = str(site.api.plan(site.name, "1.1.0")["digest"])
    first, second = site.api.start(plan), site.api.start(plan)
    assert second.id == first.id
    promote(site, first.id)
    assert site.api.start(plan).id == first.id, "and after it succeeded, too"
    assert len(site.api.history(site.name)) == 2


@pytest.mark.attack("CF04", "200 starts at once, of the same plan and of another", "one runs")
def test_of_many_starts_at_once_one_runs(world: World) -> None:
    site = world.small("many", strategy=HELD)
    site.live("1.0.0")
    plans = [str(site.api.plan(site.name, version)["digest"]) for version in ("1.1.0", "2.0.0")]

    def start(number: int) -> str:
        try:
            return site.api.start(plans[number % 2]).id
        except Problem as problem:
            return problem.code

    with ThreadPoolExecutor(20) as pool:
        answers = Counter(pool.map(start, range(200)))
    assert set(answers) - {"environment_busy"} == {site.api.history(site.name)[0]["id"]}
    assert len(answers) == 2 and sum(answers.values()) == 200
    assert len(site.api.history(site.name)) == 2
    (running,) = set(answers) - {"environment_busy"}
    promote(site, running)


@pytest.mark.attack("CF08", "a rollback beside a deployment that runs", "one at a time")
def test_a_rollback_while_a_deployment_runs_is_refused(world: World) -> None:
    site = world.small("rollback", strategy=AT_ONCE)
    for version in ("1.0.0", "1.1.0"):
        site.live(version)
    site.change(strategy=HELD)
    running = site.begin("2.0.0")
    with pytest.raises(Problem) as refused:
        site.api.rollback(site.name)
    assert refused.value.code == "environment_busy"
    assert f"orchestrate deploy cancel {running.id}" in "\n".join(refused.value.fix)
    site.api.control(running.id, "cancel")
    assert site.api.wait(running.id).serving == "1.1.0"
    assert site.api.wait(site.api.rollback(site.name).id).serving == "1.0.0"


def test_a_deleted_environment_is_not_one_with_a_deployment_running(world: World) -> None:
    site = world.small("deleted", strategy=HELD)
    site.live("1.0.0")
    running = site.begin("1.1.0")
    with pytest.raises(Problem) as refused:
        site.api.call("DELETE", f"/api/environments/{site.name}?confirm={site.name}")
    assert refused.value.code == "environment_busy"
    promote(site, running.id)


def ask(site: Site, version: str) -> subprocess.Popen[bytes]:
    """A process of its own that asks for a deployment and does not follow it."""
    asked = ["deploy", f"--env={site.name}", f"--version={version}", "--json", "--detach"]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "orchestrate", *asked],
        env=site.world.service.surroundings(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def answer(process: subprocess.Popen[bytes]) -> Json:
    """The document, of a deployment or of an error, that the process printed."""
    out, err = process.communicate(timeout=30)
    found = json.loads(out or err)
    assert isinstance(found, dict), (out, err)
    return found


def code_of(document: Json) -> JsonValue:
    error = document.get("error")
    return error["code"] if isinstance(error, dict) else None


def held(site: Site, deployment: str) -> None:
    """Wait until a canary holds for want of requests."""
    eventually(lambda: site.api.get(deployment).text("analyse-50").startswith("hold: no data"))


def promote(site: Site, deployment: str) -> Deployment:
    held(site, deployment)
    site.api.control(deployment, "promote")
    done = site.api.wait(deployment)
    assert done.phase == "succeeded", done
    return done
