"""Who asks: a principal, what it may do, and the person behind it."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Role(StrEnum):
    """What a principal may do. Each role has the rights of those before it, but APPROVER stands
    aside: who deploys does not thereby approve, and who approves does not thereby deploy."""

    VIEWER = "viewer"
    DEPLOYER = "deployer"
    APPROVER = "approver"
    ADMIN = "admin"


def reaches(scope: Collection[str], app: str, name: str) -> bool:
    """Whether a scope, of `app/name` and `name`, holds an environment; an empty one holds all."""
    return not scope or name in scope or f"{app}/{name}" in scope


def narrowed(outer: Collection[str], inner: Collection[str]) -> tuple[str, ...] | None:
    """What lies within both scopes; None where nothing does, for an empty scope holds all."""
    if not outer or not inner:
        return tuple(sorted(set(outer) | set(inner)))
    found = {name for name in inner if _holds(outer, name)}
    found |= {name for name in outer if _holds(inner, name)}
    return tuple(sorted(found)) or None


def within(outer: Collection[str], inner: Collection[str]) -> bool:
    """Whether the scope `inner` holds nothing that `outer` does not."""
    return not outer or (bool(inner) and all(_holds(outer, name) for name in inner))


def _holds(scope: Collection[str], name: str) -> bool:
    return name in scope or ("/" in name and name.rpartition("/")[2] in scope)


@dataclass(frozen=True)
class Principal:
    """Whoever a door has established; never an argument of a call.

    Two principals of one `person` are the same when it comes to approving: a second token, an
    account of another name or an agent on somebody's behalf does not make a second person.
    """

    name: str
    """As the trail shows it: a person's name, or an agent's own word for itself."""
    person: str
    """The human behind it, by the name that is the same at every door."""
    kind: Literal["person", "agent", "service"] = "person"
    roles: frozenset[Role] = frozenset({Role.VIEWER})
    environments: tuple[str, ...] = ()
    """`app/name` or `name` of the environments it is limited to; none means all."""
    credential: str = "socket"
    """What proved it: `socket` (the kernel's word for a user id), `token:<id>`, `session:<id>`,
    `ssh:<fingerprint>`, `passphrase`."""

    def may(self, role: Role) -> bool:
        """Whether it has the rights of `role`. An admin is no approver by that alone."""
        if role is Role.APPROVER:
            return Role.APPROVER in self.roles
        order = (Role.VIEWER, Role.DEPLOYER, Role.ADMIN)
        held = [order.index(each) for each in self.roles if each in order]
        if Role.APPROVER in self.roles:
            held.append(order.index(Role.VIEWER))
        return bool(held) and max(held) >= order.index(role)
