"""One Docker engine: the connection to it, its errors as ours. The only importer of docker-py."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrate.core.errors import (
    DiskFull,
    OrchestrateError,
    ProviderUnavailable,
    StepFailed,
    TemporaryError,
)
from orchestrate.core.untrusted import clean
from orchestrate.providers.docker.host import Host

if TYPE_CHECKING:
    from docker import APIClient
    from docker.errors import APIError

Json = dict[str, object]
TIMEOUT_S = 60
OLDEST = "1.40"
"""The API of Docker 19.03: the first with all that is used here."""
_clients: dict[Host, APIClient] = {}
_lock = threading.Lock()


class Absent(Exception):
    """There is no such container, image, network or volume."""


class Conflict(Exception):
    """It exists already, or is in use."""


def client(host: Host) -> APIClient:
    """A client of the engine, one for each host in this process.

    Raises ProviderUnavailable with what makes the engine reachable.
    """
    with _lock:
        if host not in _clients:
            _clients[host] = _connected(host)
        return _clients[host]


@contextmanager
def told(what: str) -> Iterator[None]:
    """Errors of the engine inside become ours; `what` was not done.

    Raises Absent (404), Conflict (409), DiskFull, TemporaryError when it does not answer or broke
    down, StepFailed for anything else that it refused.
    """
    import requests
    import urllib3
    from docker.errors import APIError, DockerException
    from requests.exceptions import ChunkedEncodingError

    try:
        yield
    except APIError as problem:
        raise _refused(what, problem) from problem
    except (requests.ConnectionError, requests.Timeout, ChunkedEncodingError) as problem:
        raise _silent(what, problem) from problem
    except (requests.RequestException, DockerException) as problem:
        raise StepFailed(f"the Docker engine failed: {what}", why=[_short(problem)]) from problem
    except (urllib3.exceptions.HTTPError, OSError) as problem:
        # What is read bit by bit, docker-py reads below requests, whose errors it then has not.
        raise _silent(what, problem) from problem


def _silent(what: str, problem: Exception) -> TemporaryError:
    return TemporaryError(
        f"the Docker engine does not answer: {what}", why=[_short(problem)], retry_after_s=2.0
    )


def _refused(what: str, problem: APIError) -> Exception:
    status = problem.response.status_code if problem.response is not None else 500
    said = str(problem.explanation or problem)
    if "no space left on device" in said:
        return DiskFull(
            f"the engine's disk is full: {what}",
            why=[said],
            fix=["free some space there: docker system df", "what runs was not touched"],
        )
    if status == 404:
        return Absent(said)
    if status == 409:
        return Conflict(said)
    if status == 503:
        return TemporaryError(f"the Docker engine is not ready: {what}", why=[said])
    return StepFailed(f"the Docker engine refused: {what}", why=[said], details={"status": status})


def _connected(host: Host) -> APIClient:
    try:
        import requests
        from docker.errors import DockerException
    except ImportError as problem:
        raise ProviderUnavailable(
            "docker-py is not installed", why=[str(problem)], fix=["pip install docker"]
        ) from problem
    try:
        _knock(host)
        spoken = str(_made(host, OLDEST).version(api_version=False)["ApiVersion"])
        return _made(host, spoken)
    except (DockerException, requests.RequestException, OSError) as problem:
        raise _unreachable(host, problem) from problem


def _made(host: Host, version: str) -> APIClient:
    from docker import APIClient
    from docker.tls import TLSConfig

    secured: TLSConfig | bool = False
    if host.tls is not None:
        secured = TLSConfig(
            client_cert=(host.tls.cert, host.tls.key), ca_cert=host.tls.ca, verify=True
        )
    through_ssh = host.url.startswith("ssh:")
    made = APIClient(
        base_url="http://engine:80" if through_ssh else host.url,
        version=version,
        timeout=TIMEOUT_S,
        tls=secured,
    )
    # Or REQUESTS_CA_BUNDLE would replace the authority we were given, and HTTP_PROXY be asked.
    made.trust_env = False
    if through_ssh:
        from orchestrate.providers.docker.ssh import SshAdapter

        made.mount("http://", SshAdapter(host.url, TIMEOUT_S))
    return made


def _knock(host: Host) -> None:
    """Raises OSError when nobody is at a socket of this machine: docker-py would lose its own."""
    if host.here:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking:
            knocking.connect(host.url.removeprefix("unix://"))


def _unreachable(host: Host, problem: Exception) -> OrchestrateError:
    path = host.url.removeprefix("unix://")
    if not host.here:
        how = "ssh" if host.url.startswith("ssh:") else "TLS"
        fix = [f"see that it answers over {how}: docker --host {host.url} version"]
    elif not os.path.exists(path):
        fix = ["apt-get install docker.io", "or name the engine's address as `host` in config"]
    elif not os.access(path, os.W_OK):
        fix = [
            "let the service's user use it: usermod -aG docker USER, then log in anew",
            "or use a rootless engine: its socket as `host` in config",
        ]
    else:
        fix = ["start it: systemctl start docker"]
    return ProviderUnavailable(
        f"no Docker engine answers at {host.url}", why=[_short(problem)], fix=fix
    )


def _short(problem: Exception) -> str:
    """The innermost cause in one line: requests wraps it thrice."""
    inner: BaseException = problem
    while inner.__context__ is not None and inner.__context__ is not inner:
        inner = inner.__context__
    return f"{type(inner).__name__}: {clean(str(inner))}"


def items(found: object) -> list[Json]:
    """The objects of a list in an answer."""
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def part(found: Mapping[str, object], *names: str) -> Json:
    """An object inside an answer; empty when it is not there."""
    here: object = found
    for name in names:
        here = here.get(name) if isinstance(here, dict) else None
    return here if isinstance(here, dict) else {}
