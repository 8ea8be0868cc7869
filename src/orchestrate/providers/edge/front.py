"""An environment's front door: its edge, and the replicas that stand behind it.

What every provider does whose replicas have addresses on this network: divide the traffic between
revisions, take a replica out of it before it stops, and look whether the edge can serve at all.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Protocol

from orchestrate.core.environment import Environment, HealthGate
from orchestrate.core.errors import OrchestrateError, StepFailed
from orchestrate.core.protocols import Finding, Write
from orchestrate.core.revision import Ref
from orchestrate.core.steps import Share
from orchestrate.providers.edge import traefik
from orchestrate.providers.edge.document import Backend, Present, Traffic
from orchestrate.providers.edge.edge import Edge
from orchestrate.providers.edge.place import own_place, place_of, slug_of
from orchestrate.providers.processes import ports

NO_LIMIT: Mapping[str, int] = {}
LET_GO_S = 3.0
"""The edge gives up an idle connection after 2 s."""


class Replicas(Protocol):
    """Where the replicas of a revision take requests."""

    def addresses(self, key: str, most: int | None = None) -> tuple[str, ...]:
        """http urls of the first `most` replicas wanted; all of them with None."""
        ...

    def health(self, key: str) -> HealthGate:
        """The gate a revision was started with."""
        ...


class Front:
    """The front door of `environment`, below the directory `home`."""

    def __init__(self, environment: Environment, home: str, replicas: Replicas) -> None:
        self.slug = slug_of(environment.app, environment.name)
        self.edge = Edge(home, own_place(home, self.slug, place_of(environment.url)))
        self.replicas = replicas

    def present(self) -> Present:
        return self.edge.present(self.slug)

    def route(self, shares: Sequence[Share], fallback: Ref | None, write: Write) -> None:
        """Divide the traffic; returns once every new request follows."""
        self.edge.apply(self.slug, self._traffic(shares, fallback), write)
        self.edge.leave_other_ports(self.slug)

    def leave(self, key: str, replicas: int, write: Write) -> None:
        """Take a revision's replicas from number `replicas` on out of the traffic, and wait until
        the edge has let go of them. Before they are stopped."""
        present = self.present()
        leaving = present.addresses.get(key, ())[replicas:]
        if not leaving:
            return
        shares, fallback = present.shares, present.fallback
        if replicas == 0:
            shares = _without(shares, key)
            fallback = None if fallback and fallback.key == key else fallback
        self.edge.apply(self.slug, self._traffic(shares, fallback, {key: replicas}), write)
        _let_go(leaving)

    def held_ports(self) -> set[int]:
        """Ports that requests are sent to now: not to be given to anything else."""
        return {port_of(a) for found in self.present().addresses.values() for a in found}

    def findings(self) -> list[Finding]:
        """Whether the edge can serve here. Changes nothing."""
        return [self._traefik(), self._port()]

    def _traffic(
        self, shares: Sequence[Share], fallback: Ref | None, most: Mapping[str, int] = NO_LIMIT
    ) -> Traffic:
        """`most`: replicas of a revision, by key, that may take requests at all."""
        spare = None
        if fallback is not None and self.replicas.addresses(fallback.key):
            spare = self._backend(fallback, 0, None, most)
        return Traffic(
            rule=self.edge.place.rule,
            backends=tuple(
                self._backend(s.revision, s.percent, s.replicas, most) for s in shares if s.percent
            ),
            fallback=spare,
        )

    def _backend(
        self, revision: Ref, percent: int, replicas: int | None, most: Mapping[str, int]
    ) -> Backend:
        limits = [n for n in (replicas, most.get(revision.key)) if n is not None]
        addresses = self.replicas.addresses(revision.key, min(limits, default=None))
        if not addresses:
            raise StepFailed(
                f"no replica of {revision.version} ({revision.key}) runs to take requests",
                fix=["start it first"],
            )
        health = self.replicas.health(revision.key)
        return Backend(revision, addresses, health, percent, replicas)

    def _traefik(self) -> Finding:
        try:
            found = traefik.find(self.edge.engine.cache_directory)
        except OrchestrateError as problem:
            return bad("edge", problem)
        return Finding("edge", True, f"Traefik 3 at {found}")

    def _port(self) -> Finding:
        url = self.edge.place.url
        try:
            self.edge.engine.refuse_taken()
            other = self.edge.claimed_by(self.slug, self.edge.place.rule)
        except OrchestrateError as problem:
            return bad("port", problem)
        if other is not None:
            text = f"{url} is taken by environment {other}"
            fix = "give one of them another port or host in its url"
            return Finding("port", False, text, fix, "provider_config_invalid")
        return Finding("port", True, f"{url} is free or served by our own edge")


def bad(name: str, problem: OrchestrateError) -> Finding:
    """What a problem says, as a finding."""
    text = "; ".join([problem.message, *problem.why])
    return Finding(name, False, text, "; ".join(problem.fix) or None, problem.code)


def port_of(address: str) -> int:
    """The port in `http://127.0.0.1:41001`."""
    return int(address.rsplit(":", 1)[1])


def _let_go(leaving: Sequence[str]) -> None:
    """Wait, within reason, until the edge has no connection left to these addresses."""
    until = time.monotonic() + LET_GO_S
    while time.monotonic() < until:
        left = ports.towards({port_of(address) for address in leaving})
        if left is None or not any(left.values()):
            return
        time.sleep(0.02)


def _without(shares: Sequence[Share], key: str) -> tuple[Share, ...]:
    """The shares without a revision, the others grown in proportion to 100 percent."""
    kept = [share for share in shares if share.revision.key != key and share.percent]
    total, given, found = sum(share.percent for share in kept), 0, []
    for count, share in enumerate(kept, 1):
        percent = 100 - given if count == len(kept) else round(100 * share.percent / total)
        found.append(share.model_copy(update={"percent": percent}))
        given += percent
    return tuple(found)
