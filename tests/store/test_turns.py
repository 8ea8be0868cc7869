"""Whoever writes waits in the order they came, and never longer than the one before takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from orchestrate.store.database import make_engine
from orchestrate.store.turns import Turns, of
from tests.support.waiting import eventually

pytestmark = pytest.mark.system


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    found = make_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with found.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (who TEXT UNIQUE)")
    yield found
    found.dispose()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as found:
        yield found


def insert(engine: sa.Engine, who: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO t VALUES (?)", (who,))


def written(engine: sa.Engine) -> list[str]:
    with engine.connect() as connection:
        return [row[0] for row in connection.exec_driver_sql("SELECT who FROM t ORDER BY rowid")]


def waiting(engine: sa.Engine) -> int:
    turns = of(engine.url.database)
    assert turns is not None
    return turns.waiting


def test_they_write_in_the_order_they_came(engine: sa.Engine, pool: ThreadPoolExecutor) -> None:
    names = [f"writer {number}" for number in range(6)]
    calls: list[Future[None]] = []
    with engine.begin() as first:
        first.exec_driver_sql("INSERT INTO t VALUES ('first')")
        for number, name in enumerate(names, 1):
            calls.append(pool.submit(insert, engine, name))
            eventually(lambda n=number: waiting(engine) == n)  # type: ignore[misc]  # bound now
    assert [call.exception(20) for call in calls] == [None] * 6
    assert written(engine) == ["first", *names]
    assert waiting(engine) == 0


def test_two_engines_of_one_file_have_one_queue(
    engine: sa.Engine, pool: ThreadPoolExecutor, tmp_path: Path
) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "a.db")
    other = make_engine(f"sqlite:///{tmp_path / 'link.db'}", durable=False)
    with engine.begin() as first:
        first.exec_driver_sql("INSERT INTO t VALUES ('first')")
        call = pool.submit(insert, other, "second")
        eventually(lambda: waiting(engine) == 1)
    assert call.exception(20) is None
    other.dispose()


def test_who_reads_waits_for_nobody(engine: sa.Engine) -> None:
    with engine.begin() as first:
        first.exec_driver_sql("INSERT INTO t VALUES ('first')")
        assert written(engine) == []
        assert waiting(engine) == 0


def fails(connection: sa.Connection) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        connection.exec_driver_sql("INSERT INTO t VALUES ('twice'), ('twice')")


def breaks_off(connection: sa.Connection) -> None:
    connection.exec_driver_sql("INSERT INTO t VALUES ('never')")
    connection.rollback()


def commits(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    connection.commit()


def is_thrown_away(connection: sa.Connection) -> None:
    connection.exec_driver_sql("INSERT INTO t VALUES ('never')")
    connection.invalidate()


@pytest.mark.parametrize("act", [fails, breaks_off, commits, is_thrown_away])
def test_the_turn_ends_with_the_transaction_however_it_ends(
    engine: sa.Engine, pool: ThreadPoolExecutor, act: Callable[[sa.Connection], None]
) -> None:
    with engine.connect() as first:
        act(first)
        if act is fails:
            first.rollback()
        assert pool.submit(insert, engine, "next").exception(20) is None
    assert written(engine) == ["next"]


def test_another_process_is_waited_for_as_sqlite_does(
    engine: sa.Engine, pool: ThreadPoolExecutor
) -> None:
    import sqlite3

    assert engine.url.database is not None
    with closing(sqlite3.connect(engine.url.database, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        call = pool.submit(insert, engine, "mine")
        with pytest.raises(TimeoutError):
            call.result(0.2)
        stranger.execute("COMMIT")
        assert call.exception(20) is None


def test_who_waits_too_long_goes_on_and_is_forgotten() -> None:
    turns, first, second, third = Turns(), object(), object(), object()
    assert turns.take(first)
    assert turns.take(first), "it is their turn already"
    assert not turns.take(second, 0.01)
    came = threading.Event()
    thread = threading.Thread(target=lambda: (turns.take(third), came.set()))
    thread.start()
    eventually(lambda: turns.waiting == 1)
    turns.give(second)  # whose turn it is not
    assert not came.is_set()
    turns.give(first)
    assert came.wait(20)
    thread.join()
