"""Errors: what happened, why, and last what to do, because that is where the eye ends."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestrate.cli.render.paint import Paint, clean, cut, wrap
from orchestrate.core.errors import OrchestrateError

if TYPE_CHECKING:
    from orchestrate.cli.documents import Error


def error_lines(
    code: str, message: str, why: Sequence[str], fix: Sequence[str], paint: Paint
) -> list[str]:
    """`error[code]: message`, then `why:` and `fix:`, each fact and each way on its own line.

    Commands are never cut or wrapped: they are there to be pasted.
    """
    head = f"error[{code}]:"
    first, *rest = _wrapped(f"{head} {message}", paint.width - 2, paint)
    lines = [paint.tone(head, "bad") + first.removeprefix(head), *(f"  {part}" for part in rest)]
    told = [part for fact in why for part in _fact(fact, paint)]
    for word, parts in (("why", told), ("fix", [clean(way) for way in fix])):
        for number, part in enumerate(parts):
            lines.append((f"  {word}: " if number == 0 else "       ") + part)
    return lines


def reasons(error: "Error") -> list[str]:
    """Why, with the lines of the application after `untrusted |`."""
    return [*error["why"], *(f"untrusted | {line}" for line in error.get("untrusted_lines", []))]


def _fact(text: str, paint: Paint) -> list[str]:
    if text.startswith("untrusted |"):
        return [cut(text, paint.width - 7)] if paint.tables else [clean(text)]
    return _wrapped(text, paint.width - 7, paint)


def _wrapped(text: str, width: int, paint: Paint) -> list[str]:
    """Lines for a person, one line for a program."""
    return wrap(text, width) if paint.tables else [clean(text)]


def render(error: OrchestrateError, paint: Paint) -> list[str]:
    return error_lines(error.code, error.message, error.why, error.fix, paint)


def plain(error: OrchestrateError) -> str:
    """The error without colour, as one text."""
    return "\n".join(render(error, Paint()))
