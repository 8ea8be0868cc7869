"""A service with people in several roles, and the door for programs elsewhere open."""

from __future__ import annotations

from orchestrate.core.identity import Role
from tests.support.api import Json
from tests.support.remote import Remote
from tests.support.service import World


class Office:
    """A service with people: lee administers it, dana deploys, kim approves, vic looks."""

    def __init__(self, world: World, port: int) -> None:
        self.world = world
        self.port = port
        self.api = world.api
        self.api.call("POST", "/api/first-administrator", {"person": "lee"})
        for name, role in (("dana", "deployer"), ("kim", "approver"), ("vic", "viewer")):
            self.api.call("POST", "/api/people", {"person": name, "roles": [role]})
        owner = {"dana": "deployer", "kim": "approver", "vic": "viewer", "lee": "admin"}
        self.remotes = {Role(role): self.remote(name, role) for name, role in owner.items()}

    def token(self, person: str, role: str, **more: object) -> str:
        body = {"role": role, "person": person, **more}
        return str(self.api.call("POST", "/api/tokens", body)["token"])

    def remote(self, person: str, role: str, **more: object) -> Remote:
        return Remote(self.port, self.token(person, role, **more))

    def trail(self, **query: str) -> list[Json]:
        found = self.api.call("GET", "/api/audit?" + "&".join(f"{k}={v}" for k, v in query.items()))
        items = found["items"]
        assert isinstance(items, list)
        return [item for item in items if isinstance(item, dict)]
