"""Canonical JSON: the same value gives the same bytes, here and in any other RFC 8785 writer."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrate.core.canonical import canonical, digest, short

pytestmark = pytest.mark.unit

# Pairs of RFC 8785, appendix B, and of ECMAScript's Number::toString.
NUMBERS = [
    (0.0, "0"),
    (-0.0, "0"),
    (60.0, "60"),
    (0.5, "0.5"),
    (-1.5, "-1.5"),
    (5e-324, "5e-324"),
    (1.7976931348623157e308, "1.7976931348623157e+308"),
    (9007199254740992.0, "9007199254740992"),
    (295147905179352830000.0, "295147905179352830000"),
    (9.999999999999997e22, "9.999999999999997e+22"),
    (1e23, "1e+23"),
    (999999999999999700000.0, "999999999999999700000"),
    (1e21, "1e+21"),
    (0.000001, "0.000001"),
    (1e-7, "1e-7"),
    (333333333.3333332, "333333333.3333332"),
    (-0.0000033333333333333333, "-0.0000033333333333333333"),
    (1424953923781206.2, "1424953923781206.2"),
    (9007199254740991, "9007199254740991"),
]


@pytest.mark.parametrize(("value", "text"), NUMBERS)
def test_numbers_are_written_as_ecmascript_writes_them(value: float, text: str) -> None:
    assert canonical(value) == text


def test_names_are_in_the_order_of_utf_16() -> None:
    # RFC 8785, section 3.2.3: by code points the last two would change places.
    names = ["€", "\r", "\ufb33", "1", "😀", "\x80", "ö"]
    assert list(json.loads(canonical(dict.fromkeys(names, 0)))) == [
        "\r",
        "1",
        "\x80",
        "ö",
        "€",
        "😀",
        "\ufb33",
    ]


def test_texts_are_escaped_as_little_as_json_allows() -> None:
    # RFC 8785, section 3.2.2.
    text = '€$\x0f\nA\'B"\\\\"/'
    assert canonical(text) == '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'


def test_whole_numbers_and_fractions_that_are_equal_have_one_digest() -> None:
    assert digest({"a": 60}) == digest({"a": 60.0})


def test_a_digest_is_pinned() -> None:
    assert digest({"b": [1, None, True], "a": "é"}) == (
        "sha256:f5327588d116d2e7d05b8bdb3b2e4206bf3a739b14becbeb6c588ef347651ad5"
    )


def test_a_digest_is_shown_short() -> None:
    assert short("sha256:" + "ab" * 32) == "abababababab"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 2**53, -(2**53), "\ud800"])
def test_what_readers_disagree_about_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        canonical({"a": [value]})


@pytest.mark.parametrize("value", [b"x", {1: 2}, {1, 2}, object()])
def test_what_is_not_json_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        canonical(value)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=10,
)


@given(VALUES)
def test_reading_it_back_gives_the_same_value(value: object) -> None:
    text = canonical(value)
    read = json.loads(text, parse_int=float)  # as a reader does whose numbers are all floats
    assert read == value
    assert canonical(read) == text
