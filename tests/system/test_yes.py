"""Production changes by a person's yes, whichever way somebody tries to get round it."""

from __future__ import annotations

import pytest

from tests.support.api import Problem
from tests.support.service import Site, World

pytestmark = pytest.mark.system

AT_ONCE = {"type": "blue-green"}


@pytest.fixture(scope="module", autouse=True)
def more_versions(world: World) -> None:
    world.release("2.0.0")


def production(world: World, name: str, *versions: str) -> Site:
    site = world.small(name, strategy=AT_ONCE, type="production")
    for version in versions:
        assert site.deploy(version, confirmed=True).phase == "succeeded"
    return site


def test_the_way_back_to_the_last_verified_revision_needs_none(world: World) -> None:
    site = production(world, "back", "1.0.0", "1.1.0")
    assert site.api.wait(site.api.rollback(site.name).id).phase == "succeeded"
    assert site.serves() == "1.0.0"


def test_a_rollback_to_any_other_version_needs_it(world: World) -> None:
    site = production(world, "other", "1.0.0", "1.1.0", "2.0.0")
    refused(site, lambda: site.api.rollback(site.name, version="1.0.0"))
    plan = site.api.plan(site.name, "1.0.0", kind="rollback")
    refused(site, lambda: site.api.start(str(plan["digest"])))
    assert site.serves() == "2.0.0"


def test_forcing_a_quarantined_revision_needs_it_and_a_reason(world: World) -> None:
    site = production(world, "forced", "1.0.0", "1.1.0")
    site.api.wait(site.api.rollback(site.name, quarantine=True).id)
    with pytest.raises(Problem) as unreasoned:
        site.api.rollback(site.name, version="1.1.0", force=True)
    assert unreasoned.value.code == "invalid_input"
    refused(
        site, lambda: site.api.rollback(site.name, version="1.1.0", force=True, reason="I want it")
    )
    assert site.serves() == "1.0.0"


def test_a_plan_of_a_deleted_environment_does_not_reach_one_of_its_name(world: World) -> None:
    site = world.small("reborn", strategy=AT_ONCE)
    plan = site.api.plan(site.name, "1.1.0")  # from nothing, as in the one that comes after
    site.live("1.0.0")  # a history, so that it is archived
    site.api.call("DELETE", f"/api/environments/{site.name}?confirm={site.name}&reason=x")
    again = world.small("reborn", strategy=AT_ONCE, type="production", url=site.url)
    with pytest.raises(Problem) as stopped:
        again.api.start(str(plan["digest"]))
    assert stopped.value.code in ("plan_changed", "unknown_plan")
    assert again.live_version() is None


def test_an_environment_that_was_only_planned_for_can_be_deleted(world: World) -> None:
    site = world.small("planned", strategy=AT_ONCE)
    site.api.plan(site.name, "1.0.0")
    gone = site.api.call("DELETE", f"/api/environments/{site.name}?confirm={site.name}&reason=x")
    assert gone["archived"] is False


@pytest.mark.trap(59)
def test_the_same_key_is_the_same_deployment_whatever_came_between(world: World) -> None:
    site = world.small("keyed", strategy=AT_ONCE)
    digest = str(site.api.plan(site.name, "1.0.0")["digest"])
    first = site.api.start(digest, idempotency_key="k1")
    site.api.wait(first.id)
    site.live("1.1.0")
    assert site.api.start(digest, idempotency_key="k1").id == first.id
    assert site.serves() == "1.1.0"


@pytest.mark.trap(59)
def test_a_key_of_another_request_is_refused(world: World) -> None:
    site = world.small("keyed-twice", strategy=AT_ONCE)
    first = site.api.start(str(site.api.plan(site.name, "1.0.0")["digest"]), idempotency_key="k1")
    site.api.wait(first.id)
    other = str(site.api.plan(site.name, "1.1.0")["digest"])
    with pytest.raises(Problem) as caught:
        site.api.start(other, idempotency_key="k1")
    assert (caught.value.status, caught.value.code) == (409, "idempotency_key_used")
    assert first.id in str(caught.value)
    assert site.serves() == "1.0.0"


def refused(site: Site, act: object) -> None:
    assert callable(act)
    with pytest.raises(Problem) as problem:
        act()
    assert problem.value.code == "confirmation_needed"
