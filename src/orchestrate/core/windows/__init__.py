"""When an environment may be changed: windows, freezes and openings, by the clock on the wall.

Pure: the time arrives as an argument. Zones are looked up with `zoneinfo`, whose files are data of
the interpreter as much as its tables of characters are; nothing else is read.
"""

from orchestrate.core.windows.calendar import (
    Calendar,
    Exemption,
    Freeze,
    OnClose,
    Opening,
    Period,
    Window,
)
from orchestrate.core.windows.clock import Standing, next_open, standing
from orchestrate.core.windows.say import brief, describe, moment, refusal, zone_name

__all__ = [
    "Calendar",
    "Exemption",
    "Freeze",
    "OnClose",
    "Opening",
    "Period",
    "Standing",
    "Window",
    "brief",
    "describe",
    "moment",
    "next_open",
    "refusal",
    "standing",
    "zone_name",
]
