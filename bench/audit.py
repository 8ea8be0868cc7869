"""What a tamper-evident trail costs: entries appended and verified a second.

Beside them the floor: plain rows in the same SQLite (a commit each, waiting for the disk), and the
bare hashes without a database. An argument is the number of entries that are verified.
"""

import hashlib
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from harness import last_line, show

from orchestrate.core.audit import AuditEvent
from orchestrate.engine.anchor import Anchor
from orchestrate.store import audit
from orchestrate.store.audit_check import Report, verify
from orchestrate.store.database import Store

ENTRIES = 1_000_000
COMMITS = 2_000
AT_ONCE = 2_000
"""Entries of one transaction while the trail is filled."""


def main() -> None:
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES
    with tempfile.TemporaryDirectory(prefix="orc-bench-") as place:
        home = Path(place)
        store = Store(f"sqlite:///{home / 'store.db'}")
        store.migrate()
        anchor = Anchor(home, store)
        assert anchor.open() == []
        plain = rate(COMMITS, lambda: commit_plain(store))
        chained = rate(COMMITS, lambda: append(store, 1))
        filled = rate((entries - COMMITS) // AT_ONCE, lambda: append(store, AT_ONCE)) * AT_ONCE
        anchor.close()
        began = time.perf_counter()
        report = look(store, anchor)
        took = time.perf_counter() - began
        assert report.problems == [], report.problems
        show(
            "a trail that shows every change of it",
            [
                ["floor: hashes alone", f"{hashes():,.0f}"],
                ["floor: plain rows, a commit each", f"{plain:,.0f}"],
                ["entries, a commit each", f"{chained:,.0f}"],
                [f"entries, {AT_ONCE} a commit", f"{filled:,.0f}"],
                ["entries verified", f"{report.rows / took:,.0f}"],
            ],
            ["", "a second"],
        )
        last_line("audit", rows=report.rows, verify_s=took, append_per_s=round(chained))
        store.close()


def rate(count: int, act: Callable[[], None]) -> float:
    """Calls a second."""
    began = time.perf_counter()
    for _ in range(count):
        act()
    return count / (time.perf_counter() - began)


def append(store: Store, count: int) -> None:
    with store.session() as session:
        for number in range(count):
            audit.append(
                session,
                AuditEvent(
                    action="call.start_deployment",
                    actor="claude",
                    on_behalf_of="lee",
                    person="lee",
                    subject=f"d{number}",
                    details={"door": "mcp", "credential": "socket", "version": "1.4.2"},
                    request_id="ab12cd34",
                ),
            )


def commit_plain(store: Store) -> None:
    with store.session() as session:
        connection = session.connection()
        connection.execute(sa.text("CREATE TABLE IF NOT EXISTS plain (text TEXT)"))
        connection.execute(sa.text("INSERT INTO plain VALUES ('a row of about the same size')"))


def look(store: Store, anchor: Anchor) -> Report:
    with store.session() as session:
        return verify(session, anchor.heads(), anchor.public_key)


def hashes() -> float:
    found = b""

    def one() -> None:
        nonlocal found
        found = hashlib.sha256(b"\x01" + found + b"x" * 300).digest()

    return rate(100_000, one)


if __name__ == "__main__":
    main()
