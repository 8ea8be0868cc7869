"""Contracting the database: what takes a way back away waits for people and windows, too."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from pydantic import JsonValue

from tests.support.api import Deployment, Problem
from tests.support.approvers import Person, asked
from tests.support.service import Site, World
from tests.support.waiting import eventually
from tests.system.database import CONTRACT, EXPAND, let_the_window_end, site_with
from tests.system.gates import dana, store

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

__all__ = ["dana", "store"]


ALWAYS = {"zone": "UTC", "name": "sale", "start": "2000-01-01T00:00", "end": "2999-01-01T00:00"}


def contract(site: Site) -> Deployment:
    path = f"/api/environments/{site.name}/contract"
    return Deployment(site.api.call("POST", path, {"confirmed": True, "reason": "1.1.0 stays"}))


def _behind_its_back(site: Site, expand: JsonValue) -> None:
    """Write to the database past the service."""
    with sqlite3.connect(site.world.home / "orchestrate.db", timeout=20) as store:
        store.execute(
            "UPDATE environments SET rules = json_set(rules, '$.migrations.expand', json(?))"
            " WHERE name = ?",
            (json.dumps(expand), site.name),
        )


def retired(site: Site) -> None:
    """The service has stopped what was kept, by itself."""
    let_the_window_end(site)
    eventually(lambda: site.api.history(site.name)[0]["kind"] == "retire", within_s=60)
    eventually(lambda: site.api.history(site.name)[0]["phase"] == "succeeded", within_s=60)
    assert site.running() == {"1.1.0": 1}


@pytest.mark.attack(
    "AP16", "a contraction of the database that no person has approved", "left for a person"
)
def test_where_an_approval_is_needed_the_service_does_not_contract_and_a_person_waits_for_it(
    world: World, dana: Person, tmp_path: Path
) -> None:
    site, database = site_with(world, tmp_path, "asked", v1_1_0=[EXPAND, CONTRACT])
    site.live("1.1.0")
    site.change(approvals={"count": 1})
    retired(site)
    assert database.names() == ["0042_add_currency"], "the service alone does not take it away"
    waits = contract(site)
    approval = asked(site.api, waits.id)
    shown = site.api.call("GET", f"/api/approvals/{approval}")
    assert "0043_drop_price" in str(shown)
    assert database.names() == ["0042_add_currency"]
    dana.decide(site.api, approval)
    done = site.api.wait(waits.id)
    assert done.phase == "succeeded", done
    assert database.names() == ["0042_add_currency", "0043_drop_price"]


def test_in_a_freeze_nobody_contracts_and_what_was_kept_is_stopped(
    world: World, tmp_path: Path
) -> None:
    site, database = site_with(world, tmp_path, "freeze", v1_1_0=[EXPAND, CONTRACT])
    site.live("1.1.0")
    site.change(calendar={"freezes": [ALWAYS]})
    retired(site)
    with pytest.raises(Problem) as refused:
        contract(site)
    assert refused.value.code == "window_closed"
    assert database.names() == ["0042_add_currency"]
    site.change(calendar={})
    assert site.api.wait(contract(site).id).phase == "succeeded"
    assert database.names() == ["0042_add_currency", "0043_drop_price"]


@pytest.mark.attack(
    "AP17", "the commands that migrate are exchanged after the plan was approved", "refused"
)
def test_commands_that_were_exchanged_after_the_approval_do_not_run(
    world: World, dana: Person, tmp_path: Path
) -> None:
    site, database = site_with(world, tmp_path, "swapped", v1_1_0=[EXPAND])
    site.change(approvals={"count": 1})
    plan = site.api.plan(site.name, "1.1.0")
    settings = site.settings["migrations"]
    assert isinstance(settings, dict)
    evil: JsonValue = [*settings["expand"][:2], "run", "0666_evil", "{phase}"]
    waits = site.api.start(str(plan["digest"]))
    approval = asked(site.api, waits.id)
    with pytest.raises(Problem) as busy:
        site.change(migrations={**settings, "expand": evil})
    assert busy.value.code == "environment_busy" and "migrations" in " ".join(busy.value.why)
    _behind_its_back(site, evil)
    dana.decide(site.api, approval)
    done = site.api.wait(waits.id)
    assert (done.phase, done.result) == ("failed", "plan_changed"), done
    assert database.names() == []
