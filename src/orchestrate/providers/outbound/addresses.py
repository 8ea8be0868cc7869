"""Which IP addresses belong to the public internet, whatever form they are written in.

`ipaddress.is_global` alone is no filter: it takes 64:ff9b::a9fe:a9fe (169.254.169.254 behind
NAT64), 6to4, multicast and site-local addresses for global ones.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

METADATA = frozenset(
    ip_address(each)
    for each in (
        "169.254.169.254",  # AWS, Google, Azure, DigitalOcean and most others
        "169.254.170.2",  # credentials of an ECS task
        "169.254.170.23",  # credentials of an EKS pod
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",  # Google, IPv6
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure's wire server, a public address
        "192.0.0.192",  # Oracle
    )
)
"""Addresses that give a machine's credentials to whoever asks from it: only listed one by one."""

_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE = IPv6Network("::/96")
_TUNNELS = (IPv6Network("2002::/16"), IPv6Network("2001::/32"))
_NEVER_PUBLIC_4 = (IPv4Network("192.88.99.0/24"),)
_NEVER_PUBLIC_6 = (
    *_TUNNELS,
    _COMPATIBLE,
    IPv6Network("64:ff9b:1::/48"),  # translation within one network
    IPv6Network("fec0::/10"),  # site-local
    IPv6Network("3fff::/20"),  # documentation
    IPv6Network("5f00::/16"),  # segment routing
)
_ISATAP = 0x5EFE


def forms(address: Address) -> Iterator[Address]:
    """The address, and each IPv4 address that it carries."""
    yield address
    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    low = int(address) & 0xFFFFFFFF
    carries = any(address in net for net in (*_NAT64, _COMPATIBLE))
    if (carries and int(address) > 1) or (int(address) >> 32) & 0xFFFF == _ISATAP:
        yield IPv4Address(low)


def is_metadata(address: Address) -> bool:
    """Whether it is, in any form, where a cloud hands out a machine's credentials."""
    return any(form in METADATA for form in forms(address))


def kind_of(address: Address) -> str | None:
    """What keeps an address from being public (`loopback`, `private`, ...), None for a public one.

    A kind and not the address: what a name resolves to inside is nobody's who may only write it.
    """
    if is_metadata(address):
        return "metadata"
    for form in reversed(tuple(forms(address))):
        if isinstance(form, IPv6Address) and form.ipv4_mapped is not None:
            continue  # judged as what it is mapped to
        if form.is_loopback:
            return "loopback"
        if form.is_unspecified:
            return "unspecified"
        if form.is_link_local:
            return "link-local"
        if form.is_multicast:
            return "multicast"
        if not form.is_global or _never_public(form):
            return "private"
    return None


def _never_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return any(address in net for net in _NEVER_PUBLIC_4)
    return any(address in net for net in _NEVER_PUBLIC_6)
