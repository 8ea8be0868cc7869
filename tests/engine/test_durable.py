"""What is journalled: by the order of steps it began with, and beside others that write."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest
from dbos import DBOS
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from orchestrate.core.audit import AuditEvent
from orchestrate.engine.durable import Durable, JournalFailed, Stopping
from orchestrate.store import audit
from orchestrate.store.audit_check import verify
from orchestrate.store.database import Session, Store
from tests.support.postgres import postgres
from tests.support.waiting import eventually


class Worker:
    """One life of a worker, with the code as it is, or as it was before the change."""

    def __init__(self, store: Store, changed: bool) -> None:
        self.durable = Durable(store, "slot")
        self.changed = changed
        self.took: list[str] = []
        self.passed = threading.Event()
        self.durable.launch(self._carry_out)

    def _carry_out(self, seq: int, undo_only: bool) -> str:
        self._step("begin")
        if self.changed and self.durable.patched("look twice"):
            self._step("look twice")
        self._step("end")
        self.passed.set()
        if not self.changed:
            raise Stopping  # the process ends here
        return "done"

    def _step(self, name: str) -> None:
        def act() -> str:
            self.took.append(name)
            return name

        self.durable.step(name, act)


@pytest.mark.attack(
    "UP01",
    "a deployment of the old program goes on by the new one",
    "by the steps it had, none twice",
)
def test_what_began_before_takes_the_steps_it_took_and_what_begins_now_the_new_ones(
    store: Store,
) -> None:
    before = Worker(store, changed=False)
    before.durable.start("d1", 1)
    assert before.passed.wait(20)
    before.durable.close()
    now = Worker(store, changed=True)
    now.durable.start("d2", 2)
    eventually(lambda: all(_ended(now.durable, name) for name in ("d1", "d2")))
    now.durable.close()
    assert before.took == ["begin", "end"]
    assert now.took == ["begin", "look twice", "end"], "d1 took no step again, and no new one"


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("SELECT 1", {}, Exception("the connection is closed")),
        PoolTimeout("no connection is free"),
    ],
    ids=["closed", "none free"],
)
def test_a_step_that_could_not_ask_the_store_is_taken_again(store: Store, error: Exception) -> None:
    durable = Durable(store, "slot")
    broke_off, lost = threading.Event(), [error]

    def look() -> str:
        if lost:
            raise lost.pop()
        return "seen"

    def carry_out(seq: int, undo_only: bool) -> str:
        try:
            return durable.step("look", look)
        except JournalFailed:
            broke_off.set()
            raise
        except Exception:
            broke_off.set()
            return "undone"

    durable.launch(carry_out)
    durable.start("d1", 1)
    assert broke_off.wait(20)
    durable.resume("d1")
    eventually(lambda: _ended(durable, "d1"))
    answer: str = DBOS.retrieve_workflow("d1").get_result()
    durable.close()
    assert answer == "seen"


@pytest.mark.system
def test_a_step_is_recorded_though_others_write_the_trail_meanwhile() -> None:
    with postgres() as server, closing(Store(server.database())) as store:
        store.migrate()
        durable = Durable(store, "slot")

        def write(session: Session) -> str:
            before = audit.tail(session).seq  # what it has seen is not all there is, from here on
            with store.session() as other:
                audit.append(other, _event(f"after {before}"))
            audit.append(session, _event("step"))
            return "written"

        def carry_out(seq: int, undo_only: bool) -> str:
            return durable.record("write", write)

        durable.launch(carry_out)
        durable.start("d1", 1)
        eventually(lambda: _state(durable, "d1") != "PENDING")
        ended = _state(durable, "d1")
        durable.close()
        with store.session() as session:
            found = [row.subject for row in reversed(audit.page(session))]
            problems = verify(session, [], None).problems
    assert (ended, found, problems) == ("SUCCESS", ["after 0", "step"], [])


def _event(subject: str) -> AuditEvent:
    return AuditEvent(action="test.write", actor="test", person="test", subject=subject)


def _state(durable: Durable, name: str) -> str | None:
    state = durable.state(name)
    return state and state.status


def _ended(durable: Durable, name: str) -> bool:
    state = durable.state(name)
    return state is not None and state.status == "SUCCESS"
