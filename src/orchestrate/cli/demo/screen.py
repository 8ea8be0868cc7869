"""What the demonstration shows while it runs: one line that moves, or a line for each change."""

import sys
import time
from collections.abc import Sequence

from orchestrate.cli.live import Region
from orchestrate.cli.mode import Mode
from orchestrate.cli.render.paint import Paint, cells, cut, wrap
from orchestrate.core import words
from orchestrate.core.words import Glyph

WIDTH = 80
INDENT = "   "


class Screen:
    """Lines that stay, and below them, on a terminal, how the present step stands."""

    def __init__(self, mode: Mode) -> None:
        self.paint = Paint(min(mode.width, WIDTH), mode.ascii, mode.colour)
        self._region = Region(_write) if mode.live else None
        self._chapter = 0
        self._began = time.monotonic()
        self._doing = ""

    def say(self, lines: Sequence[str]) -> None:
        """Lines that stay."""
        self._clear()
        _write("".join(f"{line}\n" for line in lines))

    def text(self, text: str) -> None:
        """A sentence that stays, in as many lines as it takes."""
        self.say(wrap(text, self.paint.width))

    def chapter(self, title: str) -> None:
        """What is done next."""
        self._chapter += 1
        self._began, self._doing = time.monotonic(), ""
        self.say(["", self.paint.tone(f"{self._chapter}  {title}", "busy")])

    def begun(self, what: str) -> None:
        """A step begins; off a terminal that is a line."""
        if self._region is None:
            _write(f"{INDENT}{words.BUSY.ascii} {what}\n")
        self._doing = what

    def tick(self, how: str = "") -> None:
        """How the present step stands, where lines may move."""
        if self._region is None:
            return
        passed = f"{time.monotonic() - self._began:.0f}s"
        text = f"{self._doing}   {how}".strip()
        self._region.draw([self._line(words.BUSY, text, passed)])

    def outcome(self, glyph: Glyph, text: str, took: str = "") -> None:
        """How the chapter ended."""
        room = self.paint.width - len(INDENT) - self.paint.glyph_width - 2 - len(took)
        first, *rest = wrap(text, room)
        hang = INDENT + " " * (self.paint.glyph_width + 1)
        self.say([self._line(glyph, first, took), *(f"{hang}{part}" for part in rest)])

    def beside(self, text: str) -> None:
        """A fact below an outcome."""
        hang = INDENT + " " * (self.paint.glyph_width + 1)
        self.say([f"{hang}{part}" for part in wrap(text, self.paint.width - len(hang))])

    def _line(self, glyph: Glyph, text: str, right: str) -> str:
        """`text` after a sign, `right` at the right edge."""
        mark = self.paint.glyph(glyph, self.paint.glyph_width)
        room = self.paint.width - len(INDENT) - self.paint.glyph_width - 1
        text = cut(text, room - len(right) - 2)
        gap = " " * (room - cells(text) - len(right))
        return f"{INDENT}{mark} {text}{gap}{right}".rstrip()

    def _clear(self) -> None:
        if self._region is not None:
            self._region.clear()


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
