"""`notifications` of an environment: what is taken, and what is wrong with what is not."""

from __future__ import annotations

import pytest

from orchestrate.core.config import parse
from orchestrate.core.errors import ConfigInvalid
from orchestrate.core.notification import USUAL, Happening, Mail, Notification, Webhook

pytestmark = pytest.mark.unit

HEAD = """environments:
  x:
    type: dev
    provider: local
    secrets: {KEY: "${KEY}", PASSWORD: "${KEY}"}
    notifications:
      team:
"""


def read(text: str) -> Notification:
    lines = "".join(f"        {line}\n" for line in text.splitlines())
    config = parse(
        HEAD + lines, file="o.yaml", root="/srv", default_app="shop", variables={"KEY": "k" * 20}
    )
    return config.environments[0].notifications[0]


def problem(text: str) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        read(text)
    return "\n".join(caught.value.why)


def test_a_webhook_with_nothing_chosen_tells_all_but_the_start() -> None:
    found = read("webhook: {url: https://hooks.example.com/x}")
    assert found == Notification(name="team", sink=Webhook(url="https://hooks.example.com/x"))
    assert found.events == USUAL
    assert Happening.STARTED not in USUAL and Happening.ROLLBACK_FAILED in USUAL


def test_a_mail_is_taken_whole() -> None:
    found = read(
        "events: [rollback_failed]\n"
        "mail: {host: smtp.example.com, user: u, password_secret: PASSWORD, from: a@b.example,"
        " to: [c@d.example]}"
    )
    assert found.events == (Happening.ROLLBACK_FAILED,)
    assert found.sink == Mail(
        host="smtp.example.com",
        user="u",
        password_secret="PASSWORD",
        sender="a@b.example",
        to=("c@d.example",),
    )
    assert found.secrets == ("PASSWORD",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("events: [failed]", "has no way to be sent; write one of webhook, mail, apprise"),
        ("webhook: {format: slack}", "has neither url nor url_secret"),
        ("webhook: {url: https://x.example/, url_secret: KEY}", "has both url and url_secret"),
        ("webhook: {url: 'https://u:p@x.example/'}", "is not an http or https url"),
        ("webhook: {url: 'ftp://x.example/'}", "is not an http or https url"),
        ("webhook: {url_secret: KEI}", "needs the secret KEI, which is not among"),
        ("webhook: {url_secret: KEY, format: slak}", "did you mean slack?"),
        ("webhook: {url_secret: KEY}\nevents: [rolledback]", "did you mean rolled_back?"),
        ("webhook: {url_secret: KEY}\nevents: [trial]", 'holds "trial"; '),
        ("mail: {host: h.example, from: nobody, to: [a@b.example]}", 'holds "nobody"'),
        (
            "mail: {host: h.example, from: a@b.example, to: ['x@y.example\\nBcc: z@y.example']}",
            "write an address",
        ),
        (
            "mail: {host: h.example, from: a@b.example, to: [a@b.example], user: u,"
            " password_secret: PASSWORD, security: none}",
            "is none, and the password would go readable",
        ),
        ("mail: {host: h.example, from: a@b.example, to: [a@b.example], user: u}", "write both"),
        ("webhok: {url: https://x.example/}", "did you mean webhook?"),
    ],
)
def test_what_is_wrong_is_told_with_what_would_be_right(text: str, said: str) -> None:
    assert said in problem(text)
