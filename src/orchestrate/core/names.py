"""Names people type: which are well formed, and which they may have meant."""

import re
from collections.abc import Iterable

from orchestrate.core.errors import InvalidInput, VersionMalformed

_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,127}")
_ORDERED = re.compile(r"v?[0-9]+([._][0-9]+)*([-+].*)?")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def check_version(version: str) -> str:
    """`version` itself. Raises VersionMalformed: it becomes part of paths and headers, so letters,
    digits and `. _ + -` only, and no `..`."""
    if _VERSION.fullmatch(version) and ".." not in version:
        return version
    raise VersionMalformed(
        f"{version[:60]!r} is not a version",
        why=["a version is 1 to 128 of letters, digits and . _ + -, a letter or digit first"],
        fix=["give one such as 1.4.2, 2026-11-23.1 or a git tag"],
    )


def is_ordered(version: str) -> bool:
    """Whether a version is numbers, as far as its order goes: `latest`, `V1.0.0`, `release-1.0.0`
    or the name of a commit is neither older nor newer than another."""
    return _ORDERED.fullmatch(version) is not None


def version_key(version: str) -> tuple[object, ...]:
    """By what versions are ordered, as Semantic Versioning orders its own: numbers as numbers, what
    follows a `-` before what has nothing there, what follows a `+` not at all."""
    core, dash, before = version.removeprefix("v").partition("+")[0].partition("-")
    return (_parts(core), not dash, _parts(before))


def _parts(text: str) -> tuple[tuple[int, int, str], ...]:
    # A number is less than a word, and 1.4 is 1.4.0.
    parts = [
        (0, int(part), "") if part.isdigit() else (1, 0, part)
        for part in re.split(r"[._]", text)
        if part
    ]
    while parts and parts[-1] == (0, 0, ""):
        parts.pop()
    return tuple(parts)


def check_name(name: str, what: str = "environment") -> str:
    """`name` itself. Raises InvalidInput unless it is lower case letters, digits and hyphens."""
    if _NAME.fullmatch(name):
        return name
    raise InvalidInput(
        f"{name[:60]!r} is not a name for {'an' if what[0] in 'aeiou' else 'a'} {what}",
        why=["a name is 1 to 63 of lower case letters, digits and -, a letter or digit first"],
        fix=["give one such as staging or eu-1"],
    )


def did_you_mean(name: str, known: Iterable[str]) -> list[str]:
    """At most three of `known` at a distance of 2 or less from `name`, nearest first."""
    near = [other for other in set(known) if abs(len(other) - len(name)) <= 2]
    ranked = sorted((distance(name, other), other) for other in near)
    return [other for far, other in ranked if far <= 2 and far < max(len(name), 2)][:3]


def distance(one: str, other: str) -> int:
    """Edits (insert, delete, replace, swap of neighbours) that make `other` out of `one`."""
    rows = [list(range(len(other) + 1))]
    for i, a in enumerate(one, 1):
        above, row = rows[-1], [i]
        for j, b in enumerate(other, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, rows[-2][j - 2] + 1)
            row.append(cost)
        rows.append(row)
    return rows[-1][-1]
