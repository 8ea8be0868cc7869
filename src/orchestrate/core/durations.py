"""Durations as people write them: `500ms`, `30s`, `10m`, `2h`, `1d`, and sums such as `1h30m`."""

import re

from orchestrate.core.errors import InvalidInput

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
LONGEST_S = 36525 * 86400.0
"""A hundred years: a longer time is a slip of the hand."""


def seconds(text: str | int | float) -> float:
    """Seconds in `text`; a bare number means seconds. Raises InvalidInput."""
    value = _read(text)
    if value is not None and 0 <= value <= LONGEST_S:
        return float(value)
    raise InvalidInput(
        f"{str(text)[:40]!r} is not a duration", fix=["write one such as 500ms, 30s, 10m, 2h or 1d"]
    )


def _read(text: str | int | float) -> int | float | None:
    if isinstance(text, bool):
        return None
    if isinstance(text, int | float):
        return text
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return float(text)
    if text and _PART.sub("", text) == "":
        return sum(float(n) * _UNITS[unit] for n, unit in _PART.findall(text))
    return None


def spoken(duration_s: float) -> str:
    """`38ms`, `8s`, `4m 10s`, `2h 05m`, `3d 4h`: two units at most, as every screen shows it."""
    if (thousandths := round(duration_s * 1000)) < 1000:
        return f"{thousandths}ms"
    total = round(duration_s)
    if total < 60:
        return f"{total}s"
    if total < 3600:
        return f"{total // 60}m {total % 60:02d}s"
    if total < 86400:
        return f"{total // 3600}h {total % 3600 // 60:02d}m"
    return f"{total // 86400}d {total % 86400 // 3600}h"
