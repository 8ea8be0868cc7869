"""What is shown while a deployment goes on: a picture in place, lines as they come, or nothing."""

import json
import sys
import time
from typing import TYPE_CHECKING, Protocol

from orchestrate.cli.client import segment
from orchestrate.cli.live import Region, rows
from orchestrate.cli.render import deployment
from orchestrate.cli.render.error import reasons
from orchestrate.cli.render.paint import clean
from orchestrate.cli.session import Session
from orchestrate.core import words
from orchestrate.core.durations import spoken

if TYPE_CHECKING:
    from orchestrate.cli.documents import Deployment, Event, Follow

HEARTBEAT_S = 30.0
ROOM_FOR_HINT = 18


class View(Protocol):
    """Shows what comes in."""

    def show(self, found: "Follow") -> None:
        """Something happened."""

    def tick(self) -> None:
        """Time passed, four times a second."""

    def note(self, text: str) -> None:
        """A word beside the picture."""

    def leave(self) -> None:
        """It is watched no longer, and goes on."""

    def end(self, document: "Deployment") -> None:
        """It has ended."""


def view_for(session: Session) -> View:
    if session.wish.output == "jsonl":
        return JsonLines(session)
    if session.json or session.wish.quiet:
        return Silent(session)
    return Picture(session) if session.mode.live else Lines(session)


class Picture:
    """Drawn anew in place; at the end the whole of it is printed once, to stay."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._region = Region(_to_terminal)
        self._document: Deployment | None = None

    def show(self, found: "Follow") -> None:
        self._document = found["deployment"]
        self.tick()

    def tick(self) -> None:
        if self._document is None:
            return
        paint, now, height = self._session.paint, self._session.now(), rows()
        head = deployment.header(self._document, paint, now)
        tail = deployment.watching(self._document, paint) if height >= ROOM_FOR_HINT else []
        room = height - len(head) - len(tail)
        body = deployment.picture(self._document, paint, now, max(room, 1))
        self._region.draw([*head, *body, *tail])

    def note(self, text: str) -> None:
        self._region.clear()
        self._session.note([text])
        self.tick()

    def leave(self) -> None:
        self._region.leave()

    def end(self, document: "Deployment") -> None:
        self._region.clear()
        self._session.say(deployment.final(document, self._session.paint, self._session.now()))


class Lines:
    """One line per change, a sign of life every 30 s, and the last line alone decides."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._document: Deployment | None = None
        self._last = time.monotonic()

    def show(self, found: "Follow") -> None:
        self._document = found["deployment"]
        name = self._document["id"]
        for event in found["events"]:
            if _is_the_end(event) or _just_began(event):
                continue
            began = event["step"] == "deploy" and event["state"] == "running"
            text = event["text"] or (_what(self._document) if began else "")
            self._line(event["at"], name, event["step"], event["state"], event["duration_s"], text)

    def tick(self) -> None:
        if self._document is None or time.monotonic() - self._last < HEARTBEAT_S:
            return
        now = self._session.now()
        step = next((s for s in self._document["steps"] if s["state"] == "running"), None)
        began = (step and step["started_at"]) or self._document["created_at"]
        passed = max((now - self._session.paint.moment(began)).total_seconds(), 0.0)
        at = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        key, text = (step["key"], step["text"]) if step else ("deploy", self._document["summary"])
        self._line(at, self._document["id"], key, "running", float(int(passed)), text or "")

    def note(self, text: str) -> None:
        self._session.note([text])

    def leave(self) -> None:
        return

    def end(self, document: "Deployment") -> None:
        error = document["error"]
        if error is not None:
            told = [error["message"], *reasons(error), *(f"fix: {fix}" for fix in error["fix"])]
            self._session.say([f"  {clean(line)}" for line in told])
        at = document["ended_at"] or document["created_at"]
        self._line(
            at,
            document["id"],
            "deploy",
            document["phase"],
            document["duration_s"],
            document["summary"],
        )

    def _line(
        self, at: str, name: str, step: str, state: str, took_s: float | None, text: str
    ) -> None:
        took = "-" if took_s is None else spoken(took_s).replace(" ", "")
        line = f"{at} {name} {step:<14} {state:<9} {took:>7}  {clean(text)}"
        self._session.say([line.rstrip()])
        self._last = time.monotonic()


class JsonLines:
    """Events as JSON, one a line; the last line is the document."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def show(self, found: "Follow") -> None:
        self._session.say([json.dumps(event) for event in found["events"]])

    def tick(self) -> None:
        return

    def note(self, text: str) -> None:
        return

    def leave(self) -> None:
        return

    def end(self, document: "Deployment") -> None:
        self._session.document(_as_answered(self._session, document))


class Silent:
    """Nothing until the end: the document, or with `--quiet` the id."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def show(self, found: "Follow") -> None:
        return

    def tick(self) -> None:
        return

    def note(self, text: str) -> None:
        return

    def leave(self) -> None:
        return

    def end(self, document: "Deployment") -> None:
        if self._session.json:
            self._session.document(_as_answered(self._session, document))
        else:
            self._session.say([document["id"]])


def _as_answered(session: Session, document: "Deployment") -> bytes:
    """The document in the service's own bytes, as every door gives it."""
    return session.client.get(f"/api/deployments/{segment(document['id'])}").body


def _is_the_end(event: "Event") -> bool:
    return event["step"] == "deploy" and event["state"] in words.ENDED


def _just_began(event: "Event") -> bool:
    """A step's begin says nothing that its end, or a sign of life, does not."""
    return event["step"] != "deploy" and event["state"] == "running"


def _what(doc: "Deployment") -> str:
    change = words.change(doc["from_version"], doc["to_version"])
    return f"{change} {doc['strategy']} plan {deployment.digest(doc['plan_digest'])}"


def _to_terminal(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
