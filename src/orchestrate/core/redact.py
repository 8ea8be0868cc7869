"""Masking: values that must not be seen, in every form in which a text may hold them."""

import base64
import html
import json
import re
import shlex
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from orchestrate.core.secret import MASK, Secret

SHORTEST = 8
"""Characters. Shorter values are not looked for: masking them would destroy what is printed."""
TOKEN = re.compile(r"(?<![0-9A-Za-z_])orc[adsr]_[0-9A-Za-z]{58}(?![0-9A-Za-z])")
"""A token of ours, told by its form alone; for scanners of secrets too."""


class Redactor:
    """Masks the same values in any number of texts."""

    def __init__(self, values: Iterable[Secret | str] = ()) -> None:
        found = {form for value in values for form in _forms(_text(value))}
        longest_first = sorted(found, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if found else None

    def __call__(self, text: str) -> str:
        """`text` with a mask in place of each value and of each of our own tokens."""
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        return TOKEN.sub(lambda found: found[0][:5] + MASK, text)


def redact(text: str, values: Iterable[Secret | str] = ()) -> str:
    """`text` with a mask in place of each of `values`, and of every token of ours.

    Found as they are, in base64 (also within a longer text), percent-encoded, escaped for JSON,
    Python, HTML or a shell, in hexadecimal, line by line, and backwards. Values of less than 8
    characters are not looked for.
    """
    return Redactor(values)(text)


def _text(value: Secret | str) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _forms(value: str) -> Iterator[str]:
    if len(value) < SHORTEST:
        return
    lines = [line.strip() for line in value.splitlines()]
    for text in {value, value.strip(), *(x for x in lines if not x.startswith("-----"))}:
        if len(text) >= SHORTEST:
            yield from _escaped(text)
            yield from _encoded(text)
    half = len(value) // 2
    if half >= SHORTEST:
        yield value[half:] + value[:half]
        yield value[:half][::-1] + value[half:][::-1]


def _escaped(text: str) -> Iterator[str]:
    yield text
    yield text[::-1]
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield json.dumps(json.dumps(text)[1:-1])[1:-1]
    yield repr(text)[1:-1]
    yield shlex.quote(text)
    yield shlex.quote(text).strip("'")
    yield html.escape(text)
    yield html.escape(text, quote=False)


def _encoded(text: str) -> Iterator[str]:
    raw = text.encode("utf-8", "surrogatepass")
    for safe in ("", "/", "/:@"):
        yield quote(raw, safe=safe)
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quote(raw, safe=safe))
    yield quote_plus(raw)
    yield raw.hex()
    yield raw.hex().upper()
    for shift in range(3):
        yield from _shifted(raw, shift)


def _shifted(raw: bytes, shift: int) -> Iterator[str]:
    """The characters of base64 that are the value's alone when it stands `shift` bytes into
    something longer: `user:value` gives other characters than `value`."""
    found = base64.b64encode(bytes(shift) + raw).decode("ascii").rstrip("=")
    first = -(-shift * 8 // 6)
    last = len(found) - (1 if (len(raw) + shift) % 3 else 0)
    inner = found[first:last]
    if len(inner) >= SHORTEST:
        yield inner
        yield inner.replace("+", "-").replace("/", "_")
