"""From a credential to a principal: a user id on the socket, a token on HTTP.

Before there is any person the owner of the service may do on its socket all that needs no second
person, and nobody else may do anything. From the first person on, the roles of people count, and a
user id is the person it was linked to.
"""

import hashlib
import hmac
import os
import secrets
import threading
import time
from collections import OrderedDict, deque
from pathlib import Path
from typing import TypeVar

from orchestrate.core.audit import AuditEvent
from orchestrate.core.errors import RateLimited, Unauthenticated
from orchestrate.core.identity import Principal, Role, narrowed
from orchestrate.core.tokens import compose, parse
from orchestrate.core.untrusted import clean
from orchestrate.engine.keys import TOKENS, subkey
from orchestrate.store import audit, people, tokens
from orchestrate.store.database import Session, Store
from orchestrate.store.tokens import TokenRow

OWNER = frozenset({Role.DEPLOYER, Role.ADMIN})
AGENT = frozenset({Role.VIEWER, Role.DEPLOYER})
"""All that an agent may ever have: it never approves and never gives rights."""
V = TypeVar("V")
LONGEST_NAME = 60
WINDOW_S = 60.0
FAILURES_OF_ACCOUNT, FAILURES_OF_SOURCE = 10, 60
"""Wrong credentials within WINDOW_S, from one source for one token, and from one source."""
PLACES = 4096
"""Sources and accounts that are remembered: an attacker with many does not fill the memory."""


class Credentials:
    """Establishes who asks."""

    def __init__(self, home: Path, store: Store) -> None:
        self._store = store
        self._pepper = subkey(home, TOKENS)
        self.owner = os.geteuid()
        """The user the service runs as."""
        self._failures = Failures()

    def person(self, uid: int, user: str) -> Principal:
        """The person whose user id the kernel told; `user` is its name on this machine."""
        with self._store.session() as session:
            row = people.of_uid(session, uid)
            if row is not None:
                return Principal(row.name, row.name, "person", row.held, tuple(row.environments))
            owns = uid == self.owner and not people.anybody(session)
        return Principal(user, user, "person", OWNER if owns else frozenset())

    def agent(self, said: str, uid: int, user: str) -> Principal:
        """An agent, on behalf of the person whose program it is. Its name is its own word."""
        return as_agent(self.person(uid, user), said)

    def bearer(self, text: str, source: str) -> Principal:
        """Whoever holds a token. Raises Unauthenticated, and RateLimited after many that were
        wrong: from one source, so that nobody is locked out by what another one does."""
        token = parse(text)
        identity = token.id if token else ""
        self._failures.refuse(source, identity)
        with self._store.session() as session:
            row = tokens.look(session, identity) if token else None
            # An id that nobody has takes the same time as one whose secret is wrong.
            kept = row.mac if row else self.mac(_DUMMY)
            right = hmac.compare_digest(self.mac(text).encode(), kept.encode())
            found = _principal(session, row) if row and right and token else None
        if found is None:
            self._note_failure(source, identity)
            raise nobody()
        self._failures.forget(source, identity)
        return found

    def good(self, credential: str) -> bool:
        """Whether a token that was good a moment ago still is: asked while a stream is open."""
        with self._store.session() as session:
            row = tokens.look(session, credential.removeprefix("token:"))
            return row is not None and _principal(session, row) is not None

    def mac(self, text: str) -> str:
        """What is kept of a token."""
        return hmac.new(self._pepper, text.encode(), hashlib.sha256).hexdigest()

    def make(self, role: Role) -> tuple[str, str, str]:
        """A new token: its text, its id, and what is kept of it."""
        token = compose(role, secrets.token_bytes(6), secrets.token_bytes(32))
        return token.text, token.id, self.mac(token.text)

    def _note_failure(self, source: str, identity: str) -> None:
        """Count it. The first of a window is told to the trail, and the one from which on more
        are refused: a thousand a second must not fill it."""
        count = self._failures.add(source, identity)
        if count not in (1, FAILURES_OF_ACCOUNT):
            return
        event = AuditEvent(
            action="access.wrong_credential",
            actor="unknown",
            subject=f"token:{identity}" if identity else "token",
            outcome="refused",
            details={"door": "http", "source": clean(source), "failures": count},
        )
        with self._store.session() as session:
            audit.append(session, event)


class Failures:
    """Wrong credentials of late, by where they came from and whose they claimed to be."""

    def __init__(self) -> None:
        self._times: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()
        self._proven: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._lock = threading.Lock()

    def refuse(self, source: str, account: str) -> None:
        """Raise RateLimited where there were too many. Whoever proved themselves from a source a
        moment ago is not kept out by others there."""
        with self._lock:
            wait = self._wait((source, account), FAILURES_OF_ACCOUNT)
            if (source, account) not in self._proven:
                wait = max(wait, self._wait((source, ""), FAILURES_OF_SOURCE))
        if wait > 0:
            raise RateLimited(
                "too many credentials were wrong",
                why=["this address must wait before it may try again"],
                fix=["look at ORCHESTRATE_TOKEN: is it whole, and of this service?"],
                retry_after_s=round(wait, 1),
            )

    def add(self, source: str, account: str) -> int:
        """Count a failure; returns how many the account had from there of late."""
        with self._lock:
            for key in {(source, account), (source, "")}:
                times = self._times.setdefault(key, deque(maxlen=FAILURES_OF_SOURCE))
                times.append(time.monotonic())
                self._times.move_to_end(key)
            _shrink(self._times)
            return len(self._times[(source, account)])

    def forget(self, source: str, account: str) -> None:
        """It was right: what went wrong before counts no more."""
        with self._lock:
            self._times.pop((source, account), None)
            self._proven[(source, account)] = time.monotonic()
            self._proven.move_to_end((source, account))
            _shrink(self._proven)

    def _wait(self, key: tuple[str, str], most: int) -> float:
        times = self._times.get(key)
        if times is None:
            return 0.0
        while times and time.monotonic() - times[0] > WINDOW_S:
            times.popleft()
        if len(times) < most:
            return 0.0
        return WINDOW_S - (time.monotonic() - times[-most])


def as_agent(principal: Principal, said: str) -> Principal:
    """The agent `said` on behalf of a person: never more than a deployer."""
    name = " ".join(clean(said).split())[:LONGEST_NAME]
    roles = frozenset(r for r in AGENT if principal.may(r))
    return Principal(
        name or "agent",
        principal.person,
        "agent",
        roles,
        principal.environments,
        principal.credential,
    )


def nobody() -> Unauthenticated:
    """Which of the reasons it is is nobody's business who has no token."""
    return Unauthenticated(
        "a token of this service is needed",
        why=["there is none, or it is not good here"],
        fix=["set ORCHESTRATE_TOKEN; to make one: orchestrate auth token --role deployer"],
    )


_DUMMY = "a text that is no token"


def _principal(session: Session, row: TokenRow) -> Principal | None:
    """Who holds the token; None when it is good no more. It has what it was given, as far as its
    person still has that."""
    if not tokens.alive(session, row):
        return None
    person = people.look(session, row.person)
    if person is None or person.removed_at is not None:
        return None
    scope = narrowed(person.environments, row.environments)
    owner = Principal(person.name, person.name, "person", person.held, tuple(scope or ()))
    has = scope is not None and owner.may(row.held)
    tokens.note_use(session, row)
    found = Principal(
        person.name,
        person.name,
        "person",
        frozenset({row.held}) if has else frozenset(),
        tuple(scope or ()),
        f"token:{row.id}",
    )
    return as_agent(found, row.agent) if row.agent else found


def _shrink(kept: OrderedDict[tuple[str, str], V]) -> None:
    while len(kept) > PLACES:
        kept.popitem(last=False)
