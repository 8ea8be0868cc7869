"""Watching over a release after its success, for as long as the old revision is kept beside it.

A release that keeps ending is taken back by a rollback of its own, at most once: a rollback is not
guarded, and neither is a release after which anything else was changed. What was refused, or waits,
has changed nothing.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from orchestrate.core.deployment import Kind
from orchestrate.core.errors import OrchestrateError
from orchestrate.core.protocols import Replica
from orchestrate.engine.asking import SERVICE, Request, take
from orchestrate.engine.executors.health import MOST_RESTARTS
from orchestrate.engine.planning import draft_rollback
from orchestrate.engine.site import Place, Site, site_of
from orchestrate.store import deployments, environments, revisions
from orchestrate.store.tables import EnvironmentRow, now

log = logging.getLogger(__name__)


@dataclass
class Guard:
    """Remembers how often replicas had been restarted when it began to watch a release."""

    place: Place
    site: Callable[[EnvironmentRow, Place], Site] = site_of
    clock: Callable[[], float] = time.monotonic
    _asked: dict[int, float] = field(default_factory=dict)
    """When a platform was asked last, by environment."""
    _before: dict[int, Mapping[int, int]] = field(default_factory=dict)
    """Restarts by replica, by deployment."""

    def watch(self, row: EnvironmentRow) -> int | None:
        """The rollback that must begin because what `row` serves keeps ending; else None."""
        if not self._guarded(row):
            return None
        replicas = self._replicas(row)
        if replicas is None:
            return None
        before = self._before.setdefault(
            row.live_deployment or 0, {r.number: r.restarts for r in replicas}
        )
        reason = crashing(replicas, before)
        return self._take_back(row, reason) if reason else None

    def _guarded(self, row: EnvironmentRow) -> bool:
        """Whether what is live is a release whose old revision is kept, and nothing came since."""
        if row.kept_until is None or row.kept_until <= now() or row.live_deployment is None:
            return False
        with self.place.store.session() as session:
            newest = deployments.newest_in_effect(session, row.id or 0)
        return (
            newest is not None
            and newest.seq == row.live_deployment
            and newest.kind == Kind.DEPLOY.value
        )

    def _replicas(self, row: EnvironmentRow) -> tuple[Replica, ...] | None:
        """None while the platform does not like to be asked again."""
        provider = self.site(row, self.place).provider
        at, last = self.clock(), self._asked.get(row.id or 0)
        if last is not None and at - last < provider.capabilities.ask_every_s:
            return None
        self._asked[row.id or 0] = at
        with self.place.store.session() as session:
            live = revisions.live(session, row)
        assert live is not None
        return provider.observe().replicas(live.key)

    def _take_back(self, row: EnvironmentRow, reason: str) -> int | None:
        log.error("%s is taken back: %s", row.name, reason)
        request = Request(actor=SERVICE, reason=reason, quarantine=True)
        try:
            with self.place.store.session() as session:
                again = environments.get(session, row.id or 0)
                draft = draft_rollback(session, self.place, again)
            seq, begins = take(self.place.store, draft, request)
        except OrchestrateError as error:
            log.error("%s cannot be taken back: %s", row.name, error.message)
            return None
        return seq if begins else None


def crashing(replicas: tuple[Replica, ...], before: Mapping[int, int]) -> str | None:
    """Why these replicas are taken for a crash loop, in words; None when they are not."""
    for replica in replicas:
        more = replica.restarts - before.get(replica.number, 0)
        gave_up = replica.state == "exited" and replica.reason == "gave up"
        if more < MOST_RESTARTS and not gave_up:
            continue
        how = "" if replica.exit_code is None else f", last with exit code {replica.exit_code}"
        return f"replica {replica.number} keeps ending: restarted {more} times{how}"
    return None
