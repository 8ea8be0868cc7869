"""SQLite connections whose transactions write one after the other, in the order they came.

SQLite has no queue: who finds the database taken sleeps for up to 100 ms and tries again, and
meanwhile somebody else comes first (sqliteDefaultBusyCallback in https://sqlite.org/src/file/src/main.c).
Ten environments that deploy at once made an unlucky write wait for seconds. Within this process
each waits for its turn instead; other processes are still met by SQLite's own waiting.

It costs throughput where all write without a pause, since no thread may write twice in a row
(`make bench NAME=writes`); what a person or a step waits for is the longest write.
"""

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Iterable
from typing import Any

BUSY_S = 30.0
"""Longest wait for the database, in the queue and for other processes each."""
_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE", "BEGIN IMMEDIATE")


class Turns:
    """A lock that whoever waits longest gets next, and that is given back by whom it belongs to,
    not by a thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: object | None = None
        self._waiting: deque[tuple[object, threading.Event]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def take(self, who: object, within_s: float = BUSY_S) -> bool:
        """Wait for the turn. False when it did not come in time; true at once for who has it."""
        with self._lock:
            if self._holder is None:
                self._holder = who
            if self._holder is who:
                return True
            mine = (who, threading.Event())
            self._waiting.append(mine)
        if mine[1].wait(within_s):
            return True
        with self._lock:
            if self._holder is who:  # it came just now
                return True
            self._waiting.remove(mine)
        return False

    def give(self, who: object) -> None:
        """Let the next one write; nothing where it is not `who`'s turn."""
        with self._lock:
            if self._holder is not who:
                return
            self._holder, come = self._waiting.popleft() if self._waiting else (None, None)
            if come is not None:
                come.set()


_of: dict[str, Turns] = {}
_of_lock = threading.Lock()


def of(path: str | None) -> Turns | None:
    """The one queue of a database's file, whoever opens it in this process; None for one that is
    in memory, which no other connection sees."""
    if not path or path == ":memory:":
        return None
    with _of_lock:
        return _of.setdefault(os.path.realpath(path), Turns())


class Connection(sqlite3.Connection):
    """One that waits for its turn before a transaction's first write, and gives it back with the
    end of the transaction."""

    turns: Turns | None = None

    def cursor(self, factory: Any = None) -> Any:
        return super().cursor(factory or Cursor)

    def await_turn(self, sql: str) -> None:
        """Raises nothing: where the turn does not come, SQLite says that the database is busy."""
        if self.turns is not None and not self.in_transaction and _is_write(sql):
            self.turns.take(self)

    def commit(self) -> None:
        super().commit()
        self._done()

    def rollback(self) -> None:
        try:
            super().rollback()
        finally:
            self._done()

    def close(self) -> None:
        super().close()
        self._done()

    def _done(self) -> None:
        if self.turns is not None:
            self.turns.give(self)


class Cursor(sqlite3.Cursor):
    """What a Connection makes."""

    def execute(self, sql: str, parameters: Any = ()) -> "Cursor":
        self._await_turn(sql)
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any]) -> "Cursor":
        self._await_turn(sql)
        return super().executemany(sql, parameters)

    def _await_turn(self, sql: str) -> None:
        if isinstance(self.connection, Connection):
            self.connection.await_turn(sql)


def _is_write(sql: str) -> bool:
    """Whether sqlite3 begins a transaction before it, or it is one that begins to write."""
    return sql.lstrip()[:15].upper().startswith(_WRITES)
