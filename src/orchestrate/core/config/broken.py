"""What a YAML parser's complaint means, in words for the person who wrote the file."""

import yaml

from orchestrate.core.config.problems import Place, Problems, shown

_MEANINGS = {
    "mapping values are not allowed in this context": (
        "a `:` where no value can begin",
        "put a text that holds `: ` in quotes, and indent the keys of one level alike",
    ),
    "could not find expected ':'": (
        "a line that is neither `key: value` nor part of the value above it",
        "add the colon, or indent the line",
    ),
    "did not find expected '-' indicator": (
        "a line that does not belong to the list above it",
        "begin it with `- `, or indent it as the keys around it",
    ),
    "did not find expected key": (
        "a line that does not fit the block it stands in",
        "indent the keys of one level alike, and close what is open",
    ),
    "did not find expected <document start>": (
        "more text after the end of the document",
        "indent it as the keys around it",
    ),
    "did not find expected node content": (
        "a value that cannot be read",
        "put the text in quotes",
    ),
}
_UNCLOSED = {
    "did not find expected ',' or ']'": ("list", "]"),
    "did not find expected ',' or '}'": ("mapping", "}"),
    "found unexpected end of stream": ("quote", "the quote"),
}


def place_of(mark: object) -> Place:
    """The place of a parser's mark, which counts from 0; the beginning when there is none."""
    line, column = getattr(mark, "line", None), getattr(mark, "column", None)
    if isinstance(line, int) and isinstance(column, int):
        return Place(line + 1, column + 1)
    return Place(1, 1)


def explain(error: yaml.YAMLError, problems: Problems) -> tuple[Place, str, str]:
    """Where the YAML is broken, what is wrong and what would be right."""
    said = str(getattr(error, "problem", None) or "it cannot be read")
    place = place_of(getattr(error, "problem_mark", None))
    if said in _UNCLOSED:
        what, mark = _UNCLOSED[said]
        begun = place_of(getattr(error, "context_mark", None))
        return begun, f"broken YAML: the {what} that begins here is not closed", f"add {mark}"
    if said == "found character that cannot start any token":
        return (place, *_odd_character(problems.line(place)[place.column - 1 :]))
    wrong, right = _MEANINGS.get(said, (said, "correct this line or the one before it"))
    return place, f"broken YAML: {wrong}", right


def _odd_character(rest: str) -> tuple[str, str]:
    if rest.startswith("\t"):
        return "broken YAML: indented with a tab", "indent with spaces"
    return f"broken YAML: no text begins with {shown(rest[:1])}", "put the text in quotes"
