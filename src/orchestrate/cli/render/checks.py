"""Checks: of a validation, and of the doctor."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestrate.cli.render.paint import Paint, cells, clean, cut, pad, wrap
from orchestrate.core import words
from orchestrate.core.durations import spoken

if TYPE_CHECKING:
    from orchestrate.cli.documents import Check, Doctor, Validation


def validation(doc: "Validation", paint: Paint) -> list[str]:
    """Each check with its evidence, and what to do about those that did not pass."""
    commit = (doc["commit"] or "").removeprefix("git:")[:7]
    head = [
        doc["environment"],
        doc["version"] or "",
        f"commit {commit}" if commit else "",
        (doc["artifact"] or "")[:15],
    ]
    lines = ["   ".join(part for part in head if part), ""]
    lines += checks(doc["checks"], paint)
    glyph = words.GOOD if doc["ready"] else words.BAD
    word = "ready" if doc["ready"] else "not ready"
    lines += ["", f"{paint.glyph(glyph)} {word}: {_counts(doc['checks'])}"]
    if doc["ready"] and doc["version"]:
        command = f"orchestrate deploy --env {doc['environment']} --version {doc['version']}"
        lines.append(f"  next   {command}")
    return lines


def doctor(doc: "Doctor", paint: Paint) -> list[str]:
    """What is there and what is missing, with the command that provides it."""
    glyph = words.GOOD if doc["ok"] else words.BAD
    return [
        *checks(doc["checks"], paint),
        f"{paint.glyph(glyph)} {_counts(doc['checks'])}",
    ]


def checks(found: "Sequence[Check]", paint: Paint) -> list[str]:
    column = min(max((cells(c["name"]) for c in found), default=0), paint.width * 2 // 5)
    lines: list[str] = []
    for check in found:
        mark = paint.glyph(words.CHECKS.get(check["result"], words.UNKNOWN), paint.glyph_width)
        name = pad(cut(check["name"], column), column)
        took = spoken(check["duration_s"]) if check["duration_s"] >= 0.1 else ""
        indent = paint.glyph_width + 1 + column + 3
        first, *rest = wrap(clean(check["text"]), paint.width - indent - 8)
        line = f"{mark} {name}   {pad(first, paint.width - indent - 7)}{took:>7}"
        lines.append(line.rstrip())
        lines += [" " * indent + part for part in rest]
        if check["fix"] and check["result"] in ("fail", "error"):
            first, *rest = wrap(clean(check["fix"]), paint.width - 9)
            lines += [f"    fix: {first}", *(f"         {part}" for part in rest)]
    return lines


def _counts(found: "Sequence[Check]") -> str:
    names = (("fail", "failed"), ("error", "unknown"), ("pass", "passed"), ("skipped", "skipped"))
    counted = [(sum(1 for c in found if c["result"] == r), word) for r, word in names]
    return ", ".join(f"{number} {word}" for number, word in counted if number) or "nothing asked"
