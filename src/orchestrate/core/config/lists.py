"""Lists in the file: of texts, of arguments of a command, of mappings."""

from collections.abc import Collection

from orchestrate.core.config.nodes import Items, Node, Scalar
from orchestrate.core.config.scalars import Unclear, kind_of, unescaped, value_of
from orchestrate.core.config.section import Section


def texts(section: Section, key: str) -> tuple[str, ...]:
    """The texts of a list."""
    return tuple(
        _text(section, key, each) for each in _nodes(section, key, "write a list of texts")
    )


def arguments(section: Section, key: str) -> tuple[str, ...]:
    """A command: a list of arguments, which no shell reads."""
    right = "write a list of arguments, such as [python3, check.py]"
    found = tuple(_text(section, key, each) for each in _nodes(section, key, right))
    if key in section.entries and found and not found[0].strip():
        section.wrong(key, "begins with nothing", right)
    return found


def each_table(section: Section, key: str, known: Collection[str]) -> list[Section]:
    """The mappings of a list."""
    return [
        Section(f"{section.path(key)}[{n}]", each, section.problems, known, each.place)
        for n, each in enumerate(_nodes(section, key, "write a list of mappings"))
    ]


def _nodes(section: Section, key: str, right: str) -> tuple[Node, ...]:
    if key not in section.entries:
        return ()
    node = section.entries[key][1]
    if not isinstance(node, Items):
        section.wrong(key, f"is {kind_of(node)}", right)
        return ()
    if not node.nodes:
        section.wrong(key, "is empty", right)
    return node.nodes


def _text(section: Section, key: str, node: Node) -> str:
    """A text; a number is taken as it is written, since every argument is a text."""
    if isinstance(node, Scalar):
        try:
            value = value_of(node)
        except Unclear:
            value = node.text
        if isinstance(value, str) or (value is not None and not isinstance(value, bool)):
            return unescaped(node.text)
    section.problems.add(
        node.place, f"{section.path(key)} holds {kind_of(node)}", "write a text; quote it"
    )
    return ""
