"""Notifications: what was told to whom, and a trial."""

import time
from typing import TYPE_CHECKING, cast

from orchestrate.cli.client import Answer, segment
from orchestrate.cli.commands.which import environment_to_read
from orchestrate.cli.render import notifications
from orchestrate.cli.session import Given, Session

if TYPE_CHECKING:
    from orchestrate.cli import documents

LIMIT = 20
WAIT_S = 30.0
LOOK_S = 0.3


def show(session: Session, given: Given) -> int:
    answer = _list(session, environment_to_read(session, given), given.whole("limit", LIMIT))
    document = cast("documents.NotificationList", answer.document)
    session.answer(answer, notifications.listing(document, session.paint, session.now()))
    return 0


def attempt(session: Session, given: Given) -> int:
    """Send a trial, then look until it has arrived: 0 when it has, 1 when it has not yet."""
    name, environment = given.text("argument") or "", environment_to_read(session, given)
    path = f"/api/notifications/{segment(name)}/try"
    answer = session.client.post(path, {"environment": environment})
    until = time.monotonic() + (given.seconds("wait_timeout") or WAIT_S)
    sent = cast("documents.NotificationList", answer.document)["items"][0]
    while sent["state"] == "waiting" and sent["attempts"] == 0 and time.monotonic() < until:
        time.sleep(LOOK_S)
        answer = _list(session, environment, LIMIT)
        items = cast("documents.NotificationList", answer.document)["items"]
        sent = next(item for item in items if item["id"] == sent["id"])
        if sent["state"] == "waiting" and sent["problem"] is None:
            sent["attempts"] = 0  # it is under way just now
    session.answer(answer, notifications.outcome(sent, session.paint))
    return 0 if sent["state"] == "sent" else 1


def _list(session: Session, environment: str, limit: int) -> Answer:
    return session.client.get("/api/notifications", {"environment": environment, "limit": limit})
