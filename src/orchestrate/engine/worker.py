"""The worker: holds a slot, carries out deployments, and watches over what runs.

One in each service; on PostgreSQL any number may share a store.
"""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from pydantic import JsonValue
from sqlalchemy.exc import IntegrityError

from orchestrate.core.deployment import Phase
from orchestrate.core.errors import OrchestrateError
from orchestrate.engine import asking, ballast
from orchestrate.engine.changes import Changes
from orchestrate.engine.durable import Durable, JournalFailed
from orchestrate.engine.hands import WorldlyHands
from orchestrate.engine.leases import Lease, is_free
from orchestrate.engine.site import site_of
from orchestrate.engine.workflow import Run
from orchestrate.store import deployments, environments
from orchestrate.store.database import Store
from orchestrate.store.tables import now

log = logging.getLogger(__name__)

TICK_S = 1.0
WATCH_EVERY = 2
"""Ticks between two looks after processes and edges."""
FORGET_EVERY = 3600
JOURNALS_KEPT = timedelta(days=7)
"""How long the journal of a deployment that has ended is kept; its records stay for ever."""


class Worker:
    """Executes deployments of one store under one lease."""

    def __init__(self, store: Store, home: Path, lease: Lease, changes: Changes) -> None:
        self.store = store
        self.home = home
        self.changes = changes
        self._lease = lease
        self._durable = Durable(store, lease.slot)
        self._hands = WorldlyHands(store, home, lease.token, changes.tell)
        self._broken_off: set[int] = set()
        """Deployments whose journal could not be written."""
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="worker", daemon=True)
        self.lost: Callable[[], None] = self._stop.set
        """Called when the lease is lost: the process must end."""

    def launch(self) -> None:
        """Begin: recover what broke off, then keep looking."""
        self._durable.launch(self._carry_out)
        self._resume_broken()
        self._thread.start()

    def close(self) -> None:
        """Stop looking and executing. What runs goes on at the next launch."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=30)
        self._durable.close()

    def begin(self, seq: int) -> None:
        """Carry out a deployment that has taken its environment, at once."""
        self._durable.start(_workflow(seq), seq)

    def send(self, seq: int, message: dict[str, JsonValue], key: str) -> None:
        """Leave a message for a running deployment."""
        self._durable.send(self._running_workflow(seq), message, key)
        self.changes.tell(seq)

    def nudge(self) -> None:
        """Look for waiting deployments now rather than at the next tick."""
        self._wake.set()

    def _carry_out(self, seq: int, undo_only: bool) -> str:
        try:
            return Run(self._durable, self._hands, seq).carry_out(undo_only)
        except JournalFailed:
            log.error("deployment d%s broke off: its journal cannot be written", seq, exc_info=True)
            self._broken_off.add(seq)
            raise
        except Exception:
            # The record stays open; the next look finds the broken workflow and undoes it.
            log.exception("deployment d%s broke off", seq)
            raise
        finally:
            self.nudge()

    # -- the loop

    def _loop(self) -> None:
        tick = 0
        while not self._stop.is_set():
            self._wake.wait(TICK_S)
            self._wake.clear()
            if self._stop.is_set():
                return
            try:
                self._lease.check()
            except Exception:
                log.critical("the lease was lost; this worker stops", exc_info=True)
                self.lost()
                return
            self._guarded(self._survive_full_disk)
            self._guarded(self._start_waiting)
            self._guarded(self._retire_due)
            if tick % WATCH_EVERY == 0:
                self._guarded(self._watch_over)
                self._guarded(self._adopt_orphans)
                self._guarded(self._resume_broken)
            if tick % FORGET_EVERY == 0:
                self._guarded(self._forget_old)
            tick += 1

    def _guarded(self, act: Callable[[], None]) -> None:
        """One failing chore must not end the loop; it is told and comes again."""
        try:
            act()
        except Exception:
            log.exception("%s failed; it is tried again", act.__name__)

    def _survive_full_disk(self) -> None:
        """Give the ballast up so that what runs can end: it must be able to write that down."""
        with self.store.session() as session:
            runs = any(row.taken_at is not None for row in deployments.open_ones(session))
        if runs and ballast.give_up_when_full(self.home):
            log.warning("the disk is full: the ballast is given up so that what runs can end")

    def _start_waiting(self) -> None:
        """Let the oldest waiting deployment of each free environment take it."""
        with self.store.session() as session:
            open_ones = deployments.open_ones(session)
        taken = {row.environment_id for row in open_ones if row.taken_at is not None}
        for row in open_ones:
            if row.taken_at is None and row.environment_id not in taken:
                taken.add(row.environment_id)
                self._start_one(row.seq or 0)

    def _start_one(self, seq: int) -> None:
        try:
            with self.store.session() as session:
                asking.replan(session, self.home, seq)
                deployments.take(session, deployments.get(session, seq))
        except IntegrityError:
            return  # somebody else took the environment first
        except OrchestrateError as error:
            with self.store.session() as session:
                row = deployments.get(session, seq)
                row.result, row.error = error.code, _plain(error)
                deployments.set_phase(session, row, Phase.FAILED)
                deployments.skip_waiting(session, seq)
                deployments.tell(session, seq, "deploy", "failed", error.message)
            self.changes.tell(seq)
            return
        self.begin(seq)

    def _retire_due(self) -> None:
        """Stop revisions whose time as a quick way back is over."""
        with self.store.session() as session:
            due = [
                row.id
                for row in environments.every(session)
                if row.kept_until is not None and row.kept_until <= now()
            ]
        for identity in due:
            seq = asking.retire(self.store, self.home, identity or 0)
            if seq is not None:
                self.begin(seq)

    def _watch_over(self) -> None:
        """Have each provider start again what should run and does not."""
        with self.store.session() as session:
            rows = environments.every(session)
        for row in rows:
            if row.live_revision_id is None:
                continue
            ensure = getattr(site_of(row, self.home).provider, "ensure", None)
            if ensure is not None:
                ensure()

    def _adopt_orphans(self) -> None:
        """On a shared database: go on with what dead workers left."""
        if not self.store.url.startswith("sqlite"):
            self._durable.adopt(lambda slot: is_free(slot, self.home, self.store.url))

    def _forget_old(self) -> None:
        while self._durable.forget(now() - JOURNALS_KEPT):
            pass

    def _resume_broken(self) -> None:
        """Deployments that are open without a workflow that runs: go on, start it, or undo."""
        for seq in list(self._broken_off):
            self._durable.resume(self._running_workflow(seq))
            self._broken_off.discard(seq)
        with self.store.session() as session:
            taken = [r.seq or 0 for r in deployments.open_ones(session) if r.taken_at is not None]
        for seq in taken:
            status = self._durable.status(self._running_workflow(seq))
            if status is None:
                self.begin(seq)
            elif status == "ERROR" and self._durable.status(f"{_workflow(seq)}-undo") is None:
                log.error("deployment d%s broke off: undoing it", seq)
                self._durable.start(f"{_workflow(seq)}-undo", seq, undo_only=True)

    def _running_workflow(self, seq: int) -> str:
        undo = f"{_workflow(seq)}-undo"
        return undo if self._durable.status(undo) is not None else _workflow(seq)


def _workflow(seq: int) -> str:
    return f"d{seq}"


def _plain(error: OrchestrateError) -> dict[str, JsonValue]:
    from pydantic import TypeAdapter

    return TypeAdapter(dict[str, JsonValue]).validate_python(error.as_dict())
