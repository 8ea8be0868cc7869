"""One mapping of the file, read key by key and type by type; what is wrong is noted, not raised."""

from collections.abc import Collection
from typing import TypeVar

from orchestrate.core.config.nodes import Items, Node, Scalar, Table
from orchestrate.core.config.problems import Place, Problems, plain, shown
from orchestrate.core.config.scalars import (
    CONSTANTS,
    Unclear,
    Value,
    is_empty,
    kind_of,
    unescaped,
    value_of,
)
from orchestrate.core.durations import seconds, spoken
from orchestrate.core.errors import InvalidInput
from orchestrate.core.names import did_you_mean

Default = TypeVar("Default")

YEAR_S = 366 * 86400.0


class Section:
    """The mapping at `node`, called `name` in messages. `known` are the keys it may have; None
    means that any key may stand there. `place` is where its key stands."""

    def __init__(
        self,
        name: str,
        node: Node,
        problems: Problems,
        known: Collection[str] | None,
        place: Place | None = None,
    ) -> None:
        self.name = name
        self.place = place or node.place
        self.problems = problems
        self.entries: dict[str, tuple[Scalar, Node]] = {}
        if isinstance(node, Table):
            self.entries = {key.text: (key, value) for key, value in node.entries}
        elif not is_empty(node):
            problems.add(node.place, f"{name or 'the file'} is {kind_of(node)}", "write a mapping")
        if known is not None:
            self._refuse_unknown(known)

    def path(self, key: str) -> str:
        return f"{self.name}.{plain(key)}" if self.name else plain(key)

    def wrong(self, key: str, wrong: str, right: str) -> None:
        """Note a problem with the value of `key`."""
        self.problems.add(self.entries[key][1].place, f"{self.path(key)} {wrong}", right)

    def require(self, *keys: str) -> None:
        """Note each of `keys` that is missing."""
        for key in keys:
            if key not in self.entries:
                self.problems.add(
                    self.place, f"{self.name or 'the file'} has no {key}", f"add `{key}:`"
                )

    def section(self, key: str, known: Collection[str] | None) -> "Section | None":
        """The mapping below `key`, None when the key is not there."""
        if key not in self.entries:
            return None
        name, node = self.entries[key]
        return Section(self.path(key), node, self.problems, known, name.place)

    def text(self, key: str, default: Default, right: str) -> str | Default:
        """A text that is not empty. `right` is what a message says to write."""
        scalar = self._scalar(key, right)
        if scalar is None:
            return default
        try:
            value = value_of(scalar)
        except Unclear:
            value = 0.0
        if isinstance(value, str) and value.strip():
            return unescaped(value)
        hint = right if value is None or isinstance(value, str) else f"{right}; quote a text"
        self.wrong(key, f"is {kind_of(scalar)}", hint)
        return default

    def choice(self, key: str, choices: Collection[str]) -> str | None:
        """One of `choices`, None when there is none of them."""
        right = f"write {' or '.join(choices)}"
        text = self.text(key, None, right)
        if text is None or text in choices:
            return text
        self.wrong(key, f"is {shown(text)}", suggestion(text, choices) + right)
        return None

    def flag(self, key: str, default: bool) -> bool:
        """true or false."""
        scalar = self._scalar(key, "write true or false")
        if scalar is None:
            return default
        if scalar.plain and isinstance(value := CONSTANTS.get(scalar.text), bool):
            return value
        self.wrong(key, f"is {kind_of(scalar)}", "write true or false")
        return default

    def whole(self, key: str, default: int, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        value = self._number(key, right := f"write a whole number from {low} to {high}")
        if value is None:
            return default
        if isinstance(value, int) and low <= value <= high:
            return value
        self.wrong(key, f"is {value}", right)
        return default

    def ratio(self, key: str, default: float) -> float:
        """A number above 0, at most 1."""
        value = self._number(key, right := "write a share above 0 and at most 1, such as 0.05")
        if value is None:
            return default
        if 0 < value <= 1:
            return float(value)
        self.wrong(key, f"is {value}", right)
        return default

    def above(self, key: str, default: float, low: float, high: float, such: str) -> float:
        """A number above `low`, at most `high`; `such` is an example for the message."""
        right = f"write a number above {low:g} and at most {high:g}, {such}"
        value = self._number(key, right)
        if value is None:
            return default
        if low < value <= high:
            return float(value)
        self.wrong(key, f"is {value}", right)
        return default

    def duration(
        self, key: str, default: Default, high: float, *, zero: bool = False
    ) -> float | Default:
        """Seconds of a duration, at most `high`; 0 only where `zero`."""
        most = f"at most {spoken(high)}"
        scalar = self._scalar(key, right := f"write a duration such as 500ms, 30s or 10m, {most}")
        if scalar is None:
            return default
        try:
            value = seconds(scalar.text)
        except InvalidInput:
            self.wrong(key, f"is {kind_of(scalar)}", right)
            return default
        if (0 < value <= high) or (zero and value == 0):
            return value
        self.wrong(key, f"is {shown(scalar.text)}", right)
        return default

    def json(self, key: str) -> Value:
        """The value of `key` as plain data."""
        return self._json(self.path(key), self.entries[key][1])

    def _json(self, name: str, node: Node) -> Value:
        match node:
            case Table():
                return {
                    unescaped(key.text): self._json(f"{name}.{plain(key.text)}", value)
                    for key, value in node.entries
                }
            case Items():
                return [self._json(f"{name}[{n}]", each) for n, each in enumerate(node.nodes)]
        try:
            value = value_of(node)
        except Unclear as unclear:
            self.problems.add(
                node.place, f"{name}: {unclear}", "quote it for a text, or write the number plainly"
            )
            return None
        return unescaped(value) if isinstance(value, str) else value

    def _scalar(self, key: str, right: str) -> Scalar | None:
        if key not in self.entries:
            return None
        node = self.entries[key][1]
        if isinstance(node, Scalar):
            return node
        self.wrong(key, f"is {kind_of(node)}", right)
        return None

    def _number(self, key: str, right: str) -> int | float | None:
        scalar = self._scalar(key, right)
        if scalar is None:
            return None
        try:
            value = value_of(scalar)
        except Unclear as unclear:
            self.wrong(key, f"is not clear: {unclear}", right)
            return None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        self.wrong(key, f"is {kind_of(scalar)}", right)
        return None

    def _refuse_unknown(self, known: Collection[str]) -> None:
        for text, (key, _) in self.entries.items():
            if text not in known:
                where = f"in {self.name}" if self.name else "at the top"
                self.problems.add(
                    key.place,
                    f"unknown key {shown(text)} {where}",
                    suggestion(text, known) + f"known are {', '.join(known)}",
                )


def suggestion(text: str, known: Collection[str]) -> str:
    """`did you mean staging? ` or nothing."""
    near = did_you_mean(text, known)
    return f"did you mean {' or '.join(near)}? " if near else ""
