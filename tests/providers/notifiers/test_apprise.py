"""Apprise, itself: what it passes on to a real receiver, and what counts as taken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrate.core.errors import PermanentError, SecretMissing, TemporaryError
from orchestrate.core.notification import Apprise, message
from orchestrate.providers.notifiers import deliver
from orchestrate.providers.outbound import Outbound
from tests.support.facts import facts
from tests.support.secrets import GivenSecrets
from tests.support.sinks import Hook, hook

pytestmark = [
    pytest.mark.system,
    # Apprise's own: it imports what Python 3.13 has no more, where there is something better.
    pytest.mark.filterwarnings("ignore:.*imghdr.*:DeprecationWarning"),
]
SINK = Apprise(url_secret="CHAT")


@pytest.fixture
def sink() -> Iterator[Hook]:
    with hook() as found:
        yield found


def deliver_to(url: str) -> None:
    deliver(SINK, facts(), "f00d", GivenSecrets(CHAT=url), Outbound())


def test_the_words_arrive(sink: Hook) -> None:
    deliver_to(f"json://127.0.0.1:{sink.port}/team")
    (got,) = sink.got
    told = message(facts())
    assert got.path == "/team"
    assert got.body["title"] == told.title
    assert told.next in got.body["message"]


def test_what_the_service_did_not_take_comes_again(sink: Hook) -> None:
    sink.answers.append((500, {}))
    with pytest.raises(TemporaryError):
        deliver_to(f"json://127.0.0.1:{sink.port}/team")
    deliver_to(f"json://127.0.0.1:{sink.port}/team")
    assert len(sink.got) == 2


def test_a_url_that_it_does_not_know_is_for_a_person_and_is_not_shown() -> None:
    with pytest.raises(PermanentError) as caught:
        deliver_to("nothing-like-it://user:secret-token@host")
    assert "CHAT" in caught.value.message
    assert "secret-token" not in str(caught.value.as_dict())


def test_without_its_secret_nothing_is_sent() -> None:
    with pytest.raises(SecretMissing):
        deliver(SINK, facts(), "f00d", GivenSecrets(), Outbound())
