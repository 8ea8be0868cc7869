"""Where a rollback leads: to what the live revision replaced, whatever happened in between."""

from __future__ import annotations

import pytest

from tests.support.api import Problem
from tests.support.service import Site, World
from tests.support.waiting import eventually

pytestmark = pytest.mark.system

AT_ONCE = {"type": "blue-green"}
HELD = {"type": "canary", "steps": [50, 100], "analyse": {"window_s": 0, "min_requests": 10}}


@pytest.fixture(scope="module", autouse=True)
def more_versions(world: World) -> None:
    for version in ("2.0.0", "3.0.0"):
        world.release(version)


@pytest.mark.trap(2)
def test_a_version_that_was_tried_in_vain_before_leads_back_to_what_it_replaced(
    world: World,
) -> None:
    site = world.small("tried", strategy=HELD)
    site.live("1.0.0")
    tried = site.begin("3.0.0")
    site.api.control(tried.id, "cancel")
    assert site.api.wait(tried.id).terminal
    for version in ("1.1.0", "2.0.0", "3.0.0"):
        promoted(site, version)
    back = site.api.wait(site.api.rollback(site.name).id)
    assert (back.phase, site.serves()) == ("succeeded", "2.0.0")


def test_one_that_waited_leads_back_to_what_was_live_when_it_began(world: World) -> None:
    site = world.small("waited", strategy=HELD, when_busy="queue")
    site.live("1.0.0")
    first, second = site.begin("1.1.0"), site.begin("2.0.0")
    for deployment in (first, second):
        promote(site, deployment.id)
    site.api.wait(site.api.rollback(site.name).id)
    assert site.serves() == "1.1.0"


def test_after_going_there_and_back_by_deployments_it_leads_to_the_other(world: World) -> None:
    site = world.small("toggled", strategy=AT_ONCE)
    for version in ("1.0.0", "1.1.0", "1.0.0"):
        site.live(version)
    site.api.wait(site.api.rollback(site.name).id)
    assert site.serves() == "1.1.0"


@pytest.mark.trap(5)
def test_what_a_rollback_left_is_no_target_of_the_next(world: World) -> None:
    site = world.small("left", strategy=AT_ONCE)
    for version in ("1.0.0", "1.1.0", "1.0.0"):
        site.live(version)
    site.api.wait(site.api.rollback(site.name).id)
    with pytest.raises(Problem) as refused:
        site.api.rollback(site.name)
    assert refused.value.code == "no_rollback_target"
    assert site.serves() == "1.1.0"


@pytest.mark.trap(3)
def test_a_plan_takes_a_change_of_settings_back_within_one_version(world: World) -> None:
    site = world.small("settings", strategy=AT_ONCE, variables={"COLOUR": "red"})
    site.live("1.0.0")
    site.change(variables={"COLOUR": "blue"})
    site.live("1.0.0")
    plan = site.api.plan(site.name, kind="rollback")
    done = site.api.wait(site.api.start(str(plan["digest"])).id)
    assert done.phase == "succeeded"
    assert done.document["to_revision"] != done.document["from_revision"]
    shown = site.api.environment(site.name)
    assert shown["drift"] == ["variable COLOUR was changed since; deploy to apply it"]


def test_traffic_that_a_deployment_moves_is_no_drift(world: World) -> None:
    site = world.small("moving", strategy=AT_ONCE)
    site.live("1.0.0")
    site.change(strategy={"type": "blue-green", "bake_s": 120})
    baking = site.begin("1.1.0")
    eventually(lambda: site.api.environment(site.name)["weights_percent"] == {"1.1.0": 100})
    shown = site.api.environment(site.name)
    assert (shown["live"]["version"], shown["drift"]) == ("1.0.0", [])  # type: ignore[index,call-overload]
    site.api.control(baking.id, "cancel")
    assert site.api.wait(baking.id).terminal


@pytest.mark.trap(11)
def test_a_rollback_never_waits_behind_a_deployment(world: World) -> None:
    site = world.small("hurry", strategy=HELD, when_busy="queue")
    site.live("1.0.0")
    promoted(site, "1.1.0")
    running = site.begin("2.0.0")
    with pytest.raises(Problem) as refused:
        site.api.rollback(site.name)
    assert refused.value.code == "environment_busy"
    assert "cancelling it puts 1.1.0 back" in refused.value.why
    assert refused.value.fix == [f"orchestrate deploy cancel {running.id}"]
    promote(site, running.id)
    assert site.serves() == "2.0.0"


def test_the_first_release_under_way_is_taken_back_by_cancelling_it(world: World) -> None:
    site = world.small("second", strategy=HELD)
    site.live("1.0.0")
    running = site.begin("1.1.0")
    with pytest.raises(Problem) as refused:
        site.api.rollback(site.name)
    assert refused.value.code == "environment_busy"
    assert refused.value.fix == [f"orchestrate deploy cancel {running.id}"]
    site.api.control(running.id, "cancel")
    assert site.api.wait(running.id).phase == "rolled_back"
    assert site.serves() == "1.0.0"


def promoted(site: Site, version: str) -> None:
    promote(site, site.begin(version).id)
    assert site.serves() == version


def promote(site: Site, deployment: str) -> None:
    """Have a held canary take everything."""
    eventually(lambda: site.api.get(deployment).text("analyse-50").startswith("hold"), within_s=60)
    site.api.control(deployment, "promote")
    assert site.api.wait(deployment).phase == "succeeded"
