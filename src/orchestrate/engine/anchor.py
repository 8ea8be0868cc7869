"""The anchor: signed heads of the audit trail, written to `<home>/audit` after each commit.

At the start the trail must still hold what the heads name. Entries beyond the newest head are
fine, and anchored: a crash comes between a commit and its head. Fewer entries, or others, are an
alarm: the service then changes nothing until an administrator has accepted it.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from orchestrate.store import audit
from orchestrate.store.audit import Tail
from orchestrate.store.audit_check import quick
from orchestrate.store.database import Store
from orchestrate.store.heads import Head, HeadFile, SignedHead, load_key, make_key, sign
from orchestrate.store.identity import store_id

log = logging.getLogger(__name__)

EVERY_S = 1.0
AT_ONCE = ("approval.", "audit.", "deployment.start", "deployment.end")
"""Actions whose entry is anchored before anything follows from them."""


class Anchor:
    """Heads of one store, kept in one home."""

    def __init__(self, home: Path, store: Store) -> None:
        self._store = store
        self._directory = home / "audit"
        self._file = HeadFile(self._directory)
        self._key: Ed25519PrivateKey | None = None
        self._name = ""
        self._lock = threading.Lock()
        self._waiting: Tail | None = None
        self._written = -1
        self._at = 0.0
        self._stop: Callable[[], None] | None = None

    def open(self) -> list[str]:
        """Compare the trail with its heads, and begin to write more. Returns what is wrong, and
        then writes none. Raises KeyUnusable."""
        self._directory.mkdir(mode=0o700, exist_ok=True)
        self._directory.chmod(0o700)
        self._key = load_key(self._directory)
        heads = self.heads()
        if self._key is None and not heads:
            self._key = make_key(self._directory)
        with self._store.session() as session:
            report = quick(session, heads, self.public_key)
            end, self._name = audit.tail(session), store_id(session)
        if report.problems:
            return report.problems
        self._written = report.newest_head if report.newest_head is not None else -1
        self._begin(end)
        return []

    @property
    def public_key(self) -> Ed25519PublicKey | None:
        return self._key.public_key() if self._key is not None else None

    def heads(self) -> list[SignedHead | None]:
        """Every head that is kept here; None for what is none."""
        return list(self._file.every())

    @property
    def newest(self) -> int:
        """Number of the newest entry whose head this service has written, or found at its start;
        -1 where it writes none."""
        return self._written

    def accept(self) -> None:
        """Take the trail as it is now for the truth. What the heads said before stays beside it,
        with the key they were signed with if that is lost."""
        name = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        self._file.set_aside(name)
        if self._key is None:
            self._key = make_key(self._directory)
        with self._store.session() as session:
            end, self._name = audit.tail(session), store_id(session)
        self._written = -1
        self._begin(end)

    def note(self) -> str | None:
        """The newest head, signed, to be kept elsewhere. None where no head is written."""
        with self._store.session() as session:
            end = audit.tail(session)
        if self._key is None or self._stop is None:
            return None
        return sign(Head(self._name, end.seq, end.hash), self._key)

    def flush(self) -> None:
        """Write the head that waits, if there is one."""
        with self._lock:
            self._write()

    def close(self) -> None:
        """Write the last head, and stop listening."""
        if self._stop is not None:
            self._stop()
            self._stop = None
        self.flush()

    def _begin(self, end: Tail) -> None:
        with self._lock:
            self._waiting = end
            self._write()
        if self._stop is None:
            self._stop = audit.listen(self._store.engine, self._heard)

    def _heard(self, end: Tail, actions: tuple[str, ...]) -> None:
        urgent = any(action.startswith(AT_ONCE) for action in actions)
        with self._lock:
            if self._waiting is None or end.seq > self._waiting.seq:
                self._waiting = end
            if urgent or time.monotonic() - self._at >= EVERY_S:
                self._write()

    def _write(self) -> None:
        """Held under the lock. What cannot be written now is tried again: it is committed."""
        end = self._waiting
        if end is None or self._key is None:
            return
        if end.seq > self._written:
            try:
                self._file.add(sign(Head(self._name, end.seq, end.hash), self._key))
            except OSError:
                log.critical("the head of the audit trail cannot be written", exc_info=True)
                return
            self._written = end.seq
        self._waiting = None
        self._at = time.monotonic()
