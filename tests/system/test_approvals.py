"""A deployment that waits for people, in a real service: who may say yes, and what else ends it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrate.core.identity import Role
from orchestrate.store.database import Store
from tests.support.approvers import Person, asked, person, register, store_of
from tests.support.service import Site, World

pytestmark = pytest.mark.system

AT_ONCE = {"type": "blue-green"}


@pytest.fixture(scope="module")
def store(world: World) -> Iterator[Store]:
    found = store_of(world.home)
    yield found
    found.close()


@pytest.fixture(scope="module")
def dana(world: World, store: Store, tmp_path_factory: pytest.TempPathFactory) -> Person:
    found = person(tmp_path_factory.mktemp("dana"), "dana")
    register(store, found)
    return found


@pytest.fixture(scope="module")
def erin(world: World, store: Store, tmp_path_factory: pytest.TempPathFactory) -> Person:
    found = person(tmp_path_factory.mktemp("erin"), "erin")
    register(store, found, (Role.APPROVER, Role.ADMIN))
    return found


def guarded(world: World, name: str, **rule: object) -> Site:
    """An environment whose changes need a yes."""
    return world.small(name, strategy=AT_ONCE, approvals=rule)


def test_a_deployment_begins_with_another_persons_yes(world: World, dana: Person) -> None:
    site = guarded(world, "yes")
    begun = site.begin("1.0.0")
    approval = asked(site.api, begun.id)
    assert site.api.get(begun.id).phase == "awaiting_approval"
    assert site.live_version() is None
    decided = dana.decide(site.api, approval)
    assert decided["state"] == "approved"
    done = site.api.wait(begun.id)
    assert (done.phase, site.serves()) == ("succeeded", "1.0.0")
    assert done.document["approval"]["by"] == ["dana"]  # type: ignore[index,call-overload]
