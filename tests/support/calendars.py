"""Calendars for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def windows(*, open_now: bool) -> dict[str, object]:
    """A calendar that is open, or closed, for a day around now."""
    now = datetime.now(UTC).replace(tzinfo=None, second=0, microsecond=0)
    around = {"start": (now - timedelta(days=1)).isoformat(), "zone": "UTC",
              "end": (now + timedelta(days=1)).isoformat(), "name": "now"}  # fmt: skip
    return {"openings": [around]} if open_now else {"freezes": [around]}
