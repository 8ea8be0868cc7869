"""Lines drawn anew in place: its own, and no others."""

from __future__ import annotations

import pyte
import pytest

from orchestrate.cli.live import Region

pytestmark = pytest.mark.unit


class Screen:
    """A terminal of 40 by 10 in memory, and what was written to it."""

    def __init__(self) -> None:
        self._screen = pyte.Screen(40, 10)
        self._stream = pyte.Stream(self._screen)
        self.written: list[str] = []

    def write(self, text: str) -> None:
        self.written.append(text)
        self._stream.feed(text.replace("\n", "\r\n"))

    @property
    def lines(self) -> list[str]:
        found = [line.rstrip() for line in self._screen.display]
        while found and not found[-1]:
            found.pop()
        return found


@pytest.fixture
def screen() -> Screen:
    made = Screen()
    made.write("$ before\n")
    return made


def test_fewer_lines_leave_nothing_of_the_many_before(screen: Screen) -> None:
    region = Region(screen.write)
    region.draw([f"long line {n}" for n in range(6)])
    region.draw(["short", "two"])
    assert screen.lines == ["$ before", "short", "two"]
    region.draw(["a", "b", "c"])
    assert screen.lines == ["$ before", "a", "b", "c"]


def test_what_is_the_same_is_not_written_again(screen: Screen) -> None:
    region = Region(screen.write)
    region.draw(["one"])
    before = len(screen.written)
    region.draw(["one"])
    assert len(screen.written) == before


def test_a_line_wider_than_the_terminal_is_one_row(screen: Screen) -> None:
    region = Region(screen.write)
    region.draw(["x" * 90, "y"])
    region.draw(["z", "y"])
    assert screen.lines == ["$ before", "z", "y"]


def test_cleared_its_place_is_taken_and_left_it_stays(screen: Screen) -> None:
    region = Region(screen.write)
    region.draw(["one", "two"])
    region.clear()
    screen.write("instead\n")
    region.draw(["three"])
    region.leave()
    screen.write("after\n")
    assert screen.lines == ["$ before", "instead", "three", "after"]


def test_wrapping_is_on_again_after_each_picture(screen: Screen) -> None:
    region = Region(screen.write)
    region.draw(["one"])
    assert screen.written[-1].endswith("\x1b[?7h")
