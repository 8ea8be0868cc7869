"""Mail over SMTP, with the standard library."""

import smtplib
import ssl
from contextlib import contextmanager
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import formatdate

from orchestrate.core.errors import TemporaryError
from orchestrate.core.notification import Facts, Mail, message, one_line
from orchestrate.core.protocols import Secrets

TIMEOUT_S = 20.0
LONGEST_SUBJECT = 200


def send(sink: Mail, facts: Facts, identity: str, secrets: Secrets) -> None:
    """Hand it to the server; done when the server took it for every recipient.

    A retry has the same Message-ID, by which mail programs show it once. Raises TemporaryError for
    every refusal: a mailbox that is full or a wrong password is mended by a person.
    """
    mail = _mail(sink, facts, identity)
    try:
        with _session(sink) as session:
            if sink.user is not None and sink.password_secret is not None:
                session.login(sink.user, secrets.get(sink.password_secret).reveal())
            refused = session.send_message(mail)
    except smtplib.SMTPResponseException as problem:
        raise TemporaryError(f"{sink.host} answered {problem.smtp_code}") from problem
    except smtplib.SMTPRecipientsRefused as problem:
        raise TemporaryError(f"{sink.host} refused every recipient") from problem
    except smtplib.SMTPException as problem:
        raise TemporaryError(f"{sink.host}: {type(problem).__name__}") from problem
    except OSError as problem:
        raise TemporaryError(f"{sink.host}:{sink.port} cannot be reached") from problem
    if refused:
        raise TemporaryError(f"{sink.host} refused {len(refused)} of {len(sink.to)} recipients")


@contextmanager
def _session(sink: Mail) -> Iterator[smtplib.SMTP]:
    trusted = ssl.create_default_context()
    if sink.security == "tls":
        with smtplib.SMTP_SSL(sink.host, sink.port, timeout=TIMEOUT_S, context=trusted) as session:
            yield session
        return
    with smtplib.SMTP(sink.host, sink.port, timeout=TIMEOUT_S) as session:
        if sink.security == "starttls":
            session.starttls(context=trusted)
        yield session


def _mail(sink: Mail, facts: Facts, identity: str) -> EmailMessage:
    told = message(facts)
    mail = EmailMessage()
    mail["From"] = sink.sender
    mail["To"] = ", ".join(sink.to)
    mail["Subject"] = one_line(told.title)[:LONGEST_SUBJECT]
    mail["Date"] = formatdate(usegmt=True)
    mail["Message-ID"] = f"<{identity}@orchestrate.invalid>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(told.text)
    return mail
