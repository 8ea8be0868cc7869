"""Follow a deployment to its end. Ctrl-C stops watching, never the deployment."""

import os
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, cast

from orchestrate.cli.client import Answer, Pending, segment
from orchestrate.cli.render import deployment
from orchestrate.cli.render.paint import Paint
from orchestrate.cli.session import Session
from orchestrate.cli.views import View, view_for
from orchestrate.core.errors import ServiceUnreachable

if TYPE_CHECKING:
    from orchestrate.cli.documents import Deployment, Follow

POLL_S = 25
ANSWER_S = 60.0
TICK_S = 0.25
LOST_S = 60.0
"""Time without the service after which watching is given up."""
AGAIN_S = 0.5
INTERRUPTED = 130
SUCCESS = frozenset({"succeeded"})


def follow(
    session: Session,
    name: str,
    within_s: float | None = None,
    good: Collection[str] = SUCCESS,
) -> int:
    """Show deployment `name` until it ends. 0 when it ends in a `good` phase, else 1; 1 too when
    it has not ended after `within_s` seconds; 130 after Ctrl-C."""
    watch = Watch(session, name, within_s)
    try:
        document = watch.to_the_end()
    except KeyboardInterrupt:
        return watch.stop(INTERRUPTED, "goes on without you")
    except OutOfTime:
        return watch.stop(1, "goes on, and was watched for as long as asked")
    _step_summary(session, document)
    return 0 if document["phase"] in good else 1


class OutOfTime(Exception):
    """The time to watch is over."""


class Watch:
    """One deployment, watched."""

    def __init__(self, session: Session, name: str, within_s: float | None) -> None:
        self._session = session
        self._name = name
        self._view: View = view_for(session)
        self._deadline = None if within_s is None else time.monotonic() + within_s
        self._lost_at: float | None = None
        self._after = 0
        self._document: Deployment | None = None

    def to_the_end(self) -> "Deployment":
        """The deployment as it ended. Raises OutOfTime, and ServiceUnreachable when the service
        stays away."""
        while True:
            found = self._next()
            if found is None:
                continue
            self._document, self._after = found["deployment"], found["after"]
            self._view.show(found)
            if self._document["terminal"] and not found["events"]:
                self._view.end(self._document)
                return self._document

    def stop(self, status: int, why: str) -> int:
        """Say where it can be found again. Returns `status`."""
        self._view.leave()
        if self._document is not None:
            self._session.note(["", *deployment.detached(self._document, why)])
            if self._session.json:
                self._view.end(self._document)
        return status

    def _next(self) -> "Follow | None":
        """What came next; None when the connection was lost, and is to be tried again."""
        path = f"/api/deployments/{segment(self._name)}/follow"
        query = {"after": self._after, "timeout_s": POLL_S}
        try:
            answer = self._wait(self._session.client.begin(path, query, timeout_s=ANSWER_S))
        except ServiceUnreachable:
            self._lost()
            return None
        if self._lost_at is not None:
            self._view.note(f"connected again, {self._name} goes on")
        self._lost_at = None
        return cast("Follow", answer.document)

    def _wait(self, pending: Pending) -> Answer:
        while not pending.ready(TICK_S):
            self._view.tick()
            self._check_time()
        return pending.answer()

    def _lost(self) -> None:
        """Say so once, and wait a little. Raises ServiceUnreachable when it has been too long."""
        if self._lost_at is None:
            self._lost_at = time.monotonic()
            self._view.note(f"connection lost, {self._name} goes on; reconnecting")
        if time.monotonic() - self._lost_at > LOST_S:
            raise ServiceUnreachable(
                f"the service did not come back within {LOST_S:.0f}s",
                why=[f"{self._name} goes on as soon as the service does"],
                fix=[f"orchestrate deploy status {self._name} --follow", "orchestrate doctor"],
            )
        self._check_time()
        time.sleep(AGAIN_S)

    def _check_time(self) -> None:
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise OutOfTime


def _step_summary(session: Session, document: "Deployment") -> None:
    """On GitHub Actions the result is shown on the run's own page too."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    lines = deployment.final(document, Paint(tables=False, utc=True), session.now())
    with open(path, "a", encoding="utf-8") as file:
        file.write("\n".join(["```", *lines, "```", ""]))
