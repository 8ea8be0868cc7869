"""Database migrations as steps: before a release, after its way back, and what stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import JsonValue

from tests.support.api import Problem
from tests.support.service import World
from tests.support.waiting import eventually
from tests.system.database import CONTRACT, EXPAND, let_the_window_end, site_with

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]


@pytest.mark.trap(16)
def test_expand_runs_once_before_the_release_and_contract_not_before_its_way_back_is_over(
    world: World, tmp_path: Path
) -> None:
    site, database = site_with(world, tmp_path, "both", v1_1_0=[EXPAND, CONTRACT])
    plan = site.api.plan(site.name, "1.1.0")
    titles = [str(step["title"]) for step in _objects(plan["steps"])]
    assert titles[0] == "migrate 0042_add_currency (expand)"
    stays = "migration 0042_add_currency stays (expand; 1.0.0 works with it)"
    assert plan["remains"] == [stays]
    done = site.deploy("1.1.0")
    assert (done.phase, done.document["remains"]) == ("succeeded", [stays])
    assert database.rows() == [("0042_add_currency", "expand", "1.1.0")]
    let_the_window_end(site)
    eventually(lambda: "0043_drop_price" in database.names(), within_s=60)
    eventually(lambda: site.running() == {"1.1.0": 1}, within_s=60)
    retired = site.api.history(site.name)[0]
    assert retired["kind"] == "retire"


@pytest.mark.trap(9)
@pytest.mark.trap(10)
def test_a_way_back_says_what_stays_and_past_a_contraction_it_is_refused(
    world: World, tmp_path: Path
) -> None:
    site, database = site_with(world, tmp_path, "past", v1_1_0=[EXPAND, CONTRACT])
    site.live("1.1.0")
    plan = site.api.plan(site.name, kind="rollback")
    assert plan["remains"] == ["migration 0042_add_currency stays (expand; 1.0.0 works with it)"]
    path = f"/api/environments/{site.name}/contract"
    with pytest.raises(Problem) as asked:
        site.api.call("POST", path, {})
    assert asked.value.code == "confirmation_needed"
    assert "migration 0043_drop_price stays (contract; 1.0.0 may need what it removed)" in (
        asked.value.why
    )
    begun = site.api.call("POST", path, {"confirmed": True, "reason": "1.1.0 stays"})
    assert site.api.wait(str(begun["id"])).phase == "succeeded"
    assert database.names() == ["0042_add_currency", "0043_drop_price"]
    with pytest.raises(Problem) as refused:
        site.api.rollback(site.name)
    assert refused.value.code == "not_restorable"
    assert "0043_drop_price" in " ".join(refused.value.why + refused.value.fix)
    with pytest.raises(Problem) as warned:
        site.api.rollback(site.name, force=True, reason="it does work")
    assert warned.value.code == "confirmation_needed"
    back = site.api.rollback(site.name, force=True, reason="it does work", confirmed=True)
    done = site.api.wait(back.id)
    assert (done.phase, site.serves()) == ("succeeded", "1.0.0")
    remains = done.document["remains"]
    assert isinstance(remains, list) and any("0043_drop_price" in str(r) for r in remains)
    # It has been verified with the database as it is now: from here on it is a way back again.
    site.live("1.1.0")
    assert site.api.wait(site.api.rollback(site.name).id).serving == "1.0.0"


@pytest.mark.trap(17)
def test_a_failure_after_a_migration_says_that_the_database_is_ahead(
    world: World, tmp_path: Path
) -> None:
    world.release("7.0.0", "import sys; sys.exit(3)\n")
    site, database = site_with(world, tmp_path, "ahead", v7_0_0=[EXPAND])
    done = site.deploy("7.0.0")
    assert (done.phase, done.result, site.serves()) == ("rolled_back", "exited", "1.0.0")
    ahead = "migration 0042_add_currency stays (expand; 1.0.0 works with it)"
    assert f"the database is ahead: {ahead}" in _texts(done.error["why"])
    assert database.names() == ["0042_add_currency"]


def test_a_migration_that_fails_ends_it_before_anything_is_started(
    world: World, tmp_path: Path
) -> None:
    bad = {"name": "0050_broken", "phase": "expand"}
    site, database = site_with(world, tmp_path, "broken", v1_1_0=[EXPAND, bad])
    done = site.deploy("1.1.0")
    assert (done.phase, done.result) == ("failed", "migration_failed"), done
    assert site.running() == {"1.0.0": 1}
    assert "no such column: price" in _texts(done.error["untrusted_lines"])
    assert any("the database is ahead" in line for line in _texts(done.error["why"]))
    assert database.names() == ["0042_add_currency"]
    assert not done.document["quarantined"]


@pytest.mark.trap(18)
def test_of_two_deployments_at_once_one_migrates(world: World, tmp_path: Path) -> None:
    site, database = site_with(world, tmp_path, "race", v1_1_0=[EXPAND])
    begun = site.begin("1.1.0")
    with pytest.raises(Problem) as refused:
        site.begin("1.1.0", strategy="rolling")
    assert refused.value.code in ("environment_busy", "plan_changed")
    assert site.api.wait(begun.id).phase == "succeeded"
    assert database.names() == ["0042_add_currency"]


def test_a_service_killed_while_it_migrates_goes_on_and_migrates_once(
    world: World, tmp_path: Path
) -> None:
    slow = {"name": "0042_add_currency", "phase": "expand"}
    site, database = site_with(world, tmp_path, "killed", v1_1_0=[slow])
    begun = site.begin("1.1.0")
    world.service.kill()
    world.service.start()
    done = site.api.wait(begun.id)
    assert (done.phase, done.serving) == ("succeeded", "1.1.0"), done
    assert database.names() == ["0042_add_currency"]


def test_what_there_is_can_be_looked_at(world: World, tmp_path: Path) -> None:
    site, _ = site_with(world, tmp_path, "looked", v1_1_0=[EXPAND, CONTRACT])
    site.live("1.1.0")
    found = site.api.call("POST", f"/api/environments/{site.name}/migrations", {})
    assert found["summary"] == "looked: 1 of 2 migrations of 1.1.0 are applied"
    states = {str(item["name"]): item["applied"] for item in _objects(found["items"])}
    assert states == {"0042_add_currency": True, "0043_drop_price": False}


def _texts(value: JsonValue) -> list[str]:
    assert isinstance(value, list)
    return [str(each) for each in value]


def _objects(value: JsonValue) -> list[dict[str, JsonValue]]:
    assert isinstance(value, list)
    return [each for each in value if isinstance(each, dict)]
