"""The worker: holds a slot, carries out deployments, and watches over what runs.

One in each service; on PostgreSQL any number may share a store.
"""

import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from pathlib import Path

from pydantic import JsonValue

from orchestrate.core.protocols import Mending
from orchestrate.engine import asking, ballast, deaths, journal
from orchestrate.engine.changes import Changes
from orchestrate.engine.deciding import Deciding
from orchestrate.engine.durable import Durable, JournalFailed, WorkflowState
from orchestrate.engine.factors import Factors
from orchestrate.engine.guarding import Guard
from orchestrate.engine.hands import WorldlyHands
from orchestrate.engine.leases import Lease, is_free
from orchestrate.engine.notifying import Notifier
from orchestrate.engine.queueing import Queue, told
from orchestrate.engine.requesting import due_requests
from orchestrate.engine.seal import Seal
from orchestrate.engine.site import Place, site_of
from orchestrate.engine.workflow import Run
from orchestrate.store import deployments, environments
from orchestrate.store.database import Store
from orchestrate.store.identity import store_id
from orchestrate.store.tables import EnvironmentRow, now

log = logging.getLogger(__name__)

TICK_S = 1.0
WATCH_EVERY = 2
"""Ticks between two looks after processes and edges."""
ABANDONED_AFTER = 4
"""Looks at a workflow that should run here and does not, before it is given up."""
FORGET_EVERY = 3600
JOURNALS_KEPT = timedelta(days=7)
"""How long the journal of a deployment that has ended is kept; its records stay for ever."""


class Worker:
    """Executes deployments of one store under one lease."""

    def __init__(
        self, store: Store, home: Path, lease: Lease, changes: Changes, read_only: bool = False
    ) -> None:
        self.store = store
        self.home = home
        self.place = Place(home, store)
        self.changes = changes
        self.read_only = read_only
        """Nothing begins: what runs goes on to its end, and what crashes is taken back."""
        self._lease = lease
        self.seal = Seal(home)
        self.deciding = Deciding(store, self.seal, Factors(store))
        self._durable = Durable(store, lease.slot)
        self._notifier = Notifier(self.place)
        with store.session() as session:
            # Other services know by it whether they are told of this store or of another one.
            holder = f"{store_id(session)[:12]}.{lease.token}"
        self._hands = WorldlyHands(self.place, holder, changes.tell)
        self._guard = Guard(self.place)
        self._queue = Queue(self.place, changes.tell)
        self._broken_off: set[int] = set()
        """Deployments whose journal could not be written."""
        self._carried: set[int] = set()
        """Deployments whose workflow runs on a thread of this process."""
        self._suspects: Counter[int] = Counter()
        self._approvals_seen = time.monotonic()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="worker", daemon=True)
        self.lost: Callable[[], None] = self._stop.set
        """Called when the lease is lost: the process must end."""

    def launch(self) -> None:
        """Begin: recover what broke off, then keep looking."""
        if not deaths.take_mark(self.home, self._lease.slot):
            self._count_deaths(self._durable.interrupted())
        self._durable.launch(self._carry_out)
        self._resume_broken()
        self._thread.start()
        self._notifier.launch()

    def close(self) -> None:
        """Stop looking and executing. What runs goes on at the next launch."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=30)
        self._notifier.close()
        self._durable.close()
        if self._thread.ident is not None:
            deaths.leave_mark(self.home, self._lease.slot)

    def begin(self, seq: int) -> None:
        """Carry out a deployment that has taken its environment, at once."""
        self._durable.start(_workflow(seq), seq)

    def send(self, seq: int, message: dict[str, JsonValue], key: str) -> None:
        """Leave a message for a running deployment."""
        self._durable.send(self._running_workflow(seq), message, key)
        self.changes.tell(seq)

    def wake(self, seq: int) -> None:
        """Have a deployment that waits for people look now how it stands."""
        self.send(seq, {"action": "look"}, f"d{seq}/look/{uuid.uuid4().hex}")

    def nudge(self) -> None:
        """Look for waiting deployments now rather than at the next tick."""
        self._wake.set()

    def _carry_out(self, seq: int, undo_only: bool) -> str:
        self._carried.add(seq)
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
            self._carried.discard(seq)
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
            if not self.read_only:
                self._guarded(self._start_waiting)
                self._guarded(self._retire_due)
            if tick % WATCH_EVERY == 0:
                self._guarded(self._watch_over)
                self._guarded(self._look_after_approvals)
                self._guarded(self._take_back_crashing)
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
        self._queue.begin_due(self.begin)

    def _retire_due(self) -> None:
        """Stop revisions whose time as a quick way back is over."""
        for row in self._environments():
            if row.kept_until is not None and row.kept_until <= now():
                with told(f"retiring what {row.name} kept"):
                    seq = asking.retire(self.place, row.id or 0)
                    if seq is not None:
                        self.begin(seq)

    def _watch_over(self) -> None:
        """Have each provider start again what should run and does not. One environment that
        cannot be looked after must not cost the others their care."""
        for row in self._environments():
            if row.live_revision_id is not None:
                with told(f"looking after {row.name}"):
                    provider = site_of(row, self.place).provider
                    if isinstance(provider, Mending):
                        provider.ensure()

    def _look_after_approvals(self) -> None:
        """Wake what waits for people and has something to do: a decision whose message was lost,
        or an end of its time that its own clock, which was set back, would not see."""
        at = time.monotonic()
        passed, self._approvals_seen = timedelta(seconds=at - self._approvals_seen), at
        with self.store.session() as session:
            due = due_requests(session, passed)
        for seq, key in due:
            with told(f"waking d{seq}"):
                self.send(seq, {"action": "look"}, key)

    def _take_back_crashing(self) -> None:
        """Roll releases back that keep ending while their old revision is still kept."""
        for row in self._environments():
            with told(f"watching over the release in {row.name}"):
                seq = self._guard.watch(row)
                if seq is not None:
                    self.begin(seq)

    def _environments(self) -> Sequence[EnvironmentRow]:
        with self.store.session() as session:
            return [r for r in environments.every(session) if r.deleting_at is None]

    def _adopt_orphans(self) -> None:
        """On a shared database: go on with what dead workers left."""
        if not self.store.url.startswith("sqlite"):
            self._durable.adopt(
                lambda slot: is_free(slot, self.home, self.store.url), self._count_deaths
            )

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
        self._suspects = Counter({seq: self._suspects[seq] for seq in taken})
        for seq in taken:
            with told(f"looking after d{seq}"):
                self._resume_one(seq)

    def _resume_one(self, seq: int) -> None:
        name = self._running_workflow(seq)
        state = self._durable.state(name)
        if state is None:
            self.begin(seq)
        elif state.resumed_too_often and self._may_go_on(seq):
            self._durable.resume(name)
        elif state.broke_off:
            self._undo_again(seq, name)
        elif self._abandoned(seq, state):
            log.error("deployment d%s goes on where it broke off", seq)
            self._suspects[seq] = 0
            self._durable.resume(name)

    def _count_deaths(self, names: Collection[str]) -> None:
        deaths.count(self.store, {_seq(name) for name in names})

    def _may_go_on(self, seq: int) -> bool:
        with self.store.session() as session:
            return deaths.may_go_on(session, deployments.get(session, seq))

    def _abandoned(self, seq: int, state: WorkflowState) -> bool:
        """Whether the journal says it runs here, and nothing here runs it: its thread died and
        could not write that down. Only after several looks, since a workflow that is just being
        started looks the same."""
        if seq in self._carried or state.executor != self._lease.slot or not state.running:
            self._suspects[seq] = 0
            return False
        self._suspects[seq] += 1
        return self._suspects[seq] >= ABANDONED_AFTER

    def _undo_again(self, seq: int, name: str) -> None:
        names = _workflows(seq)
        following = names[names.index(name) + 1 :]
        if following:
            log.error("deployment d%s broke off: undoing it", seq)
            self._durable.start(following[0], seq, undo_only=True)
            return
        log.critical("deployment d%s cannot be undone: a person must look", seq)
        with self.store.session() as session:
            journal.abandon(session, seq)
        self.changes.tell(seq)

    def _running_workflow(self, seq: int) -> str:
        """The newest of its workflows: the first one, or a later attempt to undo."""
        names = _workflows(seq)
        return next((n for n in reversed(names) if self._durable.state(n)), names[0])


def _workflow(seq: int) -> str:
    return f"d{seq}"


def _workflows(seq: int) -> list[str]:
    """Names of the workflows that may carry out a deployment, in order."""
    return [_workflow(seq), *(f"d{seq}-undo-{attempt}" for attempt in (1, 2, 3))]


def _seq(workflow: str) -> int:
    return int(workflow.removeprefix("d").partition("-")[0])
