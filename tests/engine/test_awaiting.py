"""What a deployment does that people agreed to, while it cannot be known whether it may begin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import TypeAdapter

from orchestrate.core.errors import NoDataError, OrchestrateError, PlanChanged, TemporaryError
from orchestrate.engine.answers import Json
from orchestrate.engine.awaiting import EndedWaiting, await_approval


@dataclass
class Agreed:
    """Approved from the first look on, until the yes is too old."""

    looks: int = 9

    def ask(self, session: object, seq: int) -> Json:
        return {}

    def look(self, session: object, seq: int) -> Json:
        self.looks -= 1
        return {"approved": True} if self.looks >= 0 else {"ended": "expired"}

    def begin(self, session: object, seq: int, digest: str) -> Json:
        return {"begun": True}


@dataclass
class Turn:
    """One whose questions have these answers, before the plan is as it was."""

    answers: list[Json | OrchestrateError]
    waited: list[float] = field(default_factory=list)
    seq: int = 1

    def record(self, name: str, write: Callable[[Any], Any]) -> Any:
        return write(None)

    def receive(self, timeout_s: float) -> Json | None:
        self.waited.append(timeout_s)
        return None

    def obey(self, message: Json) -> None:
        raise AssertionError(message)

    def check_again(self) -> Json:
        answer = self.answers.pop(0) if self.answers else {"digest": "d"}
        if isinstance(answer, OrchestrateError):
            raise answer
        return answer


def told(error: OrchestrateError) -> Json:
    return {"error": TypeAdapter(Json).validate_python(error.as_dict())}


AWAY = TemporaryError("the platform does not answer", retry_after_s=3.0)


def wait(turn: Turn, approving: Agreed | None = None) -> None:
    given: Any = approving or Agreed()
    await_approval(turn, given)


def test_what_cannot_be_known_now_is_asked_again() -> None:
    turn = Turn([told(AWAY), NoDataError("no report"), AWAY])
    wait(turn)
    assert turn.waited == [3.0, 10.0, 3.0]


def test_but_not_for_longer_than_the_yes_is_good_for() -> None:
    turn = Turn([AWAY] * 20)
    with pytest.raises(EndedWaiting, match="expired"):
        wait(turn)
    assert len(turn.waited) == 9


def test_a_plan_that_moved_ends_it() -> None:
    with pytest.raises(PlanChanged):
        wait(Turn([told(PlanChanged("it moved"))]))
