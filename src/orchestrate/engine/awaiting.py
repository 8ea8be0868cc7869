"""The turn a workflow takes while its deployment waits for people.

As deterministic as the workflow itself: everything it learns is journalled.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

from pydantic import JsonValue

from orchestrate.core.deployment import Action
from orchestrate.core.error_codes import from_dict
from orchestrate.core.errors import NoDataError, TemporaryError
from orchestrate.engine.approving import Approving
from orchestrate.store.database import Session

Json = dict[str, JsonValue]
T = TypeVar("T")
CHECK_AGAIN_S = 10.0
"""When what must be known before it begins cannot be known now."""


class EndedWaiting(Exception):
    """Somebody, or the time, ended the deployment while it waited: all is recorded already."""

    def __init__(self, phase: str) -> None:
        super().__init__(phase)
        self.phase = phase


class Turn(Protocol):
    """What the workflow lends for it."""

    @property
    def seq(self) -> int: ...

    def record(self, name: str, write: Callable[[Session], T]) -> T: ...

    def receive(self, timeout_s: float) -> Json | None: ...

    def obey(self, message: Json) -> None: ...

    def check_again(self) -> Json:
        """Ask the gates again, since they were asked a while ago, and make the plan as it is now:
        `{"digest": ...}` or `{"error": ...}`. Raises what the gates raise."""
        ...


def await_approval(turn: Turn, approving: Approving) -> None:
    """Wait until enough people said yes, and begin. Raises EndedWaiting, and what keeps it from
    beginning after all."""
    seq = turn.seq
    found = turn.record("ask", lambda s: approving.ask(s, seq))
    while True:
        _raise_ended(found)
        found = turn.record("approval", lambda s: approving.look(s, seq))
        if found.get("approved"):
            found = _begin(turn, approving)
            if found.get("begun"):
                return
        _raise_ended(found)
        again = found.get("again_s")
        message = turn.receive(float(again) if isinstance(again, int | float) else 1.0)
        if message is not None and message.get("action") == Action.CANCEL.value:
            turn.obey(message)  # it was sent before the waiting began


def _begin(turn: Turn, approving: Approving) -> Json:
    try:
        now = turn.check_again()
        _raise_error(now)
    except (NoDataError, TemporaryError) as error:
        # Nothing is known against what people agreed to: again, until their yes is too old.
        return {"again_s": error.retry_after_s or CHECK_AGAIN_S}
    digest = str(now.get("digest"))
    found = turn.record("begin approved", lambda s: approving.begin(s, turn.seq, digest))
    _raise_error(found)
    return found


def _raise_error(answer: Json) -> None:
    error = answer.get("error")
    if isinstance(error, dict):
        raise from_dict(error)


def _raise_ended(answer: Json) -> None:
    if "ended" in answer:
        raise EndedWaiting(str(answer["ended"]))
