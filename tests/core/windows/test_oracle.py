"""Windows against an oracle that asks minute by minute what the clock on the wall shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrate.core.windows import (
    Calendar,
    Freeze,
    Opening,
    Period,
    Window,
    next_open,
    standing,
)
from orchestrate.core.windows.clock import edges, is_open

pytestmark = pytest.mark.unit

MINUTE = timedelta(minutes=1)
ZONES = sorted(available_timezones() - {"localtime", "Factory"})
# Zones whose clocks do something unusual: half hours, midnight changes, a day that was left out.
ODD = [
    "Europe/Prague",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Asia/Beirut",
    "America/Havana",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Asia/Kathmandu",
    "Europe/Dublin",
    "Africa/Casablanca",
    "Antarctica/Troll",
]
CHANGES = [
    datetime(2026, 3, 28, 12, tzinfo=UTC),  # Europe, forward
    datetime(2026, 10, 24, 12, tzinfo=UTC),  # Europe, back
    datetime(2026, 3, 7, 12, tzinfo=UTC),  # the United States, forward
    datetime(2026, 10, 31, 12, tzinfo=UTC),  # the United States, back
    datetime(2026, 4, 4, 3, tzinfo=UTC),  # Lord Howe, Chatham, back
    datetime(2026, 10, 3, 3, tzinfo=UTC),
    datetime(2018, 11, 3, 12, tzinfo=UTC),  # São Paulo, forward at midnight
    datetime(2011, 12, 29, 6, tzinfo=UTC),  # Apia, without 30 December
    datetime(2028, 2, 28, 12, tzinfo=UTC),  # a leap day
    datetime(2026, 12, 30, 12, tzinfo=UTC),  # the year's end
]

zones = st.one_of(st.sampled_from(ODD), st.sampled_from(ZONES))
starts = st.one_of(
    st.sampled_from(CHANGES),
    st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),
)
# The hours at which clocks are changed are where it is difficult.
minutes = st.one_of(
    st.integers(0, 1439), st.sampled_from([0, 1, 60, 90, 119, 120, 121, 150, 179, 180, 181, 1439])
)


@st.composite
def windows(draw: st.DrawFn) -> Window:
    start = draw(minutes)
    end = draw(st.one_of(minutes.map(lambda m: m + 1), st.just(1440)).filter(lambda m: m != start))
    days = draw(st.sets(st.integers(0, 6), min_size=1))
    return Window(days=tuple(sorted(days)), start_min=start, end_min=end, zone=draw(zones))


@st.composite
def periods(draw: st.DrawFn, around: datetime) -> tuple[datetime, datetime]:
    start = around.replace(tzinfo=None) + draw(st.integers(-3000, 3000)) * MINUTE
    start = start.replace(second=0, microsecond=0)
    return start, start + draw(st.integers(1, 3000)) * MINUTE


@st.composite
def cases(draw: st.DrawFn) -> tuple[Calendar, datetime]:
    at = draw(starts).replace(second=0, microsecond=0)
    freezes = []
    for number in range(draw(st.integers(0, 2))):
        start, end = draw(periods(at))
        inner = draw(periods(at))
        freezes.append(
            Freeze(
                name=f"f{number}",
                start=start,
                end=end,
                zone=draw(zones),
                exceptions=(Period(start=inner[0], end=inner[1]),),
            )
        )
    openings = []
    for _ in range(draw(st.integers(0, 1))):
        start, end = draw(periods(at))
        openings.append(Opening(name="o", start=start, end=end, zone=draw(zones)))
    calendar = Calendar(
        windows=tuple(draw(st.lists(windows(), max_size=3))),
        freezes=tuple(freezes),
        openings=tuple(openings),
    )
    return calendar, at


def in_prague(start: int, end: int) -> Calendar:
    """One window that begins or ends while clocks are changed."""
    return Calendar(windows=(Window(start_min=start, end_min=end, zone="Europe/Prague"),))


def shown(at: datetime, zone: str) -> tuple[str, int]:
    """What a clock and a calendar on the wall show: the time as text, and the day of the week."""
    there = at.astimezone(ZoneInfo(zone))
    return there.strftime("%Y-%m-%d %H:%M"), there.isoweekday() - 1


def oracle(calendar: Calendar, at: datetime) -> bool:
    def within(period: Period, zone: str) -> bool:
        text = shown(at, zone)[0]
        return f"{period.start:%Y-%m-%d %H:%M}" <= text < f"{period.end:%Y-%m-%d %H:%M}"

    for freeze in calendar.freezes:
        free = any(within(each, freeze.zone) for each in freeze.exceptions)
        if within(freeze, freeze.zone) and not free:
            return False
    if not calendar.windows and not calendar.openings:
        return True
    if any(within(opening, opening.zone) for opening in calendar.openings):
        return True
    for window in calendar.windows:
        text, day = shown(at, window.zone)
        clock = text[11:]
        begin, end = (
            f"{window.start_min // 60:02}:{window.start_min % 60:02}",
            f"{window.end_min // 60:02}:{window.end_min % 60:02}",
        )
        if begin < end:
            if day in window.days and begin <= clock < end:
                return True
        elif (day in window.days and clock >= begin) or (
            (day + 6) % 7 in window.days and clock < end
        ):
            return True
    return False


@pytest.mark.trap(54)
@pytest.mark.attack(
    "CL03", "windows at DST changes, midnight, month and year ends", "as the oracle"
)
@settings(max_examples=250, deadline=None)
@given(cases())
def test_each_minute_of_three_days_is_open_or_not_as_the_wall_clock_says(
    case: tuple[Calendar, datetime],
) -> None:
    calendar, at = case
    for number in range(0, 3 * 1440, 7):
        minute = at + number * MINUTE
        assert is_open(calendar, minute) is oracle(calendar, minute), minute


@pytest.mark.attack("CL03", "the next change, near DST changes and over midnight", "as the oracle")
@settings(max_examples=250, deadline=None)
@given(cases())
@example((in_prague(150, 210), CHANGES[0]))
@example((in_prague(150, 165), CHANGES[0]))
@example((in_prague(60, 150), CHANGES[1]))
def test_the_next_change_is_the_minute_at_which_the_oracle_changes(
    case: tuple[Calendar, datetime],
) -> None:
    calendar, at = case
    now = oracle(calendar, at)
    until = standing(calendar, at).until
    for number in range(1, 3 * 1440):
        minute = at + number * MINUTE
        if oracle(calendar, minute) is not now:
            assert until == minute
            return
    assert until is None or until >= at + 3 * 1440 * MINUTE


@pytest.mark.trap(54)
@settings(max_examples=150, deadline=None)
@given(cases(), st.integers(0, 600))
def test_the_next_time_it_fits_is_the_first_with_so_many_open_minutes(
    case: tuple[Calendar, datetime], needs: int
) -> None:
    calendar, at = case
    minutes = 4 * 1440
    run = 0
    expected = None
    for number in range(minutes):
        run = run + 1 if oracle(calendar, at + number * MINUTE) else 0
        if run >= max(needs, 1):
            expected = at + (number - run + 1) * MINUTE
            break
    found = next_open(calendar, at, needs * 60.0)
    if expected is not None:
        assert found == expected
    else:
        assert found is None or found > at + (minutes - max(needs, 1)) * MINUTE


@settings(max_examples=150, deadline=None)
@given(cases())
@example((in_prague(150, 210), CHANGES[0]))
@example((in_prague(60, 150), CHANGES[1]))
def test_between_two_edges_nothing_changes(case: tuple[Calendar, datetime]) -> None:
    calendar, at = case
    until = at + timedelta(days=2)
    known = {at, *(edge for edge in edges(calendar, at) if edge <= until)}
    before = oracle(calendar, at)
    for number in range(1, 2 * 1440):
        minute = at + number * MINUTE
        now = oracle(calendar, minute)
        assert now is before or minute in known
        before = now


@pytest.mark.parametrize("zone", ZONES)
def test_every_zone_has_its_nine_to_five(zone: str) -> None:
    calendar = Calendar(
        windows=(Window(days=(0, 1, 2, 3, 4), start_min=540, end_min=1020, zone=zone),)
    )
    at = datetime(2026, 11, 25, tzinfo=UTC)
    for hour in range(48):
        moment = at + timedelta(hours=hour)
        assert is_open(calendar, moment) is oracle(calendar, moment)
