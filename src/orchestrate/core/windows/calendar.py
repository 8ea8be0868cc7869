"""The settings: when deployments may begin, and what happens when the window closes on one."""

from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from orchestrate.core.model import Model

OnClose = Literal["finish", "hold", "rollback"]
DAY_MIN = 24 * 60


def zone_of(name: str) -> ZoneInfo:
    """The IANA zone `name`. Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as problem:
        raise ValueError(f"{name[:60]!r} is no time zone") from problem


class _Zoned(Model):
    zone: str
    """IANA name, such as Europe/Prague."""

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        zone_of(zone)
        return zone


class Window(_Zoned):
    """Hours of some days of each week, half-open: `end_min` is no longer in it.

    An end before the start is on the next day; the window belongs to the day it begins on.
    """

    days: tuple[int, ...] = Field(default=(0, 1, 2, 3, 4, 5, 6), min_length=1)
    """0 is Monday."""
    start_min: int = Field(ge=0, lt=DAY_MIN)
    """Minutes after midnight, by the wall clock of `zone`."""
    end_min: int = Field(gt=0, le=DAY_MIN)

    @model_validator(mode="after")
    def _some(self) -> "Window":
        if self.start_min == self.end_min:
            raise ValueError("a window ends at another time than it begins")
        return self


class Period(Model):
    """From one wall-clock time to another, half-open."""

    start: datetime
    end: datetime

    @model_validator(mode="after")
    def _forward(self) -> "Period":
        if self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise ValueError("the zone is said once, in `zone`")
        if self.end <= self.start:
            raise ValueError("it ends before it begins")
        return self

    def holds(self, wall: datetime) -> bool:
        return self.start <= wall < self.end


class Freeze(_Zoned, Period):
    """No deployment begins, whatever the windows say."""

    name: str
    exceptions: tuple[Period, ...] = ()
    """Times within it at which it does not hold, in its zone."""


class Opening(_Zoned, Period):
    """A time that is open although no window is; a freeze is stronger."""

    name: str


class Calendar(Model):
    """All of it. Without windows and openings every time is open that no freeze holds."""

    windows: tuple[Window, ...] = ()
    openings: tuple[Opening, ...] = ()
    freezes: tuple[Freeze, ...] = ()
    on_close: OnClose = "finish"
    """What becomes of a deployment that is still under way when the window closes."""

    @property
    def empty(self) -> bool:
        """Whether nothing is ever kept out."""
        return not (self.windows or self.openings or self.freezes)


class Exemption(Model):
    """A closed window is passed by: why, at whose asking, with whose yes.

    Whoever grants one has seen to it that two people stand behind it and that the trail has it.
    """

    reason: str = Field(min_length=1)
    asked_by: str = Field(min_length=1)
    approved_by: str = Field(min_length=1)

    @model_validator(mode="after")
    def _two(self) -> "Exemption":
        if self.asked_by.strip().casefold() == self.approved_by.strip().casefold():
            raise ValueError("who asks for an exemption does not approve it")
        if not self.reason.strip():
            raise ValueError("an exemption has a reason")
        return self
