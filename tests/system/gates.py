"""Deployments that wait for people in a real service, and the people who decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from orchestrate.core.identity import Role
from orchestrate.store.database import Store
from tests.support.api import Deployment, Json, Problem
from tests.support.approvers import Person, asked, person, register, store_of
from tests.support.service import Site, World

AT_ONCE = {"type": "blue-green"}


@pytest.fixture(scope="module")
def store(world: World) -> Iterator[Store]:
    found = store_of(world.home)
    yield found
    found.close()


@pytest.fixture(scope="module")
def dana(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Person:
    found = person(tmp_path_factory.mktemp("dana"), "dana")
    register(store, found)
    return found


@pytest.fixture(scope="module")
def erin(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Person:
    found = person(tmp_path_factory.mktemp("erin"), "erin", "ecdsa")
    register(store, found, (Role.APPROVER, Role.ADMIN))
    return found


class Gate:
    """A deployment of 1.0.0 that waits for people."""

    def __init__(self, site: Site, **more: object) -> None:
        self.site, self.api = site, site.api
        self.id = site.begin("1.0.0", **more).id
        self.approval = asked(site.api, self.id)

    def now(self) -> Deployment:
        return self.api.get(self.id)

    def shown(self) -> Json:
        return self.api.call("GET", f"/api/approvals/{self.approval}")

    def wait(self) -> Deployment:
        return self.api.wait(self.id)

    def send(self, decision: str = "approve", **body: object) -> Json:
        given = {"plan": self.shown()["plan_digest"], **body}
        return self.api.call("POST", f"/api/approvals/{self.approval}/{decision}", given)

    def refused(self, code: str, act: Callable[[], object]) -> Problem:
        """What `act` is refused with; and nothing was deployed."""
        with pytest.raises(Problem) as problem:
            act()
        assert problem.value.code == code, problem.value
        assert self.now().phase == "awaiting_approval"
        assert self.site.live_version() is None
        return problem.value


def gate(world: World, name: str, **rule: object) -> Gate:
    return Gate(world.small(name, strategy=AT_ONCE, approvals=rule))
