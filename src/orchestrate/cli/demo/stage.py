"""Deploying, rolling back and watching, as a client of the service, with customers in the shop."""

import http.client
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, cast

from orchestrate.cli.client import Client, segment
from orchestrate.cli.demo import shop
from orchestrate.cli.demo.screen import Screen
from orchestrate.cli.load import Load
from orchestrate.cli.load.tally import Counts
from orchestrate.core.errors import PermanentError

if TYPE_CHECKING:
    from orchestrate.cli.documents import Deployment, Follow

TICK_S = 0.25
POLL_S = 25
ANSWER_S = 60.0
LONGEST_S = 60.0
"""Patience with anything that is waited for."""


class Act(NamedTuple):
    """Something that was done, and when: monotonic nanoseconds."""

    title: str
    began: int
    ended: int
    deployment: "Deployment | None" = None

    @property
    def took_s(self) -> float:
        return (self.ended - self.began) / 1e9


class Stage:
    """The shop's environment, and the customers once they have come."""

    def __init__(self, client: Client, screen: Screen, port: int) -> None:
        self._client = client
        self._screen = screen
        self._port = port
        self.load: Load | None = None

    def deploy(self, title: str, version: str, strategy: str | None = None) -> Act:
        """Deploy `version` and follow it to its end, whichever that is."""
        began = time.monotonic_ns()
        plan = self._client.post(
            "/api/plans", {"environment": shop.NAME, "version": version, "strategy": strategy}
        ).document
        started = self._client.post("/api/deployments", {"plan": plan["digest"]}).document
        ended = self._follow(str(started["id"]))
        return Act(title, began, time.monotonic_ns(), ended)

    def roll_back(self, title: str, reason: str) -> Act:
        """One call; then it is followed."""
        path = f"/api/environments/{segment(shop.NAME)}/rollback"
        began = time.monotonic_ns()
        started = self._client.post(path, {"reason": reason, "quarantine": True}).document
        ended = self._follow(str(started["id"]))
        return Act(title, began, time.monotonic_ns(), ended)

    def watch(self, title: str, what: str, until: Callable[[Counts], bool]) -> Act:
        """Let the customers shop until `until` holds of their counts."""
        self._screen.begun(what)
        began = time.monotonic_ns()
        while not until(self._counts()):
            if time.monotonic_ns() - began > LONGEST_S * 1e9:
                raise PermanentError(
                    f"{what}: waited for {LONGEST_S:.0f}s in vain",
                    why=[f"the customers' requests stand at {self._counts()}"],
                    fix=["run it once more on a machine with less to do"],
                )
            self._screen.tick(self._customers())
            time.sleep(TICK_S)
        return Act(title, began, time.monotonic_ns())

    def health(self) -> int:
        """Status with which the shop answers the question after its health."""
        door = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_S)
        try:
            door.request("GET", "/healthz")
            return door.getresponse().status
        finally:
            door.close()

    def _follow(self, name: str) -> "Deployment":
        after, begun = 0, set[str]()
        while True:
            pending = self._client.begin(
                f"/api/deployments/{segment(name)}/follow",
                {"after": after, "timeout_s": POLL_S},
                timeout_s=ANSWER_S,
            )
            while not pending.ready(TICK_S):
                self._screen.tick(self._customers())
            found = cast("Follow", pending.answer().document)
            after, document = found["after"], found["deployment"]
            for step in document["steps"]:
                if step["state"] not in ("waiting", "skipped") and step["key"] not in begun:
                    begun.add(step["key"])
                    self._screen.begun(step["title"])
            self._screen.tick(self._customers())
            if document["terminal"] and not found["events"]:
                return document

    def _customers(self) -> str:
        if self.load is None:
            return ""
        now = self._counts()
        return f"{now.requests:,} requests, {now.failed} failed"

    def _counts(self) -> Counts:
        assert self.load is not None, "nobody shops yet"
        return self.load.counts()
