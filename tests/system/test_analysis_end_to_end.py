"""Canary analysis with real processes behind the real edge, under real requests."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import JsonValue

from tests.support.api import Deployment, Problem
from tests.support.load import Load, until
from tests.support.local import APP
from tests.support.service import Site, World
from tests.support.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.alone, pytest.mark.timeout(180)]

# Fails all requests from the moment that a file is there.
BREAKABLE = APP.replace(
    'status = int(value) if what == "status" else 200',
    'status = int(value) if what == "status" else 200\n'
    '        status = 500 if os.path.exists(os.environ["BROKEN"]) else status',
)
# 49 has no factor in common with the weights, so that neither version gets all the errors.
TWO_IN_A_HUNDRED = (*["/"] * 48, "/status/500")
RATE = 150.0


def canary(steps: list[int], **analyse: object) -> dict[str, object]:
    return {"type": "canary", "steps": steps, "analyse": {"window_s": 3, **analyse}}


def running(site: Site, deployment: Deployment, key: str) -> Deployment:
    """The deployment once its step `key` runs."""

    def at() -> Deployment | None:
        now = site.api.get(deployment.id)
        assert not now.terminal, now
        return now if now.steps.get(key) == "running" else None

    found = eventually(at, within_s=60)
    assert found is not None
    return found


def verdict(deployment: Deployment) -> dict[str, JsonValue]:
    found = deployment.document["verdict"]
    assert isinstance(found, dict)
    return found


def test_a_release_whose_errors_begin_at_half_the_traffic_is_rolled_back_by_itself(
    world: World, tmp_path: Path
) -> None:
    switch = tmp_path / "broken"
    world.release("2.0.0")
    world.release("2.1.0", BREAKABLE)
    site = world.small("late", strategy=canary([10, 50, 100]), variables={"BROKEN": str(switch)})
    site.live("2.0.0")
    with Load.start(site.url, rate=RATE, path="/") as load:
        begun = site.begin("2.1.0")
        running(site, begun, "analyse-50")
        eventually(lambda: site.api.get(begun.id).text("analyse-50"), within_s=60)
        switch.touch()
        done = site.api.wait(begun.id)
        load.stop()
    assert (done.phase, done.result, done.serving) == ("rolled_back", "analysis_abort", "2.0.0")
    assert done.document["quarantined"]
    assert done.steps["analyse-10"] == "undone"
    assert verdict(done)["outcome"] == "abort", "the last word is the one that ended it"
    analysis = site.api.call("GET", f"/api/analysis?deployment={done.id}&svg=true")
    assert str(analysis["svg"]).startswith("<svg ")
    (errors,) = analysis["metrics"]  # type: ignore[misc, union-attr]
    assert isinstance(errors, dict)
    assert isinstance(errors["old"], dict) and errors["old"]["failed"] == 0


def test_a_good_release_under_two_percent_of_errors_is_promoted(world: World) -> None:
    world.release("3.0.0")
    world.release("3.1.0")
    site = world.small("good", strategy=canary([20, 50, 100], min_requests=50))
    site.live("3.0.0")
    with Load.start(site.url, rate=RATE, path=TWO_IN_A_HUNDRED) as load:
        until(load, lambda counts: counts.by_status.get("500", 0) > 3)
        done = site.deploy("3.1.0")
        load.stop()
    assert (done.phase, done.serving) == ("succeeded", "3.1.0")
    found = verdict(done)
    assert found["outcome"] == "promote", found
    analysis = site.api.call("GET", "/api/analysis?environment=good")
    (errors,) = analysis["metrics"]  # type: ignore[misc, union-attr]
    assert isinstance(errors, dict)
    both = [errors["new"], errors["old"]]
    assert all(isinstance(each, dict) and each["failed"] for each in both), "errors reached both"


@pytest.mark.trap(45)
def test_a_release_without_traffic_is_held_and_not_passed(world: World) -> None:
    world.release("4.0.0")
    world.release("4.1.0")
    site = world.small("quiet", strategy=canary([20, 100], window_s=1))
    site.live("4.0.0")
    begun = site.begin("4.1.0")

    def held() -> bool:
        now = site.api.get(begun.id)
        assert not now.terminal, now
        return now.text("analyse-20").startswith("hold: no data")

    eventually(held, within_s=60)
    assert site.weights() == {"4.0.0": 80, "4.1.0": 20}
    assert verdict(site.api.get(begun.id))["state"] == "no_data"
    site.api.control(begun.id, "cancel")
    done = site.api.wait(begun.id)
    assert (done.phase, done.serving) == ("rolled_back", "4.0.0")
    assert not done.document["quarantined"], "nothing was found against it"


def test_a_plan_that_cannot_come_to_a_verdict_is_refused_unless_a_person_is_waited_for(
    world: World,
) -> None:
    world.release("5.0.0")
    world.release("5.1.0")
    strategy = canary([20, 100], horizon_s=20)
    site = world.small("vain", strategy=strategy)
    site.live("5.0.0")
    with pytest.raises(Problem) as refused:
        site.begin("5.1.0")
    assert refused.value.code == "verdict_out_of_reach"
    assert "hardly any traffic was counted" in refused.value.why[0]
    plan = site.api.plan("vain", "5.1.0")
    assert isinstance(plan["analysis"], dict) and plan["analysis"]["problem"]
    site.change(strategy=canary([20, 100], horizon_s=20, at_horizon="hold"))
    begun = site.begin("5.1.0")
    running(site, begun, "analyse-20")
    site.api.control(begun.id, "promote")
    assert site.api.wait(begun.id).phase == "succeeded"
