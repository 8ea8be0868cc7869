"""What is said of windows, and when it may be deployed next."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from orchestrate.core.windows import (
    Calendar,
    Exemption,
    Freeze,
    Opening,
    Period,
    Window,
    brief,
    describe,
    next_open,
    refusal,
    standing,
)

pytestmark = pytest.mark.unit

PRAGUE = "Europe/Prague"
WEEK = Window(days=(0, 1, 2, 3), start_min=540, end_min=1200, zone=PRAGUE)
FRIDAY = Window(days=(4,), start_min=540, end_min=960, zone=PRAGUE)
HOURS = Calendar(windows=(WEEK, FRIDAY))
FREEZE = Freeze(
    name="black friday",
    start=datetime(2026, 11, 23),
    end=datetime(2026, 12, 1, 9),
    zone=PRAGUE,
    exceptions=(Period(start=datetime(2026, 11, 26, 10), end=datetime(2026, 11, 26, 11)),),
)
TUESDAY_NOON = datetime(2026, 11, 24, 11, tzinfo=UTC)


def test_an_open_window_says_until_when() -> None:
    assert brief(HOURS, TUESDAY_NOON) == "open until 20:00 Europe/Prague"


def test_a_closed_one_says_when_it_opens() -> None:
    at = datetime(2026, 11, 27, 15, 0, tzinfo=UTC)  # Friday 16:00 in Prague: no longer
    assert brief(HOURS, at) == "closed until Mon 30 Nov 09:00 Europe/Prague, in 2d 17h"


def test_a_freeze_is_named_with_its_next_exception() -> None:
    calendar = HOURS.model_copy(update={"freezes": (FREEZE,)})
    said = brief(calendar, TUESDAY_NOON)
    assert said == 'freeze "black friday" until Thu 26 Nov 10:00 Europe/Prague, in 1d 22h'
    after = datetime(2026, 11, 26, 10, 0, tzinfo=UTC)
    said = brief(calendar, after)
    assert said == 'freeze "black friday" until Tue 1 Dec 09:00 Europe/Prague, in 4d 22h'


def test_an_opening_opens_what_no_window_does_and_a_freeze_is_stronger() -> None:
    saturday = Opening(
        name="move", start=datetime(2026, 11, 28, 6), end=datetime(2026, 11, 28, 8), zone=PRAGUE
    )
    at = datetime(2026, 11, 28, 6, tzinfo=UTC)
    opened = HOURS.model_copy(update={"openings": (saturday,)})
    assert brief(opened, at) == "open until 08:00 Europe/Prague"
    assert not standing(opened.model_copy(update={"freezes": (FREEZE,)}), at).open


def test_the_end_of_a_window_is_no_longer_in_it() -> None:
    end = datetime(2026, 11, 24, 19, tzinfo=UTC)
    assert standing(HOURS, end - timedelta(microseconds=1)).open
    assert not standing(HOURS, end).open


def test_a_deployment_that_would_not_end_in_time_is_told_the_next_time_it_fits() -> None:
    late = datetime(2026, 11, 24, 18, 50, tzinfo=UTC)
    assert refusal(HOURS, late, 600) is None
    assert refusal(HOURS, late, 1500) == (
        "closes at 20:00 Europe/Prague, and the deployment takes at least 25m 00s; "
        "the next time it fits is Wed 25 Nov 09:00 Europe/Prague"
    )
    said = refusal(HOURS, late, 40000)
    assert said is not None and said.endswith("no window is as long as that")


def test_the_year_is_said_where_it_is_another_one() -> None:
    long = FREEZE.model_copy(update={"end": datetime(2027, 2, 1), "exceptions": ()})
    said = brief(Calendar(freezes=(long,)), TUESDAY_NOON)
    assert said == 'freeze "black friday" until Mon 1 Feb 2027 00:00 Europe/Prague, in 68d 12h'


def test_what_is_never_open_says_so() -> None:
    ever = FREEZE.model_copy(update={"end": datetime(2099, 1, 1), "exceptions": ()})
    said = brief(Calendar(freezes=(ever,)), TUESDAY_NOON)
    assert said == 'freeze "black friday", and no time is open within two years'
    assert next_open(Calendar(freezes=(ever,)), TUESDAY_NOON) is None


def test_without_settings_every_time_is_open_and_nothing_is_said() -> None:
    assert brief(Calendar(), TUESDAY_NOON) is None
    assert refusal(Calendar(), TUESDAY_NOON, 1e9) is None
    assert next_open(Calendar(), TUESDAY_NOON, 1e9) == TUESDAY_NOON


def test_adjoining_windows_are_one() -> None:
    always = Calendar(windows=(Window(start_min=0, end_min=1440, zone=PRAGUE),))
    assert standing(always, TUESDAY_NOON).until is None
    assert next_open(always, TUESDAY_NOON, 3 * 86400.0) == TUESDAY_NOON
    assert brief(always, TUESDAY_NOON) == "open"


def test_the_settings_are_told_in_a_line() -> None:
    assert describe(HOURS) == "Mon-Thu 09:00-20:00, Fri 09:00-16:00 Europe/Prague"
    night = Window(days=(5, 6), start_min=1320, end_min=120, zone="UTC")
    assert describe(Calendar(windows=(WEEK, night))) == (
        "Mon-Thu 09:00-20:00 Europe/Prague, Sat-Sun 22:00-02:00 UTC"
    )


@pytest.mark.parametrize(
    ("asked", "approved", "reason"),
    [("lee", "lee", "fire"), ("Lee", " lee", "fire"), ("lee", "dana", "  "), ("lee", "", "fire")],
)
def test_an_exemption_has_a_reason_and_two_people(asked: str, approved: str, reason: str) -> None:
    with pytest.raises(ValidationError):
        Exemption(reason=reason, asked_by=asked, approved_by=approved)


@pytest.mark.parametrize("zone", ["Local", "../../etc/passwd", "CET-1", "", "europe/nowhere"])
def test_a_zone_that_is_none_is_refused(zone: str) -> None:
    with pytest.raises(ValidationError):
        Window(start_min=0, end_min=60, zone=zone)
