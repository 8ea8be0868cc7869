"""Mail, against a real SMTP server: what arrives, and what counts as arrived."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrate.core.errors import OutboundRefused, TemporaryError
from orchestrate.core.notification import Facts, Mail
from orchestrate.providers.notifiers import deliver
from orchestrate.providers.outbound import Allowed, Outbound
from orchestrate.providers.outbound.allowed import literals
from tests.support.facts import facts
from tests.support.ports import free_port
from tests.support.secrets import GivenSecrets
from tests.support.sinks import Post, post
from tests.support.tls import loopback_tls

pytestmark = pytest.mark.system


def mail_to(server: Post, *to: str, user: str | None = None) -> Mail:
    return Mail(
        host="127.0.0.1",
        port=server.port,
        security="none",
        user=user,
        password_secret="SMTP_PASSWORD" if user else None,
        sender="deploys@example.com",
        to=to or ("oncall@example.com",),
    )


def deliver_to(
    server: Post,
    sink: Mail,
    what: Facts | None = None,
    served: set[str] | None = None,
    **secrets: str,
) -> None:
    outbound = Outbound(allowed=literals([f"127.0.0.1:{server.port}"]))
    deliver(sink, what or facts(), "f00d", GivenSecrets(**secrets), outbound, served)


def test_a_mail_has_the_title_as_subject_and_the_facts_as_text() -> None:
    with post() as server:
        deliver_to(server, mail_to(server))
        (got,) = server.got
    assert got["Subject"].endswith("d143 production serves 1.4.2, 1.4.3 was refused")
    assert got["To"] == "oncall@example.com"
    assert "asked by   claude for lee" in got.get_payload(decode=True).decode()


def test_a_repetition_has_the_same_message_id() -> None:
    with post() as server:
        for _ in range(2):
            deliver_to(server, mail_to(server))
        first, second = server.got
    assert first["Message-ID"] == second["Message-ID"] == "<f00d@orchestrate.invalid>"


def test_a_reason_cannot_add_a_header_or_a_recipient() -> None:
    hostile = "fine\r\nBcc: everybody@example.com\r\n\r\nbody"
    with post() as server:
        deliver_to(server, mail_to(server), facts(to_version="1.4.3", untrusted_reason=hostile))
        (got,) = server.got
    assert got["Bcc"] is None
    assert "Bcc: everybody" in got.get_payload(decode=True).decode()


def test_a_login_over_starttls_takes_the_password_from_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, trusted = loopback_tls(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with post(tls=context, password="correct-horse") as server:
        sink = mail_to(server, user="orchestrate").model_copy(update={"security": "starttls"})
        with pytest.raises(TemporaryError, match="answered 535"):
            deliver_to(server, sink, SMTP_PASSWORD="wrong-horse")
        deliver_to(server, sink, SMTP_PASSWORD="correct-horse")
        assert len(server.got) == 1


def test_a_certificate_that_nobody_vouches_for_gets_no_password(tmp_path: Path) -> None:
    context, _ = loopback_tls(tmp_path)
    with post(tls=context, password="correct-horse") as server:
        sink = mail_to(server, user="orchestrate").model_copy(update={"security": "starttls"})
        with pytest.raises(TemporaryError, match="cannot be reached"):
            deliver_to(server, sink, SMTP_PASSWORD="correct-horse")
        assert server.got == []


def test_a_server_that_fails_is_tried_again_and_takes_it_then() -> None:
    with post() as server:
        server.replies = ["451 try later"]
        with pytest.raises(TemporaryError, match="answered 451"):
            deliver_to(server, mail_to(server))
        assert server.got == []
        deliver_to(server, mail_to(server))
        assert len(server.got) == 1


def test_one_recipient_that_is_refused_is_told() -> None:
    with post() as server:
        server.refused = frozenset({"gone@example.com"})
        with pytest.raises(TemporaryError, match="refused 1 of 2 recipients"):
            deliver_to(server, mail_to(server, "oncall@example.com", "gone@example.com"))


def test_whoever_has_it_does_not_get_it_again_because_another_one_is_refused() -> None:
    served: set[str] = set()
    with post() as server:
        sink = mail_to(server, "oncall@example.com", "full@example.com")
        server.refused = frozenset({"full@example.com"})
        for _ in range(3):
            with pytest.raises(TemporaryError, match="recipient"):
                deliver_to(server, sink, served=served)
        server.refused = frozenset()
        deliver_to(server, sink, served=served)
    assert server.recipients == [["oncall@example.com"], ["full@example.com"]]


def test_a_server_that_is_not_there_is_worth_another_try() -> None:
    server = Post(port=free_port())
    with pytest.raises(TemporaryError, match="cannot be reached"):
        deliver_to(server, mail_to(server))


def test_a_server_without_starttls_gets_nothing_when_it_is_demanded() -> None:
    with post() as server:
        sink = mail_to(server).model_copy(update={"security": "starttls"})
        with pytest.raises(TemporaryError):
            deliver_to(server, sink)
        assert server.got == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1"])
def test_a_server_inside_is_not_asked_unless_it_is_listed(host: str) -> None:
    sink = Mail(host=host, port=25, security="none", sender="a@example.com", to=("b@example.com",))
    with pytest.raises(OutboundRefused):
        deliver(sink, facts(), "f00d", GivenSecrets(), Outbound(allowed=Allowed()))
