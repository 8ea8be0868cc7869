"""Where an environment answers, from its url; and its name in files and in Traefik."""

import hashlib
import ipaddress
import json
import os
import re
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from orchestrate.core.errors import ProviderConfigInvalid
from orchestrate.providers.processes.files import locked, private_directory, read_json
from orchestrate.providers.processes.files import replace as write_file
from orchestrate.providers.processes.ports import free_port

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Place:
    """A public address. Port 0 means: one of our choosing, remembered."""

    address: str = LOOPBACK
    """IP address listened on."""
    port: int = 0
    host: str | None = None
    """Only requests with this Host are meant; None means all that no other environment claims."""

    @property
    def url(self) -> str:
        name = self.host or (f"[{self.address}]" if ":" in self.address else self.address)
        return f"http://{name}:{self.port}"

    @property
    def dial(self) -> str:
        """IP address to connect to from this machine."""
        return {"0.0.0.0": LOOPBACK, "::": "::1"}.get(self.address, self.address)

    @property
    def rule(self) -> str:
        """Traefik's rule for the requests meant."""
        return f"Host(`{self.host}`)" if self.host else "PathPrefix(`/`)"


def place_of(url: str | None) -> Place:
    """The place a url names; without a url, a loopback port of our choosing.

    A host that is an IP address is listened on; any other host is told apart by name on 127.0.0.1.
    Raises ProviderConfigInvalid.
    """
    if url is None:
        return Place()
    try:
        parts = urlsplit(url)
        port = parts.port if parts.port is not None else 80
    except ValueError as problem:
        raise _invalid(url, str(problem)) from problem
    if parts.scheme != "http":
        raise _invalid(url, "the edge on this machine speaks http only")
    if not parts.hostname or parts.username or parts.query or parts.fragment:
        raise _invalid(url, "it needs a host and a port, and nothing else")
    if parts.path not in ("", "/"):
        raise _invalid(url, "an environment has a whole host, not a path below one")
    if port == 0:
        raise _invalid(url, "port 0 is none; leave url out to get a free port")
    return _place(url, parts.hostname, port)


def own_place(home: str, slug: str, place: Place) -> Place:
    """`place` with a port: one without gets a free one, remembered for the environment."""
    if place.port != 0:
        return place
    folder = private_directory(os.path.join(home, "edge"))
    path = os.path.join(folder, "ports.json")
    with locked(f"{path}.lock"):
        known = read_json(path) or {}
        if slug not in known:
            taken = {int(str(port)) for port in known.values()}
            known[slug] = free_port(avoid=taken)
            write_file(path, json.dumps(known))
    return replace(place, port=int(str(known[slug])))


def slug_of(app: str, environment: str) -> str:
    """`app--environment` as file and service names can carry it; different pairs differ."""
    plain = f"{app}--{environment}"
    found = re.sub(r"[^a-z0-9-]", "-", plain.lower())[:100]
    if found == plain and "--" not in app and "--" not in environment:
        return found
    return f"{found}-{hashlib.sha256(f'{app}/{environment}'.encode()).hexdigest()[:8]}"


def _place(url: str, host: str, port: int) -> Place:
    if host == "localhost":
        return Place(port=port)
    try:
        return Place(address=str(ipaddress.ip_address(host)), port=port)
    except ValueError:
        pass
    if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", host):
        raise _invalid(url, f"{host!r} is not a host name")
    return Place(port=port, host=host)


def _invalid(url: str, why: str) -> ProviderConfigInvalid:
    return ProviderConfigInvalid(
        f"url {url!r} cannot be served",
        why=[why],
        fix=["give one such as http://127.0.0.1:8080 or http://shop.localhost:8080"],
    )
