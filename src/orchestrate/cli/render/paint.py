"""Glyphs, colours, and text cut to its place. Colour goes on last, so that it takes no width."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from orchestrate.core.words import Glyph, age, day

TONES = {"good": "32", "busy": "1", "wants": "33", "bad": "31", "quiet": "2"}
"""Of the terminal's own 16 colours, which its owner has chosen to be readable."""


class Paint(NamedTuple):
    """How text becomes a line: width in cells, glyphs, colour, and whose clock."""

    width: int = 100
    ascii: bool = False
    colour: bool = False
    tables: bool = True
    """For a person at a terminal; otherwise without glyphs, and with exact times."""
    utc: bool = False

    def tone(self, text: str, tone: str) -> str:
        """`text` in a colour, where there is colour."""
        return f"\x1b[{TONES[tone]}m{text}\x1b[0m" if self.colour and text else text

    def glyph(self, glyph: Glyph, pad: int = 0) -> str:
        mark = glyph.ascii if self.ascii else glyph.mark
        return self.tone(mark, glyph.tone) + " " * (pad - len(mark))

    @property
    def glyph_width(self) -> int:
        """Cells a column of glyphs takes."""
        return 4 if self.ascii else 1

    def moment(self, text: str) -> datetime:
        """An RFC 3339 time of a document, on the clock that is shown."""
        found = datetime.fromisoformat(text)
        return found if self.utc else found.astimezone()

    def ago(self, text: str, now: datetime) -> str:
        """`12m ago`, or the exact time where a program may read it."""
        return f"{age(self.moment(text), now)} ago" if self.tables else text

    def when(self, text: str, now: datetime) -> str:
        """`today 14:36`, or the exact time where a program may read it."""
        return day(self.moment(text), self.moment(now.isoformat())) if self.tables else text


def clean(text: str) -> str:
    """`text` on one line, without what would move the cursor or hide something."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " for c in text)


def cells(text: str) -> int:
    """Cells that `text` takes in a terminal."""
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def cut(text: str, width: int) -> str:
    """`text` in at most `width` cells, `...` at its end when something is missing."""
    text = clean(text)
    if cells(text) <= width:
        return text
    if width <= 3:
        return "..."[: max(width, 0)]
    kept = text
    while cells(kept) > width - 3:
        kept = kept[:-1]
    return kept.rstrip() + "..."


def pad(text: str, width: int) -> str:
    return text + " " * (width - cells(text))


def wrap(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` cells, broken at spaces; a longer word stays whole."""
    lines: list[str] = []
    for word in clean(text).split(" "):
        if lines and cells(lines[-1]) + 1 + cells(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def fields(pairs: Sequence[tuple[str, str]], width: int, indent: int = 2) -> list[str]:
    """`name   text`, one a line, the names as one column; what is too long is wrapped, commands
    excepted, which are there to be pasted."""
    column = max((cells(name) for name, _ in pairs), default=0) + 3
    lines: list[str] = []
    for name, text in pairs:
        command = text.startswith("orchestrate ")
        parts = [clean(text)] if command else wrap(text, width - indent - column)
        for number, part in enumerate(parts):
            first = pad(name, column) if number == 0 else " " * column
            lines.append(" " * indent + first + part)
    return lines
