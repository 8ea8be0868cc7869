"""YAML text to a small tree whose every node knows its place.

Built from the parser's events and not by `yaml.compose`, which recurses in C: 100 KB of `[` end
the process there (measured, PyYAML 6.0.3). Depth, aliases and size are bounded here instead.
"""

import re
from dataclasses import dataclass, field

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)

from orchestrate.core.config.broken import explain, place_of
from orchestrate.core.config.problems import Place, Problems, shown

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # a PyYAML built without libyaml: slower, and the same events
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

MOST_BYTES = 1024 * 1024
MOST_DEPTH = 64
MOST_ALIASED = 100_000
"""Characters that aliases may add to the document."""

_FORBIDDEN = re.compile(
    "[^\t\n\\x20-\\x7e\\xa0-\\u2027\\u202f-\\u2065\\u206a-\\ud7ff\\ue000-\\ufffd"
    "\\U00010000-\\U0010ffff]"
)
_NOT_TEXT = re.compile("[\\0\\ud800-\\udfff]")


@dataclass(frozen=True)
class Scalar:
    """A text. `plain` means that it was written without quotes, so it may be a number or null."""

    place: Place
    text: str
    plain: bool
    weight: int = field(default=1, compare=False)
    depth: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Items:
    """A list."""

    place: Place
    nodes: "tuple[Node, ...]"
    weight: int = field(default=1, compare=False)
    depth: int = field(default=1, compare=False)


@dataclass(frozen=True)
class Table:
    """A mapping; no key is in it twice."""

    place: Place
    entries: "tuple[tuple[Scalar, Node], ...]"
    weight: int = field(default=1, compare=False)
    depth: int = field(default=1, compare=False)


Node = Scalar | Items | Table


def read(text: str, problems: Problems) -> Node | None:
    """The one document in `text`, or None with the reason in `problems`."""
    if not _acceptable(text, problems):
        return None
    tree = _Tree(problems)
    try:
        for event in yaml.parse(text.removeprefix("\ufeff"), Loader=Loader):
            if not tree.take(event):
                return None
    except yaml.YAMLError as error:
        problems.add(*explain(error, problems))
        return None
    if tree.root is None:
        problems.add(Place(1, 1), "the file is empty", "begin with `environments:`")
    return tree.root


def _acceptable(text: str, problems: Problems) -> bool:
    """Whether `text` is short enough and holds only characters that can be seen."""
    if len(text) > MOST_BYTES or len(text.encode(errors="replace")) > MOST_BYTES:
        problems.add(
            Place(1, 1), "the file is larger than 1 MiB", "keep it to what describes environments"
        )
        return False
    found = False
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        bad = _FORBIDDEN.search(line.removesuffix("\r"))
        if bad:
            found = True
            what = f"character U+{ord(bad.group()):04X}, which cannot be seen"
            problems.add(Place(number, bad.start() + 1), what, "remove it")
    return not found


@dataclass
class _Frame:
    """A list or mapping whose end has not been reached."""

    place: Place
    anchor: str | None
    is_table: bool
    nodes: list[Node] = field(default_factory=list)


class _Tree:
    """Takes events one by one and holds the finished tree in `root`."""

    def __init__(self, problems: Problems) -> None:
        self.root: Node | None = None
        self._problems = problems
        self._open: list[_Frame] = []
        self._anchors: dict[str, Node | None] = {}
        self._aliased = 0
        self._documents = 0

    def take(self, event: Event) -> bool:
        """Whether to go on after `event`."""
        place = place_of(event.start_mark)
        if isinstance(event, NodeEvent) and not isinstance(event, AliasEvent):
            self._refuse_tag(event, place)
        match event:
            case DocumentStartEvent():
                return self._begin_document(place)
            case CollectionStartEvent():
                return self._begin(event, place)
            case CollectionEndEvent():
                self._end()
            case ScalarEvent():
                self._refuse_unprintable(event, place)
                weight = 1 + len(event.value)
                self._finish(
                    Scalar(place, event.value, plain=not event.style, weight=weight), event.anchor
                )
            case AliasEvent():
                return self._repeat(event, place)
        return True

    def _refuse_tag(self, event: NodeEvent, place: Place) -> None:
        tag: str | None = getattr(event, "tag", None)
        if tag is not None:
            self._problems.add(
                place, f"the tag {shown(tag)} is not known", "remove it, and quote a text"
            )

    def _refuse_unprintable(self, event: ScalarEvent, place: Place) -> None:
        if _NOT_TEXT.search(event.value):
            self._problems.add(place, "an escape that is no text", "remove \\0 and half characters")

    def _begin_document(self, place: Place) -> bool:
        self._documents += 1
        if self._documents == 1:
            return True
        self._problems.add(place, "a second document begins", "keep one document in the file")
        return False

    def _begin(self, event: CollectionStartEvent, place: Place) -> bool:
        if event.anchor:
            self._anchors[event.anchor] = None
        self._open.append(_Frame(place, event.anchor, isinstance(event, MappingStartEvent)))
        return self._not_too_deep(place, 0)

    def _end(self) -> None:
        frame = self._open.pop()
        weight = 1 + sum(node.weight for node in frame.nodes)
        depth = 1 + max((node.depth for node in frame.nodes), default=0)
        node: Node
        if frame.is_table:
            node = Table(frame.place, self._entries(frame.nodes), weight, depth)
        else:
            node = Items(frame.place, tuple(frame.nodes), weight, depth)
        self._finish(node, frame.anchor)

    def _finish(self, node: Node, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = node
        if self._open:
            self._open[-1].nodes.append(node)
        else:
            self.root = node

    def _repeat(self, event: AliasEvent, place: Place) -> bool:
        name = str(event.anchor)
        node = self._anchors.get(name)
        if node is None:
            wrong = "refers to itself" if name in self._anchors else "has no anchor before it"
            self._problems.add(place, f"*{name[:40]} {wrong}", "write the value out")
            return False
        self._aliased += node.weight
        if self._aliased > MOST_ALIASED:
            self._problems.add(
                place, "aliases make the file too large", "write out only what is needed"
            )
            return False
        self._finish(node, None)
        return self._not_too_deep(place, node.depth)

    def _not_too_deep(self, place: Place, more: int) -> bool:
        if len(self._open) + more <= MOST_DEPTH:
            return True
        self._problems.add(place, f"nested deeper than {MOST_DEPTH} levels", "flatten it")
        return False

    def _entries(self, nodes: list[Node]) -> tuple[tuple[Scalar, Node], ...]:
        kept: dict[str, tuple[Scalar, Node]] = {}
        for key, value in zip(nodes[::2], nodes[1::2], strict=True):
            if not isinstance(key, Scalar):
                self._problems.add(key.place, "a key that is not a text", "write a word and `:`")
            elif key.text == "<<" and key.plain:
                self._problems.add(key.place, "merge keys are not taken", "write the keys out")
            elif key.text in kept:
                first = kept[key.text][0].place.line
                self._problems.add(
                    key.place,
                    f"{shown(key.text)} is here twice, first on line {first}",
                    "keep one of them",
                )
            else:
                kept[key.text] = (key, value)
        return tuple(kept.values())
