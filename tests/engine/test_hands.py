"""What the hands answer when something unexpected happens: JSON, so that the workflow goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from orchestrate.core.revision import Ref
from orchestrate.core.steps import Drain
from orchestrate.engine.answers import Json, error_in
from orchestrate.engine.hands import WorldlyHands
from orchestrate.engine.journal import Order
from orchestrate.engine.site import Place
from orchestrate.store import environments
from orchestrate.store.database import Store
from tests.support.records import deploy, environment
from tests.support.waiting import eventually

NOWHERE = Order(environment_id=999, plan={}, deadline=0.0, taken=0.0)
"""Of an environment whose record is gone, which nobody expects."""


@pytest.fixture
def hands(store: Store, tmp_path: Path) -> WorldlyHands:
    return WorldlyHands(Place(tmp_path, store), "lease", lambda seq: None)


def code(answer: Json) -> str | None:
    found = error_in(answer)
    return found.code if found else None


def test_what_nobody_expects_is_an_answer(hands: WorldlyHands) -> None:
    step = Drain(revision=Ref(key="k", version="1"), within_s=1)
    assert code(hands.window(NOWHERE, 1)) == "step_failed"
    assert code(hands.plan_again(999)) == "step_failed"
    assert code(hands.look(NOWHERE, step, {})) == "step_failed"
    assert hands.count(NOWHERE) == {}


def test_a_spoiled_record_is_an_answer(hands: WorldlyHands, store: Store) -> None:
    with store.session() as session:
        place = environments.put(session, environment()).id or 0
        session.execute(text("UPDATE environments SET config = '[]'"))
    order = NOWHERE.model_copy(update={"environment_id": place})
    assert code(hands.window(order, 1)) == "store_damaged"
    assert hands.count(order) == {}


def test_a_store_that_cannot_be_read_breaks_off_and_undoes_nothing(
    hands: WorldlyHands, store: Store
) -> None:
    with store.session() as session:
        session.execute(text("ALTER TABLE environments RENAME TO elsewhere"))
    with pytest.raises(OperationalError):
        hands.window(NOWHERE, 1)


def test_gates_that_could_not_read_the_store_are_asked_anew(
    hands: WorldlyHands, store: Store
) -> None:
    with store.session() as session:
        place = environments.put(session, environment()).id or 0
        seq = deploy(session, place, "1.0.0")
    order = hands.order(seq)
    with store.session() as session:
        session.execute(text("ALTER TABLE deployments RENAME TO elsewhere"))
    with pytest.raises(OperationalError):
        hands.validate(order, seq)
    with store.session() as session:
        session.execute(text("ALTER TABLE elsewhere RENAME TO deployments"))
    eventually(lambda: "pending" not in hands.validate(order, seq))
