"""When it may be deployed: the keys `windows`, `freezes`, `openings` and `on_close`."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TypeVar

from orchestrate.core.config.lists import each_table
from orchestrate.core.config.problems import shown
from orchestrate.core.config.section import Section
from orchestrate.core.windows import Calendar, Freeze, OnClose, Opening, Period, Window
from orchestrate.core.windows.calendar import zone_of

T = TypeVar("T")
WINDOW_KEYS = ("days", "from", "to", "zone")
FREEZE_KEYS = ("name", "from", "to", "zone", "except")
OPENING_KEYS = ("name", "from", "to", "zone")
PERIOD_KEYS = ("from", "to")
ON_CLOSE: tuple[OnClose, ...] = ("finish", "hold", "rollback")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ]([01]\d|2[0-3]):([0-5]\d))?")
_CLOCKS = 'write a time such as "09:00"'
_MOMENTS = "write a day or a time such as 2026-11-27 or 2026-11-27 08:00"
_ZONES = "write a zone such as Europe/Prague or UTC"


def calendar_of(section: Section) -> Calendar:
    """When deployments may begin in the environment."""
    word = section.choice("on_close", ON_CLOSE)
    return Calendar(
        windows=_good(_window(each) for each in each_table(section, "windows", WINDOW_KEYS)),
        freezes=_good(_freeze(each) for each in each_table(section, "freezes", FREEZE_KEYS)),
        openings=_good(_opening(each) for each in each_table(section, "openings", OPENING_KEYS)),
        on_close=next((each for each in ON_CLOSE if each == word), "finish"),
    )


def _window(section: Section) -> Window | None:
    section.require("from", "to", "zone")
    start, end, zone = _clock(section, "from"), _clock(section, "to"), _zone(section)
    days = _days(section)
    if start is None or end is None or zone is None or days is None:
        return None
    if start == 24 * 60:
        section.wrong("from", "is 24:00", "write 00:00, and the day after")
        return None
    if end == 0 or end == start:
        section.wrong("to", "leaves nothing of the day", 'write "24:00" for the end of the day')
        return None
    return Window(days=days, start_min=start, end_min=end, zone=zone)


def _freeze(section: Section) -> Freeze | None:
    section.require("name", "from", "to", "zone")
    period, zone, name = _period(section), _zone(section), _name(section)
    inner = _good(_period(each) for each in each_table(section, "except", PERIOD_KEYS))
    if period is None or zone is None or name is None:
        return None
    return Freeze(name=name, start=period.start, end=period.end, zone=zone, exceptions=inner)


def _opening(section: Section) -> Opening | None:
    section.require("name", "from", "to", "zone")
    period, zone, name = _period(section), _zone(section), _name(section)
    if period is None or zone is None or name is None:
        return None
    return Opening(name=name, start=period.start, end=period.end, zone=zone)


def _period(section: Section) -> Period | None:
    section.require("from", "to")
    start, end = _moment(section, "from"), _moment(section, "to", last=True)
    if start is None or end is None:
        return None
    if end <= start:
        section.wrong("to", "is not after `from`", _MOMENTS)
        return None
    return Period(start=start, end=end)


def _moment(section: Section, key: str, *, last: bool = False) -> datetime | None:
    """A time by the wall clock; a day alone is its beginning, as an end its end."""
    text = section.text(key, None, _MOMENTS)
    if text is None:
        return None
    found = _MOMENT.fullmatch(text)
    try:
        day = datetime.fromisoformat(found[1]) if found else None
    except ValueError:
        day = None
    if found is None or day is None:
        section.wrong(key, f"is {shown(text)}", _MOMENTS)
        return None
    if found[2] is None:
        return day + timedelta(days=1) if last else day
    return day + timedelta(hours=int(found[2]), minutes=int(found[3]))


def _clock(section: Section, key: str) -> int | None:
    """Minutes after midnight."""
    text = section.text(key, None, _CLOCKS)
    if text is None:
        return None
    found = _CLOCK.fullmatch(text)
    minutes = int(found[1]) * 60 + int(found[2]) if found else 24 * 60 + 1
    if minutes > 24 * 60:
        section.wrong(key, f"is {shown(text)}", _CLOCKS)
        return None
    return minutes


def _days(section: Section) -> tuple[int, ...] | None:
    """`Mon-Fri`, `Mon, Wed`, `Fri-Mon`; every day where nothing is said."""
    text = section.text("days", "Mon-Sun", right := "write days such as Mon-Fri or Mon, Wed")
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = (each.strip().lower() for each in part.partition("-"))
        if first not in _DAYS or (dash and last not in _DAYS):
            section.wrong("days", f"is {shown(text)}", right)
            return None
        start = _DAYS.index(first)
        length = (_DAYS.index(last) - start) % 7 if dash else 0
        found |= {(start + n) % 7 for n in range(length + 1)}
    return tuple(sorted(found))


def _zone(section: Section) -> str | None:
    zone = section.text("zone", None, _ZONES)
    if zone is None:
        return None
    try:
        zone_of(zone)
    except ValueError:
        section.wrong("zone", f"is {shown(zone)}, which is no time zone", _ZONES)
        return None
    return zone


def _name(section: Section) -> str | None:
    name = section.text("name", None, right := "write a name, such as black friday")
    if name is not None and (not name.isprintable() or len(name) > 80):
        section.wrong("name", "is not one short line", right)
        return None
    return name


def _good(found: Iterable[T | None]) -> tuple[T, ...]:
    return tuple(each for each in found if each is not None)
