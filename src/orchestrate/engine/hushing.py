"""What the hands of a deployment say holds no secret: it is masked before it is journalled."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from pydantic import JsonValue
from sqlalchemy.exc import NoResultFound

from orchestrate.core.errors import StoreDamaged
from orchestrate.engine.answers import Json, object_in
from orchestrate.engine.journal import Order
from orchestrate.engine.masking import NOT_SHOWN
from orchestrate.engine.revealed import masked_json
from orchestrate.engine.site import Place, learn
from orchestrate.store import environments


class Placed(Protocol):
    """Hands that know their place."""

    @property
    def place(self) -> Place: ...


H = TypeVar("H", bound=Placed)
P = ParamSpec("P")
Answering = Callable[Concatenate[H, Order, P], Json]


def hushed(answer: "Answering[H, P]") -> "Answering[H, P]":
    """The same, with its answer masked for every value that anybody there may know. They are read
    first, so that what is cut on the way is masked before; where they cannot be, words from outside
    are not shown."""

    @wraps(answer)
    def hush(hands: H, order: Order, /, *given: P.args, **named: P.kwargs) -> Json:
        known = _learn(hands.place, order)
        found = object_in(masked_json(answer(hands, order, *given, **named)))
        return found if known else _hidden(found)

    return hush


def _learn(place: Place, order: Order) -> bool:
    """Whether the values could be read. A record that cannot be is told by the answer itself."""
    try:
        with place.store.session() as session:
            row = environments.get(session, order.environment_id)
            environment = environments.as_environment(row)
    except (NoResultFound, StoreDamaged):
        return False
    return learn(environment, place)


def _hidden(answer: Json) -> Json:
    """The answer without words from outside. What the workflow goes by stays."""
    found: Json = dict(answer)
    if found.get("text"):
        found["text"] = NOT_SHOWN
    if isinstance(error := found.get("error"), dict):
        found["error"] = {**error, "why": [NOT_SHOWN]}
    data = object_in(found.get("data"))
    checks = data.get("checks")
    if isinstance(checks, list):
        found["data"] = {**data, "checks": [_hidden_check(each) for each in checks]}
    return found


def _hidden_check(check: JsonValue) -> JsonValue:
    if not isinstance(check, dict):
        return check
    return {**check, "text": NOT_SHOWN, "untrusted_lines": [], "evidence": {}}
