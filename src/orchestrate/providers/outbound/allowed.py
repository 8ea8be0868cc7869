"""What an administrator lets the service ask beyond the public internet."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from orchestrate.core.errors import InvalidInput
from orchestrate.providers.outbound.addresses import Address, forms, is_metadata, kind_of

SETTING = "ORCHESTRATE_ALLOW_OUTBOUND"
"""Variable of the service's own environment, which only who starts the service sets."""
USUAL_PORTS = frozenset({80, 443, 8080, 8443})
_HOST = re.compile(r"(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")


@dataclass(frozen=True)
class Entry:
    """One destination: a name, `*.` and the end of names, or a network; with its ports."""

    name: str | None
    network: IPv4Network | IPv6Network | None
    port: int | None
    """None: the usual ones."""
    any_port: bool = False

    def takes_port(self, port: int) -> bool:
        if self.any_port:
            return True
        return port == self.port if self.port is not None else port in USUAL_PORTS

    def takes_name(self, host: str) -> bool:
        if self.name is None:
            return False
        if self.name.startswith("*."):
            return host.endswith(self.name[1:])
        return host == self.name

    def takes_address(self, address: Address) -> bool:
        if self.network is None:
            return False
        if is_metadata(address) and self.network.num_addresses > 1:
            return False  # never by a network that happens to hold it
        return any(
            form.version == self.network.version and form in self.network for form in forms(address)
        )


@dataclass(frozen=True)
class Allowed:
    """The list, as it was read."""

    entries: tuple[Entry, ...] = ()

    def lists(self, host: str, address: Address, port: int) -> bool:
        """Whether the list names this host or this address, with this port."""
        for entry in self.entries:
            if not entry.takes_port(port):
                continue
            if entry.takes_address(address):
                return True
            if entry.takes_name(host) and not is_metadata(address):
                return True
        return False

    def why_not(self, host: str, address: Address, port: int, *, secure: bool) -> str | None:
        """Why `host`, which resolves to `address`, is not asked; None when it may be."""
        if self.lists(host, address, port):
            return None
        kind = kind_of(address)
        if kind is not None:
            article = "an" if kind[0] in "aeiou" else "a"
            return f"{host} resolves to {article} {kind} address"
        if port not in USUAL_PORTS:
            return f"port {port} is none that web services use"
        if not secure:
            return "http sends everything, credentials too, readable through the internet"
        return None


def from_environment() -> Allowed:
    """The list of ORCHESTRATE_ALLOW_OUTBOUND. Raises InvalidInput."""
    return read(os.environ.get(SETTING, ""))


def read(text: str) -> Allowed:
    """Entries between commas or spaces: `vault.internal`, `*.corp.example:8200`, `10.0.0.0/8:*`,
    `127.0.0.1:9090`, `[fd00::]/8:443`. Raises InvalidInput naming the one that is none."""
    return Allowed(tuple(_entry(word) for word in re.split(r"[,\s]+", text) if word))


def literals(addresses: Sequence[str]) -> Allowed:
    """A list of exact `host:port` pairs: what a deployment published."""
    return Allowed(tuple(_entry(each) for each in addresses))


def _entry(word: str) -> Entry:
    place, port, any_port = _split_port(word)
    try:
        network = ip_network(place.strip("[]").replace("]/", "/"), strict=False)
    except ValueError:
        network = None
    if network is not None:
        return Entry(None, network, port, any_port)
    if not _HOST.fullmatch(place.lower()) or place.replace(".", "").isdigit():
        raise InvalidInput(
            f"{SETTING} holds {word[:80]!r}, which is no host and no network",
            fix=["write entries such as vault.internal, *.corp.example:8200, 10.0.0.0/8:*"],
        )
    return Entry(place.lower(), None, port, any_port)


def _split_port(word: str) -> tuple[str, int | None, bool]:
    place, colon, port = word.rpartition(":")
    if not colon or (":" in place and "]" not in place) or "]" in port:
        return word, None, False
    if port == "*":
        return place, None, True
    if port.isdigit() and 0 < int(port) < 65536:
        return place, int(port), False
    return word, None, False
