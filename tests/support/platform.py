"""What a platform offers to the contract suite, and what it cannot by nature.

To run the suite on another provider, write a class with the members of `Platform` and give it a
line in tests/contract/conftest.py. A case names what it needs by `@needs(...)`; a platform without
that ability says why in `cannot`, and the matrix at the end of the run shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Literal, Protocol, TypeVar

import pytest

from orchestrate.core.environment import StrategyName
from orchestrate.core.protocols import Provider, Write
from orchestrate.core.revision import Revision

Ability = Literal[
    "answers_requests",  # `ask` sends a request through the front door
    "exact_percents",  # the traffic is divided to the percent
    "first_replicas",  # `Share.replicas` limits who takes requests
    "serves_fallback",  # the fallback answers when no replica of the shares does
    "serves_stopped",  # what was stopped is out of the traffic by itself
    "orders_replicas",  # scaling down ends the highest numbers, growing keeps the lower ones
    "replica_addresses",  # a replica can be asked directly
    "open_connections",  # connections of a replica are counted
    "counts_requests",  # `requests()` answers
    "counts_codes",  # by their very status, and not by its class
    "shows_exits",  # a replica that ended tells its exit code
    "prints",  # the application writes what it is asked to
    "lists_versions",  # a version that is not there is answered with those that are
    "rolls",  # the platform replaces what serves by itself
    "calls_fail",  # `failing` breaks a call on its way
    "has_kept",  # a stopped revision is known to the platform afterwards
]

LOST, UNANSWERED = "lost", "unanswered"
How = Literal["lost", "unanswered"]
"""How a call to the platform fails: it never arrives, or is carried out and its answer is lost."""


class Answer(Protocol):
    """What an application answered."""

    @property
    def status(self) -> int: ...
    @property
    def version(self) -> str | None: ...


class Failing(Protocol):
    """A call that is to fail. `reached` once it was made."""

    reached: bool


class Platform(Protocol):
    """One environment of a provider, with versions 1.0.0 and 1.1.0 that become healthy and 1.2.0
    whose replicas exit at once with code 7 after printing `no settings`."""

    cannot: Mapping[Ability, str]
    """What it cannot by nature, and why. A case that needs it is not run."""
    number: int
    """Of the last write that was given out."""

    @property
    def provider(self) -> Provider: ...

    def another(self) -> Provider:
        """A second provider of the same environment, as another process would have it."""
        ...

    def pinned(self, version: str) -> Revision:
        """The revision that deploying `version` would install."""
        ...

    def write(self, key: str | None = None) -> Write:
        """Permission for the next write."""
        ...

    def up(self, revision: Revision, replicas: int = 2) -> Revision:
        """Start a revision and wait until all of it is healthy."""
        ...

    def route(self, *parts: tuple[Revision, int], fallback: Revision | None = None) -> None:
        """Divide the traffic, by a write of its own."""
        ...

    def live(self, version: str = "1.0.0", replicas: int = 2) -> Revision:
        """Have a version up with all the traffic."""
        ...

    def served(self) -> set[str]:
        """Versions that answer now: by many requests, or by what the platform shows of itself."""
        ...

    def ask(self, path: str = "/") -> Answer:
        """One request through the front door. Needs `answers_requests`."""
        ...

    def copies(self, revision: Revision) -> list[str]:
        """What tells its running replicas apart, in the order of their numbers: pids, ids."""
        ...

    def effects(self, revision: Revision) -> list[str]:
        """What was really done for a revision, oldest first: `started` for each replica begun, and
        other words for other things."""
        ...

    def changes(self) -> int:
        """How often the traffic was really changed."""
        ...

    def failing(self, call: int, how: How) -> AbstractContextManager[Failing]:
        """Let the call with this number (from 1) to the platform fail. Needs `calls_fail`."""
        ...


Case = TypeVar("Case", bound=Callable[..., object])


def needs(*abilities: Ability) -> Callable[[Case], Case]:
    """A case for platforms with these abilities alone."""

    def mark(case: Case) -> Case:
        marked: Case = pytest.mark.needs(*abilities)(case)
        return marked

    return mark


def refuse_unable(request: pytest.FixtureRequest, name: str, cannot: Mapping[Ability, str]) -> None:
    """Leave a case that asks for what the platform cannot do, with the reason it gives."""
    marker = request.node.get_closest_marker("needs")
    request.node.user_properties.append(("platform", name))
    for ability in marker.args if marker else ():
        if ability in cannot:
            request.node.user_properties.append(("cannot", cannot[ability]))
            pytest.skip(f"{name} cannot: {cannot[ability]}")


def refuse_unable_strategy(
    request: pytest.FixtureRequest, platform: Platform, strategy: StrategyName
) -> None:
    """Leave a case about a strategy that the provider says it has not."""
    if strategy in platform.provider.capabilities.strategies:
        return
    reason = f"its provider has no strategy {strategy.value}"
    request.node.user_properties.append(("cannot", reason))
    pytest.skip(reason)
