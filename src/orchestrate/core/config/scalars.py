"""What a text in the file stands for: true, false, nothing, a number or itself."""

import re

from orchestrate.core.config.nodes import Items, Node, Scalar, Table
from orchestrate.core.config.problems import shown

Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]
"""Plain data, as JSON has it."""

CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_LIKE_A_NUMBER = re.compile(
    r"[-+]?(0[xo][0-9a-fA-F]+|[0-9][0-9_]*(\.[0-9]*)?([eE][-+]?[0-9]+)?|\.[0-9]+([eE][-+]?[0-9]+)?)"
)
_LARGEST = 2**53


class Unclear(Exception):
    """A text without quotes that may be meant as a number or as a text."""


def value_of(scalar: Scalar) -> str | int | float | bool | None:
    """What the scalar stands for: true, false, null, a number written plainly, or a text.

    Raises Unclear for numbers such as 010, 1.10 or 1e5, which readers of YAML disagree about.
    """
    text = scalar.text
    if not scalar.plain:
        return text
    if text in CONSTANTS:
        return CONSTANTS[text]
    if not _LIKE_A_NUMBER.fullmatch(text):
        return text
    if re.fullmatch(r"0|-?[1-9][0-9]{0,15}", text) and abs(int(text)) < _LARGEST:
        return int(text)
    if re.fullmatch(r"-?[0-9]{1,15}\.[0-9]{1,15}", text) and repr(float(text)) == text:
        return float(text)
    raise Unclear(f"{text[:40]} can be read as a number or as a text")


def kind_of(node: Node) -> str:
    """What a node is, as it is said in a message."""
    if isinstance(node, Table):
        return "a mapping"
    if isinstance(node, Items):
        return "a list"
    try:
        value = value_of(node)
    except Unclear:
        return "a number"
    match value:
        case None:
            return "empty"
        case bool():
            return value_word(value)
        case str():
            return f"the text {shown(value)}"
        case _:
            return f"the number {value}"


def value_word(value: bool) -> str:
    return "true" if value else "false"


def unescaped(text: str) -> str:
    """`$${` is how `${` is written where nothing is filled in."""
    return text.replace("$${", "${")


def is_empty(node: Node) -> bool:
    """Whether nothing is written after the colon."""
    return isinstance(node, Scalar) and node.plain and CONSTANTS.get(node.text, 0) is None
