"""Which engine is meant: the socket of this machine, or one elsewhere over TLS or ssh."""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import JsonValue

from orchestrate.core.errors import ProviderConfigInvalid

SOCKET = "unix:///var/run/docker.sock"
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?")


@dataclass(frozen=True)
class Tls:
    """Paths of files: the authority, our certificate and its key."""

    ca: str
    cert: str
    key: str


@dataclass(frozen=True)
class Host:
    """An engine's address."""

    url: str
    tls: Tls | None = None

    @property
    def here(self) -> bool:
        """Whether it is this machine's, so that its pids and disks are ours."""
        return self.url.startswith("unix:")

    @property
    def elsewhere(self) -> bool:
        """Whether its loopback is another machine's."""
        return not self.here and urlsplit(self.url).hostname not in ("localhost", "127.0.0.1")

    def refuse_unreached(self, publish: str) -> None:
        """Raises ProviderConfigInvalid when ports published there would be sought on this machine
        though the engine is elsewhere: whoever listens here at such a port would be asked."""
        if self.elsewhere and not reached(publish):
            raise ProviderConfigInvalid(
                f"the engine at {self.url} is elsewhere, and nothing here reaches its {publish}",
                why=["DOCKER_HOST of the service names it, and `publish` in config is no address"],
                fix=[
                    "set `publish` in config: an address of that machine which this one reaches",
                    "or unset DOCKER_HOST and restart the service, to use this machine's engine",
                ],
            )


def reached(publish: str) -> bool:
    """Whether an address can be that of another machine."""
    address = ipaddress.IPv4Address(publish)
    return not (address.is_loopback or address.is_unspecified)


def host_of(url: str | None, given: Tls | None, environ: Mapping[str, str]) -> Host:
    """The engine that config names, else DOCKER_HOST, else this machine's socket.

    Raises ProviderConfigInvalid when DOCKER_HOST is none of the forms we take.
    """
    if url is not None:
        return Host(url, given)
    named = environ.get("DOCKER_HOST") or SOCKET
    try:
        url = host_url(named)
    except ValueError as problem:
        raise _wrong(named, str(problem)) from problem
    if not url.startswith("tcp:"):
        return Host(url)
    folder = environ.get("DOCKER_CERT_PATH") or os.path.expanduser("~/.docker")
    if not environ.get("DOCKER_TLS_VERIFY"):
        raise _wrong(named, "DOCKER_TLS_VERIFY is not set, so whoever reaches the port is root")
    return Host(url, Tls(*(os.path.join(folder, f"{name}.pem") for name in ("ca", "cert", "key"))))


def host_url(value: JsonValue) -> str:
    """`unix:///path`, `tcp://host:port` or `ssh://user@host`. Raises ValueError."""
    right = "it must be unix:///path, tcp://host:2376 or ssh://user@host"
    if not isinstance(value, str):
        raise ValueError(right)
    parts = urlsplit(value)
    if parts.query or parts.fragment or parts.password is not None:
        raise ValueError(right)
    if parts.scheme == "unix":
        fits = not parts.netloc and parts.path.startswith("/")
    else:
        # A name that began with - would be an option of ssh.
        names = [parts.hostname or "", *([parts.username] if parts.username is not None else [])]
        fits = parts.path in ("", "/") and all(_NAME.fullmatch(name) for name in names)
        fits &= parts.scheme == "ssh" or (
            parts.scheme == "tcp" and parts.port is not None and parts.username is None
        )
    if not fits:
        raise ValueError(right)
    return value.rstrip("/")


def tls(value: JsonValue) -> Tls:
    """Three absolute paths. Raises ValueError."""
    if isinstance(value, dict) and set(value) == {"ca", "cert", "key"}:
        paths = [str(value[name]) for name in ("ca", "cert", "key")]
        if all(os.path.isabs(path) for path in paths):
            return Tls(*paths)
    raise ValueError("it must be {ca, cert, key}, each the absolute path of a file")


def _wrong(named: str, why: str) -> ProviderConfigInvalid:
    return ProviderConfigInvalid(
        f"DOCKER_HOST {named!r} of the service cannot be used",
        why=[why],
        fix=["set `host` (and `tls`) in config, or unset DOCKER_HOST and restart the service"],
    )
