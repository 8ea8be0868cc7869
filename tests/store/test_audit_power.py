"""The power goes: what the disk kept is a trail that its signed heads agree with.

A model of the disk: SQLite's WAL keeps at least what was synced, and of what came after any
beginning, with whatever else in its last block. `synchronous=FULL` syncs at each commit, NORMAL
only when the WAL is copied back.
"""

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import sessionmaker

from orchestrate.engine.anchor import Anchor
from orchestrate.store import audit
from orchestrate.store.audit_check import quick, verify
from orchestrate.store.database import Session, Store, make_engine
from orchestrate.store.heads import SignedHead
from tests.store.test_audit import event

CUTS = 300
ENTRIES = 60


@dataclass
class Recorded:
    """A database, and how long its WAL was when each head was written."""

    directory: Path
    anchor: Anchor
    heads: list[SignedHead]
    synced: list[int]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    directory = tmp_path_factory.mktemp("power")
    store = Store(f"sqlite:///{directory / 'store.db'}")
    store.migrate()
    with store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    anchor = Anchor(directory, store)
    assert anchor.open() == []
    synced = []
    for number in range(1, ENTRIES + 1):
        with store.session() as session:
            audit.append(session, event(number))
        synced.append((directory / "store.db-wal").stat().st_size)
    assert synced == sorted(synced), "nothing was copied back meanwhile"
    for name in ("store.db", "store.db-wal"):
        shutil.copy(directory / name, directory / f"kept-{name}")
    heads = [each for each in anchor.heads() if each is not None and each.head.seq]
    assert [each.head.seq for each in heads] == list(range(1, ENTRIES + 1))
    yield Recorded(directory, anchor, heads, synced)
    anchor.close()
    store.close()


def after_the_cut(recorded: Recorded, at: int, length: int, garbage: bytes) -> list[str]:
    """What the service would say at its start: the power went after head `at`."""
    place = recorded.directory / "after"
    place.mkdir()
    shutil.copy(recorded.directory / "kept-store.db", place / "store.db")
    wal = (recorded.directory / "kept-store.db-wal").read_bytes()
    (place / "store.db-wal").write_bytes(wal[:length] + garbage)
    store = Store(f"sqlite:///{place / 'store.db'}")
    try:
        with store.session() as session:
            heads = recorded.heads[:at]
            first = quick(session, heads, recorded.anchor.public_key).problems
            whole = verify(session, heads, recorded.anchor.public_key).problems
        assert bool(first) == bool(whole)
        return first
    finally:
        store.close()
        shutil.rmtree(place)


def cuts(recorded: Recorded, full: bool) -> Iterator[list[str]]:
    dice = random.Random(7)
    for number in range(CUTS):
        at = dice.randint(1, ENTRIES)
        least = recorded.synced[at - 1] if full else 0
        length = dice.randint(least, recorded.synced[-1])
        garbage = dice.randbytes(dice.randint(1, 4096)) if number % 3 == 0 else b""
        yield after_the_cut(recorded, at, length, garbage)


@pytest.mark.attack(
    "CR05",
    "the log of the database is cut at 300 places, with and without rubbish behind",
    "it opens, and the trail is whole",
)
@pytest.mark.attack("AU08", "the power goes after a head was written, 300 times", "no false alarm")
def test_a_power_cut_is_never_taken_for_tampering(recorded: Recorded) -> None:
    assert [found for found in cuts(recorded, full=True) if found] == []


def test_without_waiting_for_the_disk_it_would_be(recorded: Recorded) -> None:
    alarms = sum(bool(found) for found in cuts(recorded, full=False))
    assert alarms > CUTS // 4


def test_only_a_connection_that_waits_for_the_disk_writes_the_trail(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    Store(url).migrate()
    hasty = make_engine(url, durable=False)  # as DBOS has it for its own tables
    sessions = sessionmaker(hasty, class_=Session)
    with pytest.raises(RuntimeError, match="does not wait for the disk"):
        with sessions.begin() as session:
            audit.append(session, event())
    with hasty.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM audit")) == 0
    hasty.dispose()
