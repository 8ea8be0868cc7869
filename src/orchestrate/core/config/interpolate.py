"""`${NAME}`: filled in below `secrets` and `variables`, refused everywhere else."""

import re
from collections.abc import Iterator, Mapping

from orchestrate.core.config.nodes import Items, Node, Scalar, Table
from orchestrate.core.config.problems import Problems, plain

_HOLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>[^}]*)(?P<end>\}?))")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MISPLACED = re.compile(r"(?<!\$)\$\{")
_OURS = "ORCHESTRATE_"
"""Beginning of the variables by which whoever calls proves who they are: a token, a key. No file in
a repository carries them into an application."""
_FILLED = ("variables", "secrets")


def fill(scalar: Scalar, variables: Mapping[str, str], path: str, problems: Problems) -> str | None:
    """The text of `scalar` with each `${NAME}` replaced from `variables`; `$$` gives `$`.

    What comes from a variable is not looked at again. None when something cannot be filled in.
    """
    whole = True

    def replace(hole: re.Match[str]) -> str:
        nonlocal whole
        if hole["escaped"]:
            return "$"
        name = hole["name"]
        if hole["end"] and name in variables and not name.startswith(_OURS):
            return variables[name]
        whole = False
        problems.add(scalar.place, *_unfilled(path, name, bool(hole["end"])))
        return ""

    filled = _HOLE.sub(replace, scalar.text)
    return filled if whole else None


def _unfilled(path: str, name: str, closed: bool) -> tuple[str, str]:
    if not closed or not _NAME.fullmatch(name):
        return f"{path} has a `${{` without a name", "write ${NAME}, or $$ for a $"
    if name.startswith(_OURS):
        return (
            f"{path} takes {plain(name)}, and names that begin with {_OURS} are this program's own",
            "keep what proves you here out of every application: use a variable of your own",
        )
    return (
        f"{path} needs the variable {plain(name)}, which is not set",
        f"set it where Orchestrate is called: export {plain(name)}=...",
    )


def has_hole(text: str) -> bool:
    """Whether something is to be filled in."""
    return any(not hole["escaped"] for hole in _HOLE.finditer(text))


def refuse_misplaced(root: Node, problems: Problems) -> None:
    """Note every `${` that stands where nothing is filled in."""
    for scalar in _outside(root, ()):
        if _MISPLACED.search(scalar.text):
            problems.add(
                scalar.place,
                "`${` is filled in only below `variables` and `secrets` of an environment",
                "write the value itself, or $${ for the characters ${",
            )


def _outside(node: Node, path: tuple[str, ...]) -> Iterator[Scalar]:
    """Every text that does not stand below `environments.NAME.variables` or `.secrets`."""
    match node:
        case Scalar():
            yield node
        case Items():
            for each in node.nodes:
                yield from _outside(each, (*path, "[]"))
        case Table():
            for key, value in node.entries:
                yield key
                below = (*path, key.text)
                if not (len(below) == 3 and path[0] == "environments" and key.text in _FILLED):
                    yield from _outside(value, below)
