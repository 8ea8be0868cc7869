"""Canonical JSON and digests: one value, one text, one name.

The form follows RFC 8785 for the values this program uses: keys sorted, no spaces, UTF-8, and no
NaN or infinity.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
"""Any JSON value."""

PREFIX = "sha256:"


def canonical(value: object) -> str:
    """The canonical JSON text of `value`. Raises ValueError on NaN, TypeError on other types."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(value: object) -> str:
    """`sha256:` and 64 hexadecimal characters, over the canonical JSON of `value`."""
    return PREFIX + hashlib.sha256(canonical(value).encode()).hexdigest()


def short(name: str, length: int = 12) -> str:
    """The first `length` hexadecimal characters of a digest: how people see it."""
    return name.removeprefix(PREFIX)[:length]
