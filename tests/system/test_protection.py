"""What protects an environment is made less strict by an admin, and by somebody else's yes."""

from __future__ import annotations

import pytest

from tests.support.api import Problem
from tests.support.approvers import Person
from tests.support.service import World
from tests.system.gates import AT_ONCE, dana, erin, store

pytestmark = pytest.mark.system

__all__ = ["dana", "erin", "store"]


class TestARuleThatIsMadeWeaker:
    @pytest.mark.attack(
        "AG05", "the file of the repository turns the approvals off", "needs a yes of its own"
    )
    def test_needs_a_yes_of_its_own(self, world: World, dana: Person, erin: Person) -> None:
        site = world.small("weaker", strategy=AT_ONCE, approvals={"count": 2})
        with pytest.raises(Problem) as refused:
            site.change(approvals=None, requires_approval=False)
        assert refused.value.code == "approval_required"
        assert "may tighten" in str(refused.value.why)
        number = refused.value.message.split()[-1]
        trail = world.api.call("GET", f"/api/audit?subject={number}")["items"]
        assert isinstance(trail, list)
        (asked,) = [e for e in trail if isinstance(e, dict) and e["action"] == "approval.request"]
        assert "approvals are no longer required" in str(asked["details"])
        assert site.api.environment("weaker")["requires_approval"] is True
        for someone in (dana, erin):
            someone.decide(world.api, number)
        with pytest.raises(Problem) as other:
            site.change(approvals={"count": 1})
        assert other.value.code == "approval_required", "a yes is to that very change"
        site.change(approvals=None, requires_approval=False)
        assert site.api.environment("weaker")["requires_approval"] is False

    def test_made_stricter_needs_none(self, world: World, dana: Person) -> None:
        site = world.small("stricter", strategy=AT_ONCE, approvals={"count": 1})
        site.change(approvals={"count": 2})
        assert site.api.environment("stricter")["requires_approval"] is True

    def test_a_protected_environment_is_deleted_with_a_yes(
        self, world: World, dana: Person
    ) -> None:
        world.small("doomed", strategy=AT_ONCE, type="production", approvals={})
        path = "/api/environments/doomed?confirm=doomed&reason=x"
        with pytest.raises(Problem) as refused:
            world.api.call("DELETE", path)
        assert refused.value.code == "approval_required"
        dana.decide(world.api, refused.value.message.split()[-1])
        assert world.api.call("DELETE", path)["name"] == "doomed"
