"""Errors: what happened, why, and last what to do, because that is where the eye ends."""

from collections.abc import Sequence

from orchestrate.cli.render.paint import Paint, clean, cut
from orchestrate.core.errors import OrchestrateError


def error_lines(
    code: str, message: str, why: Sequence[str], fix: Sequence[str], paint: Paint
) -> list[str]:
    """`error[code]: message`, then `why:` and `fix:`, each fact and each way on its own line.

    Commands are never cut or wrapped: they are there to be pasted.
    """
    lines = [paint.tone(f"error[{code}]:", "bad") + f" {clean(message)}"]
    for word, parts in (("why", why), ("fix", fix)):
        for number, part in enumerate(parts):
            head = f"  {word}: " if number == 0 else "       "
            foreign = part.startswith("untrusted |")
            lines.append(head + (cut(part, paint.width - 9) if foreign else clean(part)))
    return lines


def render(error: OrchestrateError, paint: Paint) -> list[str]:
    return error_lines(error.code, error.message, error.why, error.fix, paint)


def plain(error: OrchestrateError) -> str:
    """The error without colour, as one text."""
    return "\n".join(render(error, Paint()))
