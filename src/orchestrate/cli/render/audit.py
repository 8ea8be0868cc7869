"""The audit trail as a table, and the verdict on it."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from orchestrate.cli.render.paint import Paint
from orchestrate.cli.render.table import Cell, Column, table
from orchestrate.core.durations import spoken
from orchestrate.core.words import BAD, GOOD, QUIET, UNKNOWN

if TYPE_CHECKING:
    from orchestrate.cli.trust_documents import AcceptedRestore, AuditEntry, AuditList, AuditReport

_GLYPHS = {"ok": GOOD, "refused": QUIET, "failed": BAD}
_BESIDE = ("door", "credential")
"""Details that every entry has; `--json` shows them."""


def entries(document: "AuditList", paint: Paint, now: datetime) -> list[str]:
    """One line an entry, and how to get older ones."""
    columns = (
        Column("SEQ"),
        Column("AT", 3),
        Column("OUTCOME"),
        Column("ACTION"),
        Column("SUBJECT"),
        Column("BY"),
        Column("DETAILS", 1, cut=True),
    )
    rows = [_row(item, paint, now) for item in document["items"]]
    if not rows:
        return ["nothing was recorded that fits"]
    lines = table(columns, rows, paint)
    if document["next_cursor"] and paint.tables:
        lines += ["", f"older: orchestrate audit list --before {document['next_cursor']}"]
    return lines


def report(document: "AuditReport", paint: Paint) -> list[str]:
    """The verdict, then every problem."""
    took = spoken(document["took_s"])
    if document["ok"]:
        mark = paint.glyph(GOOD)
        lines = [f"{mark} {document['rows']} entries verified in {took}, up to {document['last']}"]
        lines.append(f"  {document['heads']} signed heads agree with them")
        if document["other_stores"]:
            others = ", ".join(document["other_stores"])
            lines.append(f"  heads of other stores are kept here too: {others}")
        return lines
    lines = [f"{paint.glyph(BAD)} the trail is not as it was written ({document['rows']} entries)"]
    return lines + [f"  {problem}" for problem in document["problems"]]


def accepted(document: "AcceptedRestore") -> list[str]:
    return [
        f"the trail is taken for the truth from entry {document['last']} on",
        "the service ends now; the next one changes things again",
    ]


def _row(item: "AuditEntry", paint: Paint, now: datetime) -> list[str | Cell]:
    by = f"{item['actor']} for {item['on_behalf_of']}" if item["on_behalf_of"] else item["actor"]
    glyph = _GLYPHS.get(item["outcome"], UNKNOWN)
    return [
        str(item["seq"]),
        paint.when(item["at"], now),
        Cell(item["outcome"], glyph),
        item["action"],
        item["subject"],
        by,
        _told(item["details"]),
    ]


def _told(details: Mapping[str, object]) -> str:
    """`phase=succeeded kind=deploy`."""
    shown = {k: v for k, v in details.items() if k not in _BESIDE and v is not None}
    return " ".join(
        f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in shown.items()
    )
