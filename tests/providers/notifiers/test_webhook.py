"""Webhooks, on a real socket: what arrives, and what counts as arrived."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrate.core.errors import OutboundRefused, PermanentError, SecretMissing, TemporaryError
from orchestrate.core.notification import Facts, Webhook
from orchestrate.core.secret import Secret
from orchestrate.providers.notifiers import deliver
from orchestrate.providers.notifiers.webhook import signature
from orchestrate.providers.outbound import Allowed, Outbound
from orchestrate.providers.outbound.allowed import literals
from tests.support.facts import facts
from tests.support.secrets import GivenSecrets
from tests.support.sinks import Hook, hook

pytestmark = pytest.mark.system


@pytest.fixture
def sink() -> Iterator[Hook]:
    with hook() as found:
        yield found


def deliver_to(sink: Hook, webhook: Webhook, what: Facts | None = None, **secrets: str) -> None:
    outbound = Outbound(allowed=literals([f"127.0.0.1:{sink.port}"]))
    deliver(webhook, what or facts(), "f00d", GivenSecrets(**secrets), outbound)


def test_json_holds_the_facts_and_the_words(sink: Hook) -> None:
    deliver_to(sink, Webhook(url=sink.url))
    (got,) = sink.got
    assert got.headers["content-type"] == "application/json"
    assert got.headers["x-orchestrate-delivery"] == "f00d"
    assert got.body["schema"] == "orchestrate.notification.v1"
    assert got.body["event"] == "rolled_back"
    assert got.body["deployment"] == "d143"
    assert got.body["summary"].endswith("production serves 1.4.2, 1.4.3 was refused")


def test_the_signature_proves_the_body_and_its_time(sink: Hook) -> None:
    deliver_to(sink, Webhook(url=sink.url, sign_with="KEY"), KEY="a-signing-key")
    (got,) = sink.got
    given = got.headers["x-orchestrate-signature"]
    at = int(given.partition(",")[0].removeprefix("t="))
    assert given == signature(Secret("a-signing-key"), got.raw, at)
    assert given != signature(Secret("another-key"), got.raw, at)
    assert given != signature(Secret("a-signing-key"), got.raw + b" ", at)
    assert given != signature(Secret("a-signing-key"), got.raw, at - 600)


def test_an_address_with_a_token_comes_from_a_secret(sink: Hook) -> None:
    deliver_to(sink, Webhook(url_secret="SLACK_URL"), SLACK_URL=sink.url)
    assert sink.got[0].path == "/hooks/T0/B1/token-in-the-path"


def test_without_its_secret_nothing_is_sent(sink: Hook) -> None:
    with pytest.raises(SecretMissing):
        deliver_to(sink, Webhook(url_secret="SLACK_URL"))
    assert sink.got == []


def test_slack_gets_outside_text_only_where_it_reads_no_markup(sink: Hook) -> None:
    hostile = "<!channel> <https://evil.example|click> *now*"
    deliver_to(sink, Webhook(url=sink.url, format="slack"), facts(untrusted_reason=hostile))
    body = sink.got[0].body
    fields = body["blocks"][1]["fields"]
    assert {each["type"] for each in fields} == {"plain_text"}
    assert f"reason: {hostile}" in [each["text"] for each in fields]
    assert "<" not in body["text"]


def test_teams_gets_outside_text_only_in_text_runs(sink: Hook) -> None:
    hostile = "[click](https://evil.example)"
    deliver_to(sink, Webhook(url=sink.url, format="teams"), facts(untrusted_reason=hostile))
    card = sink.got[0].body["attachments"][0]["content"]
    assert card["type"] == "AdaptiveCard"
    runs = [each["inlines"][0] for each in card["body"] if each["type"] == "RichTextBlock"]
    assert len(runs) == len(card["body"])
    assert {run["type"] for run in runs} == {"TextRun"}
    assert f"reason: {hostile}" in [run["text"] for run in runs]


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 404, 429, 500, 503])
def test_anything_but_a_success_is_worth_another_try(sink: Hook, status: int) -> None:
    sink.answers = [(status, {"location": sink.url})]
    with pytest.raises(TemporaryError) as raised:
        deliver_to(sink, Webhook(url=sink.url))
    assert raised.value.message == f"the webhook answered {status // 100}xx"
    assert len(sink.got) == 1, "a redirect was followed"


def test_the_sink_s_own_delay_is_kept(sink: Hook) -> None:
    sink.answers = [(429, {"retry-after": "17"})]
    with pytest.raises(TemporaryError) as raised:
        deliver_to(sink, Webhook(url=sink.url))
    assert raised.value.retry_after_s == 17


def test_an_address_that_is_gone_is_not_asked_again(sink: Hook) -> None:
    sink.answers = [(410, {})]
    with pytest.raises(PermanentError, match="gone"):
        deliver_to(sink, Webhook(url=sink.url))


def test_a_sink_inside_is_not_asked_unless_it_is_listed(sink: Hook) -> None:
    with pytest.raises(OutboundRefused):
        deliver(Webhook(url=sink.url), facts(), "f00d", GivenSecrets(), Outbound(allowed=Allowed()))
    assert sink.got == []


def test_an_error_never_holds_the_address(sink: Hook) -> None:
    sink.answers = [(500, {})]
    with pytest.raises(TemporaryError) as raised:
        deliver_to(sink, Webhook(url_secret="SLACK_URL"), SLACK_URL=sink.url)
    assert "token-in-the-path" not in str(raised.value.as_dict())
