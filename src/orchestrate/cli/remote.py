"""A service elsewhere: ORCHESTRATE_URL with ORCHESTRATE_TOKEN, by the standard library's client."""

import http.client
import select
from collections.abc import Callable
from urllib.parse import urlsplit

from orchestrate.cli import wire
from orchestrate.core.errors import InvalidInput, ServiceUnreachable

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def dialler(url: str, token: str | None) -> Callable[[float], "Exchange"]:
    """What makes one exchange with the service at `url`; its argument is the answer's timeout.

    Raises InvalidInput for an address that is none, or that would send the token in the clear.
    """
    parts = urlsplit(url)
    host = parts.hostname
    if parts.scheme not in ("http", "https") or host is None or parts.username:
        raise InvalidInput(
            f"ORCHESTRATE_URL is not an address: {url[:100]!r}",
            fix=[
                "set it to one such as https://deploy.example.com, and ORCHESTRATE_TOKEN beside it"
            ],
        )
    if parts.scheme == "http" and host not in LOOPBACK:
        raise InvalidInput(
            f"ORCHESTRATE_URL is not encrypted: {url[:100]!r}",
            why=["the token would cross the network for everyone to read"],
            fix=["use https, or http to this machine alone"],
        )
    secure = parts.scheme == "https"
    headers = {"Authorization": f"Bearer {token}"} if token else {}

    def dial(timeout_s: float) -> Exchange:
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        link = kind(host, parts.port, timeout=timeout_s)
        return Exchange(link, url, parts.path.rstrip("/"), headers)

    return dial


class Exchange:
    """One request on its way; see `wire.Exchange`."""

    def __init__(
        self, link: http.client.HTTPConnection, url: str, prefix: str, headers: dict[str, str]
    ) -> None:
        self._link = link
        self._url = url
        self._prefix = prefix
        self._headers = headers

    def send(self, method: str, target: str, body: bytes | None) -> None:
        headers = dict(self._headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            self._link.request(method, self._prefix + target, body, headers)
        except OSError as problem:
            raise ServiceUnreachable(
                f"cannot reach {self._url}",
                why=[
                    f"{problem.strerror or problem} (ORCHESTRATE_URL)",
                    "running deployments go on; this says nothing about them",
                ],
                fix=[
                    "orchestrate doctor",
                    "for a local service instead: unset ORCHESTRATE_URL",
                ],
            ) from problem

    def ready(self, within_s: float) -> bool:
        return bool(select.select([self._link.sock], [], [], within_s)[0])

    def answer(self) -> wire.Answer:
        try:
            response = self._link.getresponse()
            return wire.Answer(response.status, response.read())
        except (OSError, http.client.HTTPException) as problem:
            raise wire.lost(str(problem) or type(problem).__name__) from problem
        finally:
            self._link.close()
