"""Notifications: who is told of what, and what became of the newest messages."""

from datetime import datetime
from typing import TYPE_CHECKING

from orchestrate.cli.render.paint import Paint, clean
from orchestrate.cli.render.table import Cell, Column, table
from orchestrate.core import words

if TYPE_CHECKING:
    from orchestrate.cli.documents import Notification, NotificationList

_STATES = {"sent": words.GOOD, "waiting": words.WAITING, "given up": words.BAD}


def listing(doc: "NotificationList", paint: Paint, now: datetime) -> list[str]:
    """The settings, then the messages, newest first."""
    name = doc["environment"]
    if not doc["configured"] and not doc["items"]:
        return [f"nobody is told of anything in {name}; add `notifications` to orchestrate.yaml"]
    lines = [
        f"{clean(each['name'])}  {each['sink']}: {', '.join(map(words.word, each['events']))}"
        for each in doc["configured"]
    ]
    if not doc["items"]:
        return [*lines, "", f"nothing has happened in {name} yet that it would tell"]
    columns = [
        Column("ID"),
        Column("WHEN", gives_way=2),
        Column("TO"),
        Column("EVENT"),
        Column("ABOUT"),
        Column("STATE"),
        Column("TRIES", gives_way=3),
        Column("PROBLEM", gives_way=1, cut=True),
    ]
    rows: list[list[str | Cell]] = [
        [
            item["id"],
            paint.when(item["created_at"], now),
            clean(item["name"]),
            words.word(item["event"]),
            item["deployment_id"] or "-",
            Cell(item["state"], _STATES.get(item["state"], words.UNKNOWN)),
            str(item["attempts"]),
            clean(item["problem"] or ""),
        ]
        for item in doc["items"]
    ]
    return [*lines, "", *table(columns, rows, paint)]


def outcome(item: "Notification", paint: Paint) -> list[str]:
    """How a trial ended."""
    mark = paint.glyph(_STATES.get(item["state"], words.UNKNOWN), 1)
    said = {
        "sent": f"{item['id']} has arrived at {clean(item['name'])}",
        "given up": f"{item['id']} was given up: {clean(item['problem'] or 'no reason is known')}",
    }
    waiting = f"{item['id']} has not arrived yet: {clean(item['problem'] or 'it is under way')}"
    return [f"{mark} {said.get(item['state'], waiting)}"]
