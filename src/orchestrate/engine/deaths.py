"""Deaths of the process: a deployment that takes it along each time is not tried for ever.

The journal counts every start of a service as another attempt, but a canary of a day, or one that
waits for people over the weekend, outlives any number of orderly restarts. So what counts is a
death without a word, of what has got nowhere since the one before, and soon after it.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from pathlib import Path

from orchestrate.core.deployment import Phase
from orchestrate.store import deployments
from orchestrate.store.database import Session, Store
from orchestrate.store.tables import DeploymentRow, EventRow, now

MOST_DEATHS = 10
"""Deaths of the process that one deployment survives. It is undone then."""
AGAIN_S = 600.0
"""Seconds between two deaths within which the second counts with the first: what takes the process
along does so soon after it is taken up again."""
RECOVERED = "recovered"
_LOOKED_AT = 200


def leave_mark(home: Path, slot: str) -> None:
    """Say that the holder of `slot` ends in order."""
    _mark(home, slot).touch(mode=0o600)


def take_mark(home: Path, slot: str) -> bool:
    """Whether the last holder of `slot` ended in order; the mark holds once."""
    try:
        _mark(home, slot).unlink()
    except FileNotFoundError:
        return False
    return True


def count(store: Store, seqs: Collection[int]) -> None:
    """Record a death of the process that carried these deployments out. Before they go on: one
    that dies again at once must have been counted."""
    with store.session() as session:
        for row in deployments.open_ones(session):
            if row.seq in seqs and row.taken_at is not None:
                text = "the service ended without a word; the deployment goes on where it was"
                deployments.tell(session, row.seq or 0, "deploy", RECOVERED, text)


def may_go_on(session: Session, row: DeploymentRow) -> bool:
    """Whether a deployment goes on that the journal has given up after many restarts."""
    if row.phase == Phase.AWAITING_APPROVAL.value:
        return True  # it does nothing that could take the process along
    return _in_a_row(deployments.newest_events(session, row.seq or 0, _LOOKED_AT)) < MOST_DEATHS


def _in_a_row(events: Sequence[EventRow]) -> int:
    """Deaths since anything else was told, each soon after the one before; newest first."""
    found, later = 0, now()
    for event in events:
        if event.state != RECOVERED or later - event.at > timedelta(seconds=AGAIN_S):
            break
        found, later = found + 1, event.at
    return found


def _mark(home: Path, slot: str) -> Path:
    return home / "run" / f"{slot}.ended"
