"""The same in words: `open until 20:00 Europe/Prague`."""

from datetime import datetime, timedelta

from orchestrate.core.durations import spoken
from orchestrate.core.windows.calendar import Calendar, Window, zone_of
from orchestrate.core.windows.clock import Standing, next_open, standing

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def brief(calendar: Calendar, at: datetime) -> str | None:
    """`open until 20:00 Europe/Prague`, or what keeps it closed and until when; None where nothing
    is ever kept out."""
    if calendar.empty:
        return None
    now = standing(calendar, at)
    zone = zone_name(calendar, now)
    if now.open:
        return "open" + (f" until {moment(now.until, at, zone)}" if now.until else "")
    again = next_open(calendar, at)
    if again is None:
        return f"{_closed(now)}, and no time is open within two years"
    return (
        f"{_closed(now)} until {moment(again, at, zone)}, in {spoken((again - at).total_seconds())}"
    )


def refusal(calendar: Calendar, at: datetime, needs_s: float) -> str | None:
    """Why a deployment that takes `needs_s` seconds may not begin at `at`; None when it may."""
    now = standing(calendar, at)
    if not now.open:
        return brief(calendar, at)
    end = at + timedelta(seconds=needs_s)
    if now.until is None or end <= now.until:
        return None
    zone = zone_name(calendar, now)
    text = (
        f"closes at {moment(now.until, at, zone)}, and the deployment takes at least "
        f"{spoken(needs_s)}"
    )
    later = next_open(calendar, at, needs_s)
    if later is None:
        return f"{text}; no window is as long as that"
    return f"{text}; the next time it fits is {moment(later, at, zone)}"


def describe(calendar: Calendar) -> str:
    """`Mon-Thu 09:00-20:00, Fri 09:00-16:00 Europe/Prague`: the windows as they were set."""
    parts: list[str] = []
    for number, window in enumerate(calendar.windows):
        following = calendar.windows[number + 1 : number + 2]
        same = bool(following) and following[0].zone == window.zone
        parts.append(f"{_hours(window)}{'' if same else ' ' + window.zone}")
    parts += [f'"{o.name}" from {_wall(o.start)} {o.zone}' for o in calendar.openings]
    parts += [f'freeze "{f.name}" {_wall(f.start)} to {_wall(f.end)} {f.zone}'
              for f in calendar.freezes]  # fmt: skip
    return ", ".join(parts)


def moment(when: datetime, at: datetime, zone: str) -> str:
    """`20:00 Europe/Prague`, with the day when it is another than that of `at`, with the year when
    that is another one."""
    local, today = when.astimezone(zone_of(zone)), at.astimezone(zone_of(zone))
    clock = f"{local:%H:%M} {zone}"
    if local.date() == today.date():
        return clock
    year = f" {local.year}" if local.year != today.year else ""
    return f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]}{year} {clock}"


def zone_name(calendar: Calendar, now: Standing) -> str:
    """The zone in which a standing is told."""
    if now.freeze is not None:
        return now.freeze.zone
    zoned = (*calendar.windows, *calendar.openings, *calendar.freezes)
    return zoned[0].zone


def _closed(now: Standing) -> str:
    return f'freeze "{now.freeze.name}"' if now.freeze else "closed"


def _hours(window: Window) -> str:
    return f"{days_of(window.days)} {_clock(window.start_min)}-{_clock(window.end_min)}"


def days_of(days: tuple[int, ...]) -> str:
    """`Mon-Thu`, `Mon,Wed`, `daily`."""
    if len(set(days)) == 7:
        return "daily"
    runs: list[list[int]] = []
    for day in sorted(set(days)):
        if runs and runs[-1][-1] == day - 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    return ",".join(
        _DAYS[run[0]] if len(run) == 1 else f"{_DAYS[run[0]]}-{_DAYS[run[-1]]}" for run in runs
    )


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _wall(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M}"
