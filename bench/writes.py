"""What it costs to wait for SQLite: many threads that write at once, as many deployments do.

Beside it the same without a queue of our own, where each waits as SQLite does: it sleeps, and tries
again. Arguments are the number of writers and the seconds of each round.
"""

import sys
import tempfile
import threading
import time
from pathlib import Path

import sqlalchemy as sa
from harness import last_line, percentile, row, show

from orchestrate.core.audit import AuditEvent
from orchestrate.store import audit
from orchestrate.store.database import Store, begin_writing

WRITERS, ROUND_S, ROUNDS = 12, 5.0, 3


def main() -> None:
    writers = int(sys.argv[1]) if len(sys.argv) > 1 else WRITERS
    round_s = float(sys.argv[2]) if len(sys.argv) > 2 else ROUND_S
    queued: list[float] = []
    alone: list[float] = []
    with tempfile.TemporaryDirectory(prefix="orc-bench-") as place:
        for number in range(ROUNDS):
            for samples, queue in ((queued, True), (alone, False)):
                samples += waits(Path(place) / f"{number}-{queue}.db", writers, round_s, queue)
    show(
        f"{writers} threads that write at once, {ROUNDS} rounds of {round_s:g} s each",
        [row("in the order they came", queued), row("as SQLite waits", alone)],
        ["ms a write", "median", "95 %", "least", "most", "writes", ""],
    )
    last_line(
        "writes",
        p99_ms=percentile(queued, 99),
        max_ms=max(queued),
        sqlite_p99_ms=percentile(alone, 99),
        sqlite_max_ms=max(alone),
        writes_ratio=len(queued) / len(alone),
    )


def waits(path: Path, writers: int, round_s: float, queue: bool) -> list[float]:
    """Milliseconds of each write of one round."""
    store = Store(f"sqlite:///{path}")
    store.migrate()
    if not queue:
        sa.event.listen(store.engine, "checkout", lambda raw, *_: setattr(raw, "turns", None))
    found: list[float] = []
    until = time.monotonic() + round_s
    event = AuditEvent(action="bench.write", actor="bench", subject="bench")

    def write() -> None:
        while time.monotonic() < until:
            began = time.perf_counter()
            with store.session() as session:
                begin_writing(session)
                audit.append(session, event)
            found.append((time.perf_counter() - began) * 1000)

    threads = [threading.Thread(target=write) for _ in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    return found


if __name__ == "__main__":
    main()
