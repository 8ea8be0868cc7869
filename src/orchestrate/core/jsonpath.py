"""A value inside JSON, by a path such as `$.items[0].id` or `version`."""

import re

from pydantic import JsonValue

from orchestrate.core.errors import InvalidInput

_PART = re.compile(r"\.?([A-Za-z_][A-Za-z0-9_-]*)|\[(\d{1,6})\]")
MISSING = object()
"""What `value_at` answers where the path leads nowhere: null is a value."""


def parts_of(path: str) -> tuple[str | int, ...]:
    """The names and positions of a path; `$` alone is the whole. Raises InvalidInput."""
    rest = path.removeprefix("$")
    parts: list[str | int] = []
    at = 0
    while at < len(rest):
        found = _PART.match(rest, at)
        if found is None:
            raise InvalidInput(
                f"{path[:60]!r} is not a path in JSON",
                fix=["write names and positions, such as $.items[0].id"],
            )
        name, number = found.groups()
        parts.append(int(number) if name is None else name)
        at = found.end()
    return tuple(parts)


def value_at(document: JsonValue, path: str) -> object:
    """The value at `path` in `document`, or MISSING."""
    found: JsonValue = document
    for part in parts_of(path):
        if isinstance(part, int) and isinstance(found, list) and part < len(found):
            found = found[part]
        elif isinstance(part, str) and isinstance(found, dict) and part in found:
            found = found[part]
        else:
            return MISSING
    return found
