"""What steers a running deployment: messages, the deadline, and the window it may change things in.

As deterministic as the workflow itself: the time and every message are journalled. Time in which a
person or a closed window holds the deployment is not its own: the deadline moves by it.
"""

from collections.abc import Callable
from typing import Protocol

from orchestrate.core.deployment import Action
from orchestrate.core.errors import (
    Cancelled,
    DeadlineExceeded,
    NoDataError,
    TemporaryError,
    WindowClosed,
)
from orchestrate.core.windows import OnClose
from orchestrate.engine import journal
from orchestrate.engine.answers import Json, error_in
from orchestrate.engine.durable import Durable
from orchestrate.engine.effects import Hands
from orchestrate.engine.journal import Order
from orchestrate.store.database import Session

HOLD_LOOK_S = 10.0
"""Between two looks at a closed window."""
PAUSE_LOOK_S = 5.0
WHICHEVER = -1
"""The step that a promote is for, where it does not say: a message of an earlier version."""


class Recording(Protocol):
    def __call__(self, name: str, write: Callable[[Session], None]) -> None: ...


class Steering:
    """Takes messages and minds the time for one run of a workflow."""

    def __init__(self, durable: Durable, hands: Hands, seq: int, record: Recording) -> None:
        self._durable = durable
        self._hands = hands
        self._seq = seq
        self._record = record
        self._order: Order
        self._paused = False
        self._holding = False
        """A closed window holds it."""
        self._stands = False
        """It was held when the time was read last."""
        self._read_at: float | None = None
        self._held_s = 0.0
        self._promoted: int | None = None
        """Position of the step that somebody said to go on with."""
        self.at: int | None = None
        """Position of the step that is being carried out."""
        self.timed = True
        """The deadline counts."""

    def take(self, order: Order) -> None:
        """Have the deployment's order, as it was recorded."""
        self._order = order

    @property
    def order(self) -> Order:
        """The order, its deadline moved by the time for which it was held."""
        return self._order.model_copy(update={"deadline": self._order.deadline + self._held_s})

    def promotes(self, position: int) -> bool:
        """Whether somebody said to go on with the step at `position`; true once. What was said of
        one step ends no other one: the next weight is watched for itself."""
        if self._promoted not in (position, WHICHEVER):
            return False
        self._promoted = None
        return True

    def heed(self, timeout_s: float) -> None:
        """Take messages for `timeout_s` seconds; longer while paused. Raises to end the run."""
        message = self._durable.receive(timeout_s)
        while True:
            if message is not None:
                self.obey(message)
            self._watch_the_clock()
            if not self._paused:
                return
            message = self._durable.receive(PAUSE_LOOK_S)

    def obey(self, message: Json) -> None:
        """Do what a message says. Raises Cancelled."""
        by = str(message.get("by"))
        match message.get("action"):
            case Action.CANCEL.value:
                reason = message.get("reason")
                raise Cancelled(f"cancelled by {by}" + (f": {reason}" if reason else ""))
            case Action.PAUSE.value:
                self._pause(True, by)
            case Action.RESUME.value:
                self._pause(False, by)
            case Action.PROMOTE.value:
                step = message.get("position")
                self._promoted = step if isinstance(step, int) else WHICHEVER
                self._pause(False, by)
                text = f"by {by}" + (f": {message['reason']}" if message.get("reason") else "")
                if self._promoted not in (self.at, WHICHEVER):
                    text += "; too late: what it was said of had ended by itself"
                self._record("promoted", lambda s: journal.say(s, self._seq, "promoted", text))

    def mind_the_window(self, on_close: OnClose, changed: bool) -> None:
        """Begin nothing outside the window, unless the plan says to finish what was begun."""
        while (closed := self._closed()) is not None:
            if not changed or on_close == "rollback":
                raise WindowClosed(
                    f"the window closed: {closed}",
                    why=["the plan says to take back what is not finished then"] if changed else [],
                    fix=["deploy again when it is open"],
                )
            if on_close == "finish":
                return
            self._hold(closed)
            self.heed(HOLD_LOOK_S)
        if self._holding:
            self._holding, self._stands = False, self._paused
            until = self.order.deadline
            self._record("resumed", lambda s: journal.let_go(s, self._seq, until))

    def _hold(self, closed: str) -> None:
        if not self._holding:
            self._holding = self._stands = True
            self._record("holding", lambda s: journal.hold(s, self._seq, closed))

    def _closed(self) -> str | None:
        """Why the environment may not be changed now. Asked until it can be known."""
        while True:
            answer = self._durable.step(
                "window", lambda: self._hands.window(self._order, self._seq)
            )
            error = error_in(answer)
            if error is None:
                break
            if not isinstance(error, NoDataError | TemporaryError):
                raise error
            self.heed(error.retry_after_s or 1.0)
        at, closed = answer.get("now"), answer.get("closed")
        if isinstance(at, int | float):
            self._pass(at)
        return None if closed is None else str(closed)

    def _pause(self, paused: bool, by: str) -> None:
        if paused != self._paused:
            self._paused, until = paused, self.order.deadline
            self._record("paused", lambda s: journal.set_paused(s, self._seq, paused, by, until))

    def _watch_the_clock(self) -> None:
        if not self.timed:
            return
        at = self._durable.step("clock", self._hands.now)
        self._pass(at)
        if at > self._order.deadline + self._held_s:
            limit = self._order.deadline - self._order.taken
            raise DeadlineExceeded(
                f"not done within {limit:g}s",
                why=["the deadline counts from when it took the environment"],
                fix=["give it longer: --timeout, or `timeout` of the environment"],
            )

    def _pass(self, at: float) -> None:
        if self._stands and self._read_at is not None:
            self._held_s += max(at - self._read_at, 0.0)
        self._read_at = at
        self._stands = self._paused or self._holding
