"""What the hands of a deployment say is masked before it is journalled."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrate.core.environment import SecretSource
from orchestrate.core.secret import MASK, Secret
from orchestrate.engine.answers import Json
from orchestrate.engine.hushing import hushed
from orchestrate.engine.journal import Order
from orchestrate.engine.masking import NOT_SHOWN
from orchestrate.engine.site import Place
from orchestrate.store import environments, secrets
from orchestrate.store.database import Store
from tests.support.records import environment

pytestmark = pytest.mark.unit

VALUE = "hunter22-and-more-of-it"


class Teller:
    """Hands that repeat what they hear."""

    def __init__(self, place: Place, answer: Json) -> None:
        self.place, self.answer = place, answer

    @hushed
    def look(self, order: Order) -> Json:
        return self.answer


def test_what_hands_say_is_masked_and_not_shown_where_the_secrets_cannot_be_read(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = Place(tmp_path, store)
    with store.session() as session:
        plain = environment("plain").model_copy(update={"secrets": ("TOKEN",)})
        row = environments.put(session, plain)
        secrets.put(session, store.keys, row, "TOKEN", Secret(VALUE), by="lee")
        source = SecretSource(backend="env", name="NOT_GIVEN_TO_THE_SERVICE")
        away = environment("away").model_copy(
            update={"secrets": ("TOKEN",), "secret_sources": {"TOKEN": source}}
        )
        other = environments.put(session, away)
        ids = row.id or 0, other.id or 0
    said: Json = {
        "text": f"it said {VALUE}",
        "error": {"code": "x", "message": "failed", "why": [f"why {VALUE}"]},
        "data": {"checks": [{"name": "smoke", "text": VALUE, "untrusted_lines": [VALUE]}]},
        "done": True,
    }
    found = Teller(place, said).look(_order(ids[0]))
    assert VALUE not in str(found)
    assert (found["text"], found["done"]) == (f"it said {MASK}", True)
    with caplog.at_level("WARNING"):
        dark = Teller(place, said).look(_order(ids[1]))
        assert dark == Teller(place, said).look(_order(ids[1]))
    assert len(caplog.records) == 1, "what does not answer is not asked at every look"
    assert (dark["text"], dark["done"]) == (NOT_SHOWN, True)
    assert dark["error"] == {"code": "x", "message": "failed", "why": [NOT_SHOWN]}


def _order(environment_id: int) -> Order:
    return Order(environment_id=environment_id, plan={}, deadline=0.0, taken=0.0)
