"""A url names one place, or is refused; two environments never share a slug."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrate.core.errors import ProviderConfigInvalid
from orchestrate.providers.edge.place import Place, own_place, place_of, slug_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (None, Place("127.0.0.1", 0, None)),
        ("http://127.0.0.1:8080", Place("127.0.0.1", 8080, None)),
        ("http://127.0.0.1:8080/", Place("127.0.0.1", 8080, None)),
        ("http://localhost:8080", Place("127.0.0.1", 8080, None)),
        ("http://shop.localhost:8080", Place("127.0.0.1", 8080, "shop.localhost")),
        ("http://0.0.0.0:8080", Place("0.0.0.0", 8080, None)),
        ("http://[::1]:8080", Place("::1", 8080, None)),
        ("http://shop.example.com", Place("127.0.0.1", 80, "shop.example.com")),
    ],
)
def test_a_url_is_a_place(url: str | None, place: Place) -> None:
    assert place_of(url) == place


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example.com",
        "ftp://127.0.0.1:8080",
        "127.0.0.1:8080",
        "http://127.0.0.1:8080/shop",
        "http://user:word@127.0.0.1:8080",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:0",
        "http://:8080",
        "http://a`b:8080",
        "http://shop_1.localhost`) || Host(`x:8080",
    ],
)
def test_a_url_that_cannot_be_served_is_refused(url: str) -> None:
    with pytest.raises(ProviderConfigInvalid):
        place_of(url)


def test_an_answer_is_asked_for_where_it_can_be_reached() -> None:
    assert place_of("http://0.0.0.0:80").dial == "127.0.0.1"
    assert place_of("http://[::]:80").dial == "::1"
    assert place_of("http://[::1]:80").url == "http://[::1]:80"


def test_slugs_differ_where_environments_do() -> None:
    pairs = [("a", "b"), ("a--b", "c"), ("a", "b--c"), ("A", "b"), ("a.b", "c"), ("a-b", "c")]
    assert len({slug_of(*pair) for pair in pairs}) == len(pairs)
    assert slug_of("shop", "dev") == "shop--dev"


def test_an_environment_without_url_keeps_the_port_it_got(tmp_path: Path) -> None:
    home = str(tmp_path)
    first = own_place(home, "shop--dev", Place())
    assert first.port > 0
    assert own_place(home, "shop--dev", Place()) == first
    assert own_place(home, "shop--other", Place()) != first
    assert own_place(home, "x", Place(port=8080)).port == 8080
