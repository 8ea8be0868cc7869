"""The one client for addresses that a configuration names."""

import logging
import re
import socket
import ssl
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from ipaddress import ip_address
from urllib.parse import urljoin

import httpcore2
import httpx2

from orchestrate.core.errors import OutboundFailed, OutboundRefused
from orchestrate.core.secret import Secret
from orchestrate.providers.outbound import allowed as lists
from orchestrate.providers.outbound.addresses import Address
from orchestrate.providers.outbound.allowed import SETTING, Allowed

log = logging.getLogger(__name__)

Text = str | Secret
Resolve = Callable[[str, int], Sequence[str]]
MOST_BYTES = 64 * 1024
TIMEOUT_S = 10.0
_TARGET = re.compile(r"[!-~]+")
"""What a url may hold: printable ASCII; spaces, line ends and other scripts are escaped in one."""


@dataclass(frozen=True)
class Answer:
    """What came back. `body` is from outside: data, never shown in an error."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name; of several with one name the last."""
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def said(self) -> str:
        """`answered 4xx`: as much as an error may tell of an answer."""
        return f"answered {self.status // 100}xx"


@dataclass(frozen=True)
class Target:
    """Where a request goes, read once."""

    url: httpx2.URL
    host: str
    port: int
    secure: bool

    @property
    def origin(self) -> str:
        """Scheme, host and port: the path of a url can be a password."""
        return f"{self.url.scheme}://{self.url.netloc.decode('ascii')}"


def _resolve(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


@cache
def _trust() -> ssl.SSLContext:
    """The system's authorities; SSL_CERT_FILE and SSL_CERT_DIR name others."""
    return ssl.create_default_context()


@dataclass(frozen=True)
class Outbound:
    """Sends requests to the public internet and to what `allowed` lists, and nowhere else."""

    allowed: Allowed = field(default_factory=lists.from_environment)
    resolve: Resolve = _resolve
    trust: ssl.SSLContext | None = None

    def send(
        self,
        method: str,
        url: Text,
        *,
        headers: Mapping[str, Text] | None = None,
        content: bytes | None = None,
        timeout_s: float = TIMEOUT_S,
        most_bytes: int = MOST_BYTES,
        redirects: int = 0,
        own: Collection[str] = (),
    ) -> Answer:
        """One request; whatever the status, its answer.

        `own` are `host:port` pairs that may be asked as well: the addresses a deployment published
        itself. `redirects` hops are followed, each judged like the first, over https alone, and
        without the headers given here once the host is another. Raises OutboundRefused for what is
        not asked, or answers more than `most_bytes`; OutboundFailed when no answer came within
        `timeout_s`.
        """
        until = time.monotonic() + timeout_s
        allowed = Allowed((*self.allowed.entries, *lists.literals(list(own)).entries))
        target = _target(url.reveal() if isinstance(url, Secret) else url)
        given = dict(headers or {})
        while True:
            answer = self._once(method, target, given, content, allowed, until, most_bytes)
            if answer.status not in (301, 302, 303, 307, 308) or redirects <= 0:
                return answer
            redirects -= 1
            onward = _onward(target, answer)
            if onward.origin != target.origin:
                given = {}
            if answer.status == 303 or (answer.status in (301, 302) and method == "POST"):
                method, content = "GET", None
            target = onward

    def _once(
        self,
        method: str,
        target: Target,
        headers: Mapping[str, Text],
        content: bytes | None,
        allowed: Allowed,
        until: float,
        most_bytes: int,
    ) -> Answer:
        addresses = self._judged(target, allowed)
        # A connection is never shared: another request may not be allowed to have it.
        pool = httpcore2.ConnectionPool(
            ssl_context=self.trust or _trust(),
            max_keepalive_connections=0,
            network_backend=_Pinned(addresses),
        )
        raw = httpcore2.URL(
            scheme=target.url.raw_scheme,
            host=target.url.raw_host,
            port=target.url.port,
            target=target.url.raw_path,
        )
        left = until - time.monotonic()
        extensions = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), max(left, 0))}
        try:
            with (
                pool,
                pool.stream(
                    method, raw, headers=_raw(headers), content=content, extensions=extensions
                ) as response,
            ):
                return Answer(
                    status=response.status,
                    headers=_readable(response.headers),
                    body=_body(response, target, until, most_bytes),
                )
        except httpcore2.LocalProtocolError as problem:
            raise OutboundRefused(
                f"{target.origin} was not asked: a header is not well formed"
            ) from problem
        except (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError) as e:
            log.info("%s did not answer: %s", target.origin, type(e).__name__)
            raise _failed(target, _what(e)) from e

    def _judged(self, target: Target, allowed: Allowed) -> list[Address]:
        try:
            texts = self.resolve(target.host, target.port)
        except (OSError, UnicodeError) as problem:
            raise _failed(target, "its name does not resolve") from problem
        found = [ip_address(text.partition("%")[0]) for text in dict.fromkeys(texts)]
        if not found:
            raise _failed(target, "its name does not resolve")
        for address in found:
            # One bad address refuses all: which of them is tried first is not ours to say.
            why = allowed.why_not(target.host, address, target.port, secure=target.secure)
            if why is not None:
                log.warning("%s was not asked: %s (%s)", target.origin, why, address)
                raise OutboundRefused(
                    f"{target.origin} is not asked",
                    why=[why],
                    fix=[
                        "if it is meant, whoever starts the service lists it: "
                        f"{SETTING}={target.host}:{target.port}"
                    ],
                )
        return found


class _Pinned(httpcore2.NetworkBackend):
    """Connects to the addresses that were judged, whatever the name resolves to by now."""

    def __init__(self, addresses: Sequence[Address]) -> None:
        self._addresses = addresses
        self._real = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        last: Exception | None = None
        for address in self._addresses:
            try:
                return self._real.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as problem:
                last = problem
        raise last or httpcore2.ConnectError("it has no address")


def _target(text: str) -> Target:
    """The url, or OutboundRefused with what is wrong with it."""
    wrong = None
    if not _TARGET.fullmatch(text) or "\\" in text or len(text) > 4096:
        wrong = "it holds characters that a url writes with %"
    try:
        url = httpx2.URL("" if wrong else text)
    except (httpx2.InvalidURL, ValueError):
        url, wrong = httpx2.URL(""), "it is not well formed"
    if wrong is None and url.scheme not in ("http", "https"):
        wrong = "it is no http or https url"
    if wrong is None and (url.userinfo or "@" in text.partition("://")[2].partition("/")[0]):
        wrong = "it holds a user name, a password or an @ before its path"
    if wrong is None and (not url.raw_host or not 0 < (url.port or 443) < 65536):
        wrong = "it names no host, or a port that is none"
    if wrong is None and "#" in text:
        wrong = "it has a fragment, which is never sent"
    if wrong is not None:
        raise OutboundRefused("a url of the configuration is not asked", why=[wrong])
    host = url.raw_host.decode("ascii").lower()
    secure = url.scheme == "https"
    return Target(url, host, url.port or (443 if secure else 80), secure)


def _onward(target: Target, answer: Answer) -> Target:
    place = answer.headers.get("location", "")
    onward = _target(urljoin(str(target.url), place))
    if not onward.secure:
        raise OutboundRefused(f"{target.origin} sends onward to plain http, which is not followed")
    return onward


def _raw(headers: Mapping[str, Text]) -> list[tuple[str, str]]:
    usual = {"user-agent": "orchestrate", "accept": "*/*"}
    told = {name.lower(): _plain(value) for name, value in headers.items()}
    fixed = {"accept-encoding": "identity", "connection": "close"}
    return list({**usual, **told, **fixed}.items())


def _plain(value: Text) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _readable(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}


def _body(response: httpcore2.Response, target: Target, until: float, most: int) -> bytes:
    found = bytearray()
    for part in response.iter_stream():
        found += part
        if len(found) > most:
            raise OutboundRefused(f"{target.origin} answers more than {most // 1024} kB")
        if time.monotonic() > until:
            raise _failed(target, "its answer did not end in time")
    return bytes(found)


def _what(problem: Exception) -> str:
    if isinstance(problem, httpcore2.TimeoutException):
        return "it did not answer in time"
    if isinstance(problem, httpcore2.ConnectError):
        reason = problem.__cause__ or problem.__context__
        certificate = isinstance(reason, ssl.SSLCertVerificationError)
        return "its certificate is not trusted" if certificate else "no connection was made"
    return "the connection broke off"


def _failed(target: Target, why: str) -> OutboundFailed:
    return OutboundFailed(f"{target.origin} gave no answer", why=[why], retry_after_s=5.0)
