"""Everything that is wrong with one configuration file, collected so that it is told at once."""

from typing import NamedTuple

from orchestrate.core.errors import ConfigInvalid


class Place(NamedTuple):
    """Where something stands in the file; both counted from 1, as editors do."""

    line: int
    column: int


class Problems:
    """The problems of `file`. Its lines are those of `text`."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self._lines = text.removesuffix("\n").split("\n")
        self._found: set[tuple[Place, str]] = set()

    def add(self, place: Place, wrong: str, right: str) -> None:
        """Note what is wrong at `place` and what would be right there."""
        self._found.add((self._within(place), f"{wrong}; {right}"))

    def __bool__(self) -> bool:
        return bool(self._found)

    def error(self) -> ConfigInvalid:
        """Every problem as one error, in the order of the file."""
        found = sorted(self._found)
        problems = "1 problem" if len(found) == 1 else f"{len(found)} problems"
        return ConfigInvalid(
            f"{self.file} has {problems}",
            why=[f"{self.file}:{place.line}:{place.column}: {said}" for place, said in found],
            fix=[f"correct {self.file}; docs/configuration.md has every key, with an example"],
            details={"problems": len(found)},
        )

    def line(self, place: Place) -> str:
        """The text of the line at `place`."""
        return self._lines[self._within(place).line - 1]

    def _within(self, place: Place) -> Place:
        """A parser sees the end of a file one line after its last: no editor can go there."""
        if place.line <= len(self._lines):
            return place
        return Place(len(self._lines), len(self._lines[-1]) + 1)


def shown(text: str) -> str:
    """`text` in quotes, as it may stand in one line of a message."""
    return f'"{plain(text)}"'


def plain(text: str, most: int = 60) -> str:
    """`text` cut to one line of characters that can be seen."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
