"""Commands that are plainly well formed, parsed by hand: no library is imported for them.

Whatever is not plain is left to click, which knows how to say what is wrong.
"""

from collections.abc import Sequence

from orchestrate.cli.spec import COMMANDS, GROUPS, Command, Option

Parsed = tuple[Command, dict[str, object]]


def parse(arguments: Sequence[str]) -> Parsed | None:
    """The command and what it is given; None for all that needs a word of explanation."""
    command = _find(arguments)
    if command is None or command.foreign:
        return None
    values = _values(command, list(arguments[len(command.path) :]))
    return None if values is None else (command, values)


def _find(arguments: Sequence[str]) -> Command | None:
    """The command that the first words name. `deploy stauts` is for click to explain."""
    known = {command.path: command for command in COMMANDS}
    found = known.get(tuple(arguments[:2])) if len(arguments) > 1 else None
    if found is not None:
        return found
    in_a_group = arguments[:1] and arguments[0] in GROUPS
    if in_a_group and len(arguments) > 1 and not arguments[1].startswith("-"):
        return None
    return known.get(tuple(arguments[:1]))


def _values(command: Command, rest: list[str]) -> dict[str, object] | None:
    options = {name: o for o in command.takes for name in (o.name, o.short) if name}
    values: dict[str, object] = {}
    words: list[str] = []
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            words.append(word)
            continue
        name, equals, value = word.partition("=")
        option = options.get(name)
        if option is None or not _take(option, equals, value, rest, values):
            return None
    return values if _argument(command, words, values) else None


def _take(
    option: Option, equals: str, value: str, rest: list[str], values: dict[str, object]
) -> bool:
    """Put an option's value among `values`; False when there is anything odd about it."""
    if option.kind == "flag":
        values[option.key] = True
        return not equals
    if not equals:
        if not rest or rest[0].startswith("-"):
            return False
        value = rest.pop(0)
    if option.kind == "whole":
        values[option.key] = int(value) if value.isascii() and value.isdecimal() else 0
        return value.isascii() and value.isdecimal()
    if option.kind == "many":
        before = values.get(option.key)
        values[option.key] = (*(before if isinstance(before, tuple) else ()), value)
        return True
    values[option.key] = value
    return not option.choices or value in option.choices


def _argument(command: Command, words: Sequence[str], values: dict[str, object]) -> bool:
    if not command.argument:
        return not words
    if len(words) > 1 or (not words and not command.argument.endswith("?")):
        return False
    if words:
        values["argument"] = words[0]
    return True
