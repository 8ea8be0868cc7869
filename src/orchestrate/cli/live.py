"""A live region: the last lines of the terminal, drawn anew in place.

It touches its own lines only, never more than the terminal has rows, and what was printed above it
stays in the scrollback.
"""

import os
from collections.abc import Callable, Sequence

LEAST_ROWS = 4


class Region:
    """Lines that are drawn anew. `write` takes text and brings it to the terminal at once."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._drawn: list[str] = []

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines instead of the ones before; nothing is written when nothing changed."""
        if list(lines) == self._drawn:
            return
        # Without wrapping a line is one row, however narrow the terminal was made meanwhile.
        body = "".join(f"\x1b[2K{line}\n" for line in lines)
        self._write(f"\x1b[?7l{self._up()}{body}\x1b[J\x1b[?7h")
        self._drawn = list(lines)

    def leave(self) -> None:
        """Let the lines stand; what comes next goes below them."""
        self._drawn = []

    def clear(self) -> None:
        """Take the lines away; what comes next stands in their place."""
        if self._drawn:
            self._write(f"{self._up()}\x1b[J")
        self._drawn = []

    def _up(self) -> str:
        return f"\r\x1b[{len(self._drawn)}A" if self._drawn else "\r"


def rows(number: int = 1) -> int:
    """Rows that a region may have: one is left for the cursor."""
    try:
        found = os.get_terminal_size(number).lines
    except OSError:
        found = 24
    return max((found or 24) - 1, LEAST_ROWS)
