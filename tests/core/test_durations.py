"""Durations: what people write, and how they are said."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrate.core.durations import LONGEST_S, seconds, spoken
from orchestrate.core.errors import InvalidInput

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("10m", 600),
        ("2h", 7200),
        ("1d", 86400),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("1m500ms", 60.5),
        ("30", 30),
        ("0.5", 0.5),
        (30, 30),
        (0.25, 0.25),
        (0, 0),
        ("0s", 0),
    ],
)
def test_a_duration_is_seconds(text: str | float, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s",
        "soon",
        "5 minutes",
        "1h 30m",
        "-5s",
        "5S",
        "1w",
        "1e3",
        ".5s",
        "5.s",
        "٣s",
        " 5s",
        -1,
        True,
        math.nan,
        math.inf,
        "9" * 400,
        "9" * 400 + "d",
        "200y",
        "40000d",
    ],
)
def test_what_is_no_duration_is_refused_with_an_example(text: str | float) -> None:
    with pytest.raises(InvalidInput) as caught:
        seconds(text)
    assert "30s" in caught.value.fix[0]


@given(st.text(max_size=12))
def test_any_text_is_a_finite_duration_or_refused(text: str) -> None:
    try:
        assert 0 <= seconds(text) <= LONGEST_S
    except InvalidInput:
        pass


@pytest.mark.parametrize(
    ("duration_s", "said"),
    [
        (0.0, "0ms"),
        (0.038, "38ms"),
        (0.9996, "1s"),
        (8.0, "8s"),
        (59.7, "1m 00s"),
        (250, "4m 10s"),
        (3599.9, "1h 00m"),
        (7500, "2h 05m"),
        (86399.9, "1d 0h"),
        (273600, "3d 4h"),
    ],
)
def test_a_duration_is_said_in_two_units_at_most(duration_s: float, said: str) -> None:
    assert spoken(duration_s) == said
