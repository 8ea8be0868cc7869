"""A window that closes on a deployment: finished, held or taken back, as its plan says.

The workflow is the real one; what it is journalled by and what it does in the world are not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from orchestrate.core.deployment import Kind
from orchestrate.core.environment import StrategyName
from orchestrate.core.errors import StoreDamaged, TemporaryError
from orchestrate.core.plan import Plan, step_keys
from orchestrate.core.steps import Step
from orchestrate.core.windows import OnClose
from orchestrate.engine import journal
from orchestrate.engine.journal import Order
from orchestrate.engine.steering import PAUSE_LOOK_S
from orchestrate.engine.workflow import Run
from orchestrate.store import deployments, environments, revisions
from orchestrate.store.database import Store
from orchestrate.store.tables import DeploymentRow, now
from tests.support import records

pytestmark = pytest.mark.unit

START = 1_000_000.0


@dataclass
class Memory:
    """A journal in memory; a wait takes as long as the clock says it does."""

    store: Store
    clock: list[float]
    messages: list[dict[str, Any]] = field(default_factory=list)

    def step(self, name: str, act: Callable[[], Any]) -> Any:
        return act()

    def record(self, name: str, write: Callable[[Any], Any]) -> Any:
        with self.store.session() as session:
            return write(session)

    def patched(self, change: str) -> bool:
        return True

    def receive(self, timeout_s: float) -> dict[str, Any] | None:
        self.clock[0] += timeout_s
        return self.messages.pop(0) if self.messages else None


@dataclass
class Scripted:
    """Hands whose window closes and opens as a test says. `done` is what was written."""

    store: Store
    clock: list[float]
    closed: Callable[[float, list[str]], str | None]
    pending: int = 0
    done: list[str] = field(default_factory=list)
    given_up: int = 0
    unknown: list[Any] = field(default_factory=list)
    """Errors that the window is answered with, before it is known."""
    deadlines: list[float] = field(default_factory=list)
    """Seconds from the start, as each look was told."""

    def order(self, seq: int) -> Order:
        with self.store.session() as session:
            found = journal.order_of(session, seq)
        return found.model_copy(update={"taken": START, "deadline": START + 60})

    def validate(self, order: Order, seq: int) -> dict[str, Any]:
        if self.pending:
            self.pending -= 1
            return {"pending": "checks run"}
        return {"text": "fine", "took_s": 0.1}

    def give_up(self, seq: int) -> None:
        self.given_up += 1

    def window(self, order: Order, seq: int) -> dict[str, Any]:
        error = self.unknown.pop(0) if self.unknown else None
        if error is not None:
            return {"error": error}
        return {"closed": self.closed(self.clock[0] - START, self.done), "now": self.clock[0]}

    def act(self, order: Order, step: Step, number: int, key: str) -> dict[str, Any]:
        self.done.append(step.kind)
        return {}

    act_counting = act

    def look(self, order: Order, step: Step, memory: Any) -> dict[str, Any]:
        self.deadlines.append(order.deadline - START)
        return {"done": True, "text": "done", "memory": {}, "data": {}, "again_s": 0.1}

    def observe(self, order: Order) -> dict[str, Any]:
        return {"serving": None}

    def count(self, order: Order) -> dict[str, Any]:
        return {}

    def now(self) -> float:
        return self.clock[0]

    def changed(self, seq: int) -> None:
        pass


def begin(store: Store, on_close: OnClose | None, kind: Kind = Kind.DEPLOY) -> int:
    """A deployment that has taken its environment: start, route, verify."""
    with store.session() as session:
        environment = environments.put(session, records.environment())
        number = environment.id or 0
        target = records.revision("1.0.0")
        to = revisions.record(session, environment, target, 1)
        plan = Plan(
            app="shop",
            environment="staging",
            kind=kind,
            strategy=StrategyName.BLUE_GREEN,
            from_digest=None,
            to_digest=target.digest,
            old=None,
            new=target.ref,
            steps=records.steps(target.ref),
            on_close=on_close,
        )
        row = DeploymentRow(
            environment_id=number,
            kind=kind.value,
            strategy=plan.strategy.value,
            plan_digest=plan.digest,
            plan=plan.model_dump(mode="json"),
            to_revision_id=to.id or 0,
            actor="lee",
            timeout_s=60,
            taken_at=now(),
        )
        return deployments.add(session, row, step_keys(plan.steps), plan.steps, "asked")


def carry_out(
    store: Store,
    on_close: OnClose | None,
    closed: Callable[[float, list[str]], str | None],
    kind: Kind = Kind.DEPLOY,
    **more: Any,
) -> tuple[str, Scripted, int]:
    seq = begin(store, on_close, kind)
    clock = [START]
    messages = more.pop("messages", [])
    hands = Scripted(store, clock, closed, **more)
    durable: Any = Memory(store, clock, messages)
    return Run(durable, hands, seq).carry_out(), hands, seq


def result(store: Store, seq: int) -> str | None:
    with store.session() as session:
        return deployments.get(session, seq).result


def shown_deadline(store: Store, seq: int) -> float:
    """Seconds after START."""
    with store.session() as session:
        found = deployments.get(session, seq).deadline_at
    assert found is not None
    return found.timestamp() - START


def after_start(time: float, done: list[str]) -> str | None:
    return "freeze" if "start" in done else None


def until(end: float) -> Callable[[float, list[str]], str | None]:
    return lambda time, done: "freeze" if "start" in done and time < end else None


@pytest.mark.trap(55)
def test_finish_goes_on_with_what_was_begun(store: Store) -> None:
    phase, hands, _ = carry_out(store, "finish", after_start)
    assert (phase, hands.done) == ("succeeded", ["start", "route"])


@pytest.mark.trap(55)
def test_rollback_takes_back_what_is_not_finished(store: Store) -> None:
    phase, hands, seq = carry_out(store, "rollback", after_start)
    assert (phase, hands.done) == ("rolled_back", ["start", "stop"])
    assert result(store, seq) == "window_closed"


@pytest.mark.trap(55)
def test_hold_waits_for_the_window_and_its_time_does_not_count(store: Store) -> None:
    phase, hands, seq = carry_out(store, "hold", until(4000))
    assert (phase, hands.done) == ("succeeded", ["start", "route"])
    assert hands.clock[0] - START >= 4000
    with store.session() as session:
        said = [e.state for e in deployments.events(session, seq)]
    assert "holding" in said and "resumed" in said
    assert shown_deadline(store, seq) == hands.deadlines[-1] >= 4000


def test_who_is_paused_by_a_person_has_its_time_afterwards(store: Store) -> None:
    paused = [{"action": "pause", "by": "lee"}, *[None] * 100, {"action": "resume", "by": "lee"}]
    phase, hands, seq = carry_out(store, None, lambda time, done: None, messages=paused)
    assert (phase, hands.done) == ("succeeded", ["start", "route"])
    assert hands.clock[0] - START >= 500, "of a minute that it has"
    with store.session() as session:
        said = [e.state for e in deployments.events(session, seq)]
    assert "paused" in said and "resumed" in said
    late = hands.deadlines[-1] - shown_deadline(store, seq)
    assert 0 <= late <= PAUSE_LOOK_S, "it is as exact as the last look at the clock"


def test_what_a_step_may_take_is_reckoned_from_the_moved_deadline(store: Store) -> None:
    _, hands, _ = carry_out(store, "hold", until(4000))
    assert hands.deadlines[0] == 60
    assert hands.deadlines[-1] >= 4000
    paused = [{"action": "pause", "by": "lee"}, *[None] * 100, {"action": "resume", "by": "lee"}]
    _, hands, _ = carry_out(store, "hold", until(300), messages=paused)
    gone = hands.clock[0] - START
    assert 60 + gone - 20 <= hands.deadlines[-1] <= 60 + gone, "paused and held is held once"


def test_time_in_which_it_finishes_in_a_closed_window_counts(store: Store) -> None:
    _, hands, _ = carry_out(store, "finish", after_start)
    assert set(hands.deadlines) == {60}


def test_a_window_that_cannot_be_known_is_asked_again(store: Store) -> None:
    unknown = [TemporaryError("the store is busy").as_dict()] * 3
    phase, hands, _ = carry_out(store, "finish", lambda time, done: None, unknown=unknown)
    assert (phase, hands.done, unknown) == ("succeeded", ["start", "route"], [])


def test_a_window_that_cannot_be_read_at_all_takes_back_what_was_begun(store: Store) -> None:
    spoiled = [None, StoreDamaged("staging cannot be read").as_dict()]
    phase, hands, seq = carry_out(store, "finish", lambda time, done: None, unknown=spoiled)
    assert (phase, hands.done) == ("rolled_back", ["start", "stop"])
    assert result(store, seq) == "store_damaged"


def test_who_holds_can_be_cancelled(store: Store) -> None:
    told = [{}, {}, {"action": "cancel", "by": "lee"}]
    messages = [None, *told]
    phase, hands, _ = carry_out(store, "hold", after_start, messages=messages)
    assert (phase, hands.done) == ("rolled_back", ["start", "stop"])


@pytest.mark.parametrize("on_close", ["finish", "hold", "rollback"])
@pytest.mark.attack("CL03", "the window closes while the checks run", "refused before any change")
def test_nothing_is_begun_in_a_closed_window_whatever_the_plan_says(
    store: Store, on_close: OnClose
) -> None:
    phase, hands, seq = carry_out(store, on_close, lambda time, done: "freeze")
    assert (phase, hands.done) == ("failed", [])
    assert result(store, seq) == "window_closed"


def test_without_windows_nobody_asks(store: Store) -> None:
    def never(time: float, done: list[str]) -> str | None:
        raise AssertionError("it was asked")

    assert carry_out(store, None, never)[0] == "succeeded"
    other = carry_out(store, None, never, Kind.ROLLBACK)
    assert other[0] == "succeeded"


def test_while_the_checks_run_a_cancel_is_heard_and_ends_them(store: Store) -> None:
    messages = [None, None, {"action": "cancel", "by": "lee"}]
    phase, hands, _ = carry_out(store, None, lambda time, done: None, pending=99, messages=messages)
    assert (phase, hands.done, hands.given_up) == ("cancelled", [], 1)


def test_checks_that_take_their_time_are_waited_for(store: Store) -> None:
    phase, hands, _ = carry_out(store, None, lambda time, done: None, pending=5)
    assert (phase, hands.given_up) == ("succeeded", 0)
