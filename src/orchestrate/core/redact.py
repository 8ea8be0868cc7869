"""Masking: values that must not be seen, in every form in which a text may hold them."""

import base64
import html
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote, quote_plus

from orchestrate.core.secret import MASK, Secret

SHORTEST = 8
"""Characters. Shorter values are not looked for: masking them would destroy what is printed."""
_PERCENT = re.compile("%([0-9A-Fa-f]{2})")
TOKEN = re.compile(r"(?<![0-9A-Za-z_])orc[adsr]_[0-9A-Za-z]{58}(?![0-9A-Za-z])")
"""A token of ours, told by its form alone; for scanners of secrets too."""


class Redactor:
    """Masks the same values in any number of texts."""

    def __init__(self, values: Iterable[Secret | str] = ()) -> None:
        texts = {_text(value) for value in values}
        found = {form for text in texts for form in _forms(text)}
        # Not one compiled pattern: `re` keeps the texts of its patterns for later.
        self._forms = sorted(found, key=lambda form: (-len(form), form))
        plain = {part.encode("utf-8", "surrogatepass") for text in texts for part in _parts(text)}
        self._plain = sorted(plain, key=lambda part: (-len(part), part))

    def __call__(self, text: str) -> str:
        """`text` with a mask in place of each value and of each of our own tokens."""
        return _masked(text, self._forms, self._plain)

    def lines(self, texts: Sequence[str]) -> list[str]:
        """Each of `texts`, masked: as many as were given. Quicker than one by one."""
        whole = "\n".join(texts)
        there = [form for form in self._forms if form in whole]
        return [_masked(text, there, self._plain) for text in texts]


def redact(text: str, values: Iterable[Secret | str] = ()) -> str:
    """`text` with a mask in place of each of `values`, and of every token of ours.

    Found as they are, in base64 (also within a longer text), percent-encoded (whichever of their
    characters are), escaped for JSON, Python, HTML or a shell, in hexadecimal, line by line, and
    backwards. Values of less than 8 characters are not looked for.
    """
    return Redactor(values)(text)


def _masked(text: str, forms: Iterable[str], plain: Sequence[bytes]) -> str:
    for form in forms:
        if form in text:
            text = text.replace(form, MASK)
    if plain and _PERCENT.search(text):
        text = _percent_masked(text, plain)
    return TOKEN.sub(lambda found: found[0][:5] + MASK, text)


def _text(value: Secret | str) -> str:
    return value.reveal() if isinstance(value, Secret) else value


def _percent_masked(text: str, plain: Sequence[bytes]) -> str:
    """`text` with a mask where it holds one of `plain` once `%41` is read as `A`. Which characters
    are written so is up to each program."""
    read, at = bytearray(), [0]  # at[i]: where in the text the byte read[i] begins

    def take(piece: str) -> None:
        for char in piece:
            encoded = char.encode("utf-8", "surrogatepass")
            read.extend(encoded)
            at.extend([at[-1]] * (len(encoded) - 1) + [at[-1] + 1])

    position = 0
    for found in _PERCENT.finditer(text):
        take(text[position : found.start()])
        read.append(int(found[1], 16))
        position = found.end()
        at.append(position)
    take(text[position:])
    for begin, end in sorted(_spans(bytes(read), at, plain), reverse=True):
        text = text[:begin] + MASK + text[end:]
    return text


def _spans(read: bytes, at: Sequence[int], plain: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Where in the text values begin and end, none within another one."""
    taken = bytearray(len(read))
    for value in plain:
        begin = read.find(value)
        while begin >= 0:
            end = begin + len(value)
            if not any(taken[begin:end]):
                taken[begin:end] = b"\1" * len(value)
                yield at[begin], at[end]
            begin = read.find(value, end)


def _parts(value: str) -> Iterator[str]:
    """A value, and what of it may stand alone."""
    lines = [line.strip() for line in value.splitlines()]
    for text in {value, value.strip(), *(x for x in lines if not x.startswith("-----"))}:
        if len(text) >= SHORTEST:
            yield text


def _forms(value: str) -> Iterator[str]:
    if len(value) < SHORTEST:
        return
    for text in _parts(value):
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
