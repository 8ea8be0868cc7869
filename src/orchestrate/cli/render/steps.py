"""Steps of a deployment as people see them: related ones on one line, and lines of one form."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from orchestrate.cli.render.paint import Paint, cells, clean, cut, pad
from orchestrate.core.durations import spoken
from orchestrate.core.words import STEPS, UNKNOWN

if TYPE_CHECKING:
    from orchestrate.cli.documents import PlanStep, Step

TITLE = 28
TOOK = 8


class Line(NamedTuple):
    """One line: one step, or several that belong together."""

    title: str
    state: str
    duration_s: float | None
    text: str
    started_at: str | None = None


_TOGETHER = {
    ("start", "await_healthy"),
    ("route", "analyse"),
    ("route", "bake"),
    ("switch", "bake"),
    ("drain", "stop"),
}


def titles(steps: "Sequence[PlanStep | Step]") -> list[str]:
    """Titles of a plan's steps, related ones as one."""
    found: list[str] = []
    before = ""
    for step in steps:
        if found and (before, step["kind"]) in _TOGETHER:
            found[-1] = _joined(found[-1], step["kind"], step["title"])
        else:
            found.append(step["title"])
        before = step["kind"]
    return found


def lines(steps: "Sequence[Step]", *, together: bool) -> list[Line]:
    """The steps as lines. `together` puts related ones that are done on one line."""
    found: list[Line] = []
    kind = ""
    for step in steps:
        line = _line(step)
        if found and _belongs(kind, step, found[-1], together):
            found[-1] = _join(found[-1], step["kind"], line)
        else:
            found.append(line)
        kind = step["kind"]
    return found


def draw(line: Line, paint: Paint, now: datetime, *, column: int = TITLE) -> str:
    """`✓ start 1.4.2, 3 replicas          14s  3 of 3 healthy`."""
    mark = paint.glyph(STEPS.get(line.state, UNKNOWN), paint.glyph_width)
    title = pad(cut(line.title, column), column)
    took = _took(line, paint, now)
    room = paint.width - paint.glyph_width - 1 - column - TOOK - 2
    text = cut(line.text, room) if cells(line.text) > room else clean(line.text)
    return f"{mark} {title}{took:>{TOOK}}  {text}".rstrip()


def column_for(found: Sequence[Line], paint: Paint) -> int:
    """Width of the titles' column: as wide as needed, and never more than leaves room for text."""
    widest = max((cells(line.title) for line in found), default=0)
    return max(min(widest, paint.width - 40), TITLE)


def _belongs(kind: str, step: "Step", last: Line, together: bool) -> bool:
    state = _shown_state(step)
    if (kind, step["kind"]) not in _TOGETHER or state != last.state:
        return False
    if step["kind"] == "await_healthy":
        return state in ("done", "waiting")
    return together and state in ("done", "undone")


def _line(step: "Step") -> Line:
    return Line(
        step["title"],
        _shown_state(step),
        step["duration_s"],
        step["text"] or "",
        step["started_at"],
    )


def _shown_state(step: "Step") -> str:
    """What took something back is drawn as undoing; what it took back had been done."""
    if step["state"] == "done" and step["key"].startswith("undo-"):
        return "undone"
    return "done" if step["state"] == "undone" else step["state"]


def _join(first: Line, kind: str, second: Line) -> Line:
    took = [line.duration_s for line in (first, second) if line.duration_s is not None]
    return Line(
        _joined(first.title, kind, second.title),
        second.state,
        sum(took) if took else None,
        second.text,
        first.started_at,
    )


def _joined(first: str, kind: str, second: str) -> str:
    if kind == "await_healthy":
        return first
    if kind == "stop" and first.startswith("drain "):
        return f"drain, {second}"
    return f"{first}, {'analyse' if kind == 'analyse' else second}"


def _took(line: Line, paint: Paint, now: datetime) -> str:
    if line.state == "running" and line.started_at:
        passed = (now - paint.moment(line.started_at)).total_seconds()
        return f"{round(passed)}s" if passed < 60 else spoken(passed)
    return "" if line.duration_s is None else spoken(line.duration_s)
