"""What a look remembers, journalled as what it adds to the look before it. Pure.

An analysis remembers a bucket more at each look. Journalled whole each time, what is written grows
with the square of the looks; as what is added, with their number.
"""

from collections.abc import Mapping

from pydantic import JsonValue

Json = dict[str, JsonValue]
_KEPT, _MORE = "+first", "+more"
"""A list that has grown: so many of the one before, and these."""


def added(before: Mapping[str, JsonValue], after: Json) -> Json:
    """`after`, with each list that begins as it did `before` told by what follows."""
    found: Json = {}
    for name, value in after.items():
        old = before.get(name)
        if isinstance(value, dict) and isinstance(old, dict):
            found[name] = added(old, value)
        elif isinstance(value, list) and isinstance(old, list) and old == value[: len(old)]:
            found[name] = {_KEPT: len(old), _MORE: value[len(old) :]}
        else:
            found[name] = value
    return found


def whole(before: Mapping[str, JsonValue], more: Json) -> Json:
    """What `added` was given, from the same `before`."""
    found: Json = {}
    for name, value in more.items():
        old = before.get(name)
        if not isinstance(value, dict):
            found[name] = value
        elif value.keys() == {_KEPT, _MORE}:
            rest, kept = value[_MORE], value[_KEPT]
            assert isinstance(old, list) and isinstance(rest, list) and isinstance(kept, int)
            found[name] = [*old[:kept], *rest]
        else:
            found[name] = whole(old if isinstance(old, dict) else {}, value)
    return found
