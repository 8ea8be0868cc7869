"""Canonical JSON and digests: one value, one text, one name.

The form is RFC 8785: keys in the order of their UTF-16 units, no spaces, UTF-8, and numbers as
ECMAScript writes them, so that 60.0 and 60 are one value here and in any other implementation.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
"""Any JSON value."""

PREFIX = "sha256:"
_LARGEST = 2**53


def canonical(value: object) -> str:
    """The canonical JSON text of `value`.

    Raises ValueError on what no JSON reader agrees about (NaN, infinity, integers from 2**53 on,
    half characters), TypeError on other types.
    """
    match value:
        case None | bool():
            return json.dumps(value)
        case str():
            value.encode()
            return json.dumps(value, ensure_ascii=False)
        case int():
            return _whole(value)
        case float():
            return _number(value)
        case list() | tuple():
            return "[" + ",".join(map(canonical, value)) + "]"
        case dict():
            return "{" + ",".join(_members(value)) + "}"
    raise TypeError(f"{type(value).__name__} is not JSON")


def digest(value: object) -> str:
    """`sha256:` and 64 hexadecimal characters, over the canonical JSON of `value`."""
    return PREFIX + hashlib.sha256(canonical(value).encode()).hexdigest()


def short(name: str, length: int = 12) -> str:
    """The first `length` hexadecimal characters of a digest: how people see it."""
    return name.removeprefix(PREFIX)[:length]


def _members(value: Mapping[object, object]) -> list[str]:
    names: list[str] = []
    for name in value:
        if not isinstance(name, str):
            raise TypeError(f"the name {name!r} is not a text")
        names.append(name)
    names.sort(key=lambda name: name.encode("utf-16-be"))
    return [f"{canonical(name)}:{canonical(value[name])}" for name in names]


def _whole(value: int) -> str:
    if abs(value) >= _LARGEST:
        raise ValueError("an integer from 2**53 on is not the same number everywhere")
    return str(int(value))


def _number(value: float) -> str:
    """ECMAScript's Number::toString, from the shortest digits that `repr` gives."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a JSON number")
    if value == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text, point = "".join(map(str, digits)), len(digits) + int(exponent)
    minus = "-" if sign else ""
    if len(text) <= point <= 21:
        return minus + text.ljust(point, "0")
    if 0 < point <= 21:
        return f"{minus}{text[:point]}.{text[point:]}"
    if -6 < point <= 0:
        return f"{minus}0.{text.rjust(len(text) - point, '0')}"
    fraction = f".{text[1:]}" if len(text) > 1 else ""
    return f"{minus}{text[0]}{fraction}e{point - 1:+d}"
