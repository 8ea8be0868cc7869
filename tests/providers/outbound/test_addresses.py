"""Which addresses are public: every spelling of one that is not."""

from ipaddress import ip_address

import pytest

from orchestrate.core.errors import InvalidInput
from orchestrate.providers.outbound import Allowed
from orchestrate.providers.outbound.addresses import kind_of
from orchestrate.providers.outbound.allowed import read

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::127.0.0.1", "loopback"),
        ("64:ff9b::7f00:1", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("198.18.0.1", "private"),
        ("240.0.0.1", "private"),
        ("192.88.99.1", "private"),
        ("fc00::1", "private"),
        ("fec0::1", "private"),
        ("2002:808:808::1", "private"),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "private"),
        ("64:ff9b::a00:1", "private"),
        ("64:ff9b:1::808:808", "private"),
        ("::ffff:10.1.2.3", "private"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("224.0.0.1", "multicast"),
        ("ff0e::1", "multicast"),
        ("169.254.169.254", "metadata"),
        ("::ffff:169.254.169.254", "metadata"),
        ("64:ff9b::a9fe:a9fe", "metadata"),
        ("2002:a9fe:a9fe::1", "metadata"),
        ("fe80::5efe:a9fe:a9fe", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("168.63.129.16", "metadata"),
    ],
)
def test_an_address_that_is_not_public_is_known_as_what_it_is(text: str, kind: str) -> None:
    assert kind_of(ip_address(text)) == kind


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808"])
def test_a_public_address_is_public(text: str) -> None:
    assert kind_of(ip_address(text)) is None


def allows(text: str, host: str, address: str, port: int = 443) -> bool:
    return read(text).lists(host, ip_address(address), port)


def test_nothing_is_listed_unless_somebody_lists_it() -> None:
    assert Allowed() == read("") == read(" , ")
    assert not allows("", "vault.internal", "10.0.0.1")


@pytest.mark.parametrize(
    ("entry", "host", "address", "port", "allowed"),
    [
        ("vault.internal", "vault.internal", "10.0.0.1", 443, True),
        ("vault.internal", "vault.internal", "10.0.0.1", 8200, False),
        ("vault.internal:8200", "vault.internal", "10.0.0.1", 8200, True),
        ("vault.internal:8200", "vault.internal", "10.0.0.1", 443, False),
        ("vault.internal", "evil-vault.internal", "10.0.0.1", 443, False),
        ("*.corp.example", "a.b.corp.example", "10.0.0.1", 443, True),
        ("*.corp.example", "corp.example", "10.0.0.1", 443, False),
        ("*.corp.example", "evilcorp.example", "10.0.0.1", 443, False),
        ("10.0.0.0/8", "any.example", "10.9.9.9", 443, True),
        ("10.0.0.0/8", "any.example", "11.9.9.9", 443, False),
        ("10.0.0.0/8:*", "any.example", "10.9.9.9", 22, True),
        ("127.0.0.1:9090", "127.0.0.1", "127.0.0.1", 9090, True),
        ("127.0.0.1:9090", "127.0.0.1", "::ffff:127.0.0.1", 9090, True),
        ("127.0.0.1:9090", "127.0.0.1", "127.0.0.2", 9090, False),
        ("[fd00::]/8:443", "x.example", "fd12::1", 443, True),
        ("[fd12::1]:9090", "x.example", "fd12::1", 9090, True),
        ("fd12::1", "x.example", "fd12::1", 443, True),
    ],
)
def test_an_entry_opens_what_it_names_and_no_more(
    entry: str, host: str, address: str, port: int, allowed: bool
) -> None:
    assert allows(entry, host, address, port) is allowed


@pytest.mark.parametrize("entry", ["0.0.0.0/0:*", "169.254.0.0/16", "inside.example"])
def test_metadata_is_listed_by_its_own_address_or_not_at_all(entry: str) -> None:
    assert not allows(entry, "inside.example", "169.254.169.254", 80)
    assert not allows(entry, "inside.example", "64:ff9b::a9fe:a9fe", 80)
    assert allows("169.254.169.254", "inside.example", "169.254.169.254", 80)


@pytest.mark.parametrize("entry", ["http://x", "x:port", "10.0.0.0/99", "1.2.3", "a b/c", "x:0"])
def test_an_entry_that_is_none_is_named(entry: str) -> None:
    with pytest.raises(InvalidInput, match="no host and no network"):
        read(entry)
