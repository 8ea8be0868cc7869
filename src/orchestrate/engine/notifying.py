"""Sending what is in the outbox: on a thread of its own, so that no deployment waits for a sink."""

import logging
import threading
from collections import defaultdict

from orchestrate.core.errors import (
    OrchestrateError,
    PermanentError,
    Refused,
    TemporaryError,
)
from orchestrate.core.notification import Facts
from orchestrate.engine.site import Place, secrets_of
from orchestrate.providers.notifiers import deliver
from orchestrate.providers.outbound import Outbound
from orchestrate.store import environments, outbox
from orchestrate.store.outbox import OutboxRow

log = logging.getLogger(__name__)
LOOK_S = 1.0


class Notifier:
    """Sends each row of the outbox until its sink has taken it."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._outbound = Outbound()
        self._served: defaultdict[int, set[str]] = defaultdict(set)
        """Of a message that some of its recipients have: who has it."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="notifier", daemon=True)

    def launch(self) -> None:
        """Begin. On SQLite there is one service: what another one held, died with it."""
        if self._place.store.url.startswith("sqlite"):
            with self._place.store.session() as session:
                outbox.let_go(session)
        self._thread.start()

    def close(self) -> None:
        """Stop. What was under way is sent again by the next service: at least once."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _loop(self) -> None:
        while not self._stop.is_set():
            try:
                while not self._stop.is_set() and self.send_one():
                    pass
            except Exception:
                log.exception("looking after the outbox failed; it is tried again")
            self._stop.wait(LOOK_S)

    def send_one(self) -> bool:
        """Try the oldest message that is due. False when none is."""
        with self._place.store.session() as session:
            row = outbox.claim(session)
        if row is None:
            return False
        problem = self._try(row)
        with self._place.store.session() as session:
            if problem is None:
                outbox.settle(session, row.id or 0)
                self._served.pop(row.id or 0, None)
                return True
            for_good = isinstance(problem, PermanentError) and not isinstance(problem, Refused)
            after = problem.retry_after_s
            given_up = outbox.put_off(session, row.id or 0, problem.message, after, for_good)
        if given_up:
            self._served.pop(row.id or 0, None)
        level = logging.ERROR if given_up else logging.WARNING
        fate = "is given up" if given_up else "comes again"
        log.log(level, "notification n%s to %s %s: %s", row.id, row.name, fate, problem.message)
        return True

    def _try(self, row: OutboxRow) -> OrchestrateError | None:
        """What went wrong, if anything. Refused (a missing secret, a forbidden address) is mended
        by a person, so it is tried again too."""
        try:
            self._send(row)
        except OrchestrateError as problem:
            return problem
        except Exception as problem:
            # Its text may hold an address with a token.
            log.exception("notification n%s broke off", row.id)
            return TemporaryError(f"it broke off unexpectedly: {type(problem).__name__}")
        return None

    def _send(self, row: OutboxRow) -> None:
        with self._place.store.session() as session:
            environment = environments.as_environment(environments.get(session, row.environment_id))
        found = next((each for each in environment.notifications if each.name == row.name), None)
        if found is None:
            raise PermanentError(f"{environment.name} has no notification {row.name} any more")
        secrets = secrets_of(environment, self._place)
        facts, served = Facts.model_validate(row.facts), self._served[row.id or 0]
        deliver(found.sink, facts, row.identity, secrets, self._outbound, served)
