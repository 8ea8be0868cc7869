"""Mail over SMTP, with the standard library.

The server's name is resolved once and its addresses are judged as every outgoing request's are: a
relay in a private network is listed in ORCHESTRATE_ALLOW_OUTBOUND by whoever starts the service.
"""

import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import formatdate
from ipaddress import ip_address

from orchestrate.core.errors import OutboundRefused, TemporaryError
from orchestrate.core.notification import Facts, Mail, message, one_line
from orchestrate.core.protocols import Secrets
from orchestrate.providers.outbound import SETTING, Allowed
from orchestrate.providers.outbound.addresses import kind_of

TIMEOUT_S = 20.0
LONGEST_SUBJECT = 200
PORTS = frozenset({25, 465, 587, 2525})


def send(
    sink: Mail,
    facts: Facts,
    identity: str,
    secrets: Secrets,
    allowed: Allowed,
    served: set[str],
) -> None:
    """Hand it to the server; done when the server took it for every recipient. Those in `served`
    have it, and do not get it again because another one's mailbox is gone.

    A retry has the same Message-ID, by which mail programs show it once. Raises OutboundRefused
    for a server that may not be asked, and TemporaryError for every refusal of its own: a mailbox
    that is full or a wrong password is mended by a person.
    """
    mail = _mail(sink, facts, identity)
    left = [each for each in sink.to if each not in served]
    if not left:
        return
    try:
        with _session(sink, _judged(sink, allowed)) as session:
            if sink.user is not None and sink.password_secret is not None:
                session.login(sink.user, secrets.get(sink.password_secret).reveal())
            refused = session.send_message(mail, to_addrs=left)
    except smtplib.SMTPResponseException as problem:
        raise TemporaryError(f"{sink.host} answered {problem.smtp_code}") from problem
    except smtplib.SMTPRecipientsRefused as problem:
        raise TemporaryError(f"{sink.host} refused every recipient") from problem
    except smtplib.SMTPException as problem:
        raise TemporaryError(f"{sink.host}: {type(problem).__name__}") from problem
    except OSError as problem:
        raise TemporaryError(f"{sink.host}:{sink.port} cannot be reached") from problem
    served.update(each for each in left if each not in refused)
    if refused:
        raise TemporaryError(f"{sink.host} refused {len(refused)} of {len(sink.to)} recipients")


def _judged(sink: Mail, allowed: Allowed) -> str:
    """The address to connect to. One bad address refuses all that the name has."""
    try:
        found = socket.getaddrinfo(sink.host, sink.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        raise TemporaryError(f"the name {sink.host} does not resolve") from problem
    texts = list(dict.fromkeys(str(each[4][0]).partition("%")[0] for each in found))
    for address in map(ip_address, texts):
        if allowed.lists(sink.host, address, sink.port):
            continue
        kind = kind_of(address)
        why = f"it resolves to a {kind} address" if kind else f"port {sink.port} is not for mail"
        if kind is not None or sink.port not in PORTS:
            raise OutboundRefused(
                f"{sink.host}:{sink.port} is not asked",
                why=[why],
                fix=[
                    "if it is meant, whoever starts the service lists it: "
                    f"{SETTING}={sink.host}:{sink.port}"
                ],
            )
    return texts[0]


class _Pinned(smtplib.SMTP):
    """Connects to the address that was judged; certificates are checked for the name."""

    address: str

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return socket.create_connection((self.address, port), timeout)


class _PinnedTls(smtplib.SMTP_SSL, _Pinned):
    pass


@contextmanager
def _session(sink: Mail, address: str) -> Iterator[smtplib.SMTP]:
    trusted = ssl.create_default_context()
    tls = sink.security == "tls"
    session = _PinnedTls(timeout=TIMEOUT_S, context=trusted) if tls else _Pinned(timeout=TIMEOUT_S)
    session.address = address
    session._host = sink.host  # type: ignore[attr-defined]  # what TLS checks the certificate for
    session.connect(sink.host, sink.port)
    with session:
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
