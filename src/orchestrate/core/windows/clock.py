"""Whether a time is open, and when that changes.

A time is judged by what the clock on the wall of the zone shows. Where clocks are set back, 02:30
comes twice and is twice what it is; where they are set forward, what was to begin at the missing
02:30 begins at 03:00.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from orchestrate.core.windows.calendar import Calendar, Freeze, Period, Window, zone_of

FARTHEST = timedelta(days=800)
"""How far ahead is looked for a change."""
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Standing:
    """How it stands at a time."""

    open: bool
    freeze: Freeze | None = None
    """What keeps it closed, when a freeze does."""
    until: datetime | None = None
    """When `open` changes next, UTC; None: not within two years."""


def standing(calendar: Calendar, at: datetime) -> Standing:
    """How it stands at `at` (aware)."""
    now = is_open(calendar, at)
    if calendar.empty:
        return Standing(True)
    until = next((e for e in edges(calendar, at) if is_open(calendar, e) is not now), None)
    return Standing(now, _freeze(calendar, at), until)


def is_open(calendar: Calendar, at: datetime) -> bool:
    """Whether a deployment may begin at `at` (aware)."""
    if _freeze(calendar, at) is not None:
        return False
    if not calendar.windows and not calendar.openings:
        return True
    return any(_in_window(window, _wall(at, window.zone)) for window in calendar.windows) or any(
        opening.holds(_wall(at, opening.zone)) for opening in calendar.openings
    )


def next_open(calendar: Calendar, at: datetime, for_s: float = 0.0) -> datetime | None:
    """The first time from `at` on that is open, and stays so for `for_s` seconds; None when there
    is none within two years."""
    needs = timedelta(seconds=for_s)
    since = at if is_open(calendar, at) else None
    last = at
    for edge in edges(calendar, at):
        if since is not None and edge - since >= needs:
            return since
        now = is_open(calendar, edge)
        if now and since is None:
            since = edge
        elif not now:
            since = None
        last = edge
    if since is not None and (not calendar.windows or last - since >= needs):
        return since
    return None


def edges(calendar: Calendar, after: datetime) -> Iterator[datetime]:
    """The times after `after` at which anything may change, rising. Between two of them nothing
    does."""
    pending: set[datetime] = set()
    for period, zone in _periods(calendar):
        pending.update(_instants(period.start, zone), _instants(period.end, zone))
    limit = after + FARTHEST
    day = after - 2 * _DAY
    while day < limit + 2 * _DAY:
        for window in calendar.windows:
            pending.update(_edges_of_day(window, day.date()))
        # No zone is more than a day and a half from UTC: what lies two days back is complete.
        ready = sorted(edge for edge in pending if edge <= day - 2 * _DAY)
        for edge in ready:
            pending.discard(edge)
            if after < edge <= limit:
                yield edge
        if not calendar.windows:
            break
        day += _DAY
    yield from sorted(edge for edge in pending if after < edge <= limit)


def _periods(calendar: Calendar) -> Iterator[tuple[Period, ZoneInfo]]:
    for freeze in calendar.freezes:
        for period in (freeze, *freeze.exceptions):
            yield period, zone_of(freeze.zone)
    for opening in calendar.openings:
        yield opening, zone_of(opening.zone)


def _edges_of_day(window: Window, day: date) -> Iterator[datetime]:
    zone = zone_of(window.zone)
    for minutes in (0, window.start_min, window.end_min % (24 * 60)):
        wall = datetime.combine(day, time(minutes // 60, minutes % 60))
        yield from _instants(wall, zone)


def _instants(wall: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """When a clock on the wall shows `wall`; and where it never does, or twice, when the clocks
    are changed."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    yield first
    if second != first:
        yield second
        yield _change_between(min(first, second), max(first, second), zone)


def _change_between(low: datetime, high: datetime, zone: ZoneInfo) -> datetime:
    """The first second with the offset that `high` has; `low` has another one."""
    low -= _SECOND  # where the clocks are changed at `low` itself
    new = high.astimezone(zone).utcoffset()
    while high - low > _SECOND:
        middle = (low + (high - low) / 2).replace(microsecond=0)
        if middle <= low:
            break
        if middle.astimezone(zone).utcoffset() == new:
            high = middle
        else:
            low = middle
    return high


def _wall(at: datetime, zone: str) -> datetime:
    return at.astimezone(zone_of(zone)).replace(tzinfo=None, fold=0)


def _in_window(window: Window, wall: datetime) -> bool:
    minute = wall.hour * 60 + wall.minute
    today = wall.weekday()
    if window.start_min < window.end_min:
        return today in window.days and window.start_min <= minute < window.end_min
    if today in window.days and minute >= window.start_min:
        return True
    return (today - 1) % 7 in window.days and minute < window.end_min


def _freeze(calendar: Calendar, at: datetime) -> Freeze | None:
    for freeze in calendar.freezes:
        wall = _wall(at, freeze.zone)
        if freeze.holds(wall) and not any(each.holds(wall) for each in freeze.exceptions):
            return freeze
    return None
