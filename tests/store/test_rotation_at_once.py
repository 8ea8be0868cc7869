"""Two rotations at once, in one service or in two workers: no key is lost, and one is made."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from orchestrate.core.secret import Secret
from orchestrate.store import environments, rotation, secrets
from orchestrate.store.database import Store
from orchestrate.store.keys import Keys, KeySource
from orchestrate.store.keys.file import KeyFile
from orchestrate.store.ring import Key
from orchestrate.store.sealed import MasterKeyRow
from tests.support.records import environment


class Cut(Exception):
    """A rotation ends here."""


class Meeting(KeyFile):
    """Writes once another one is about to write as well; alone after a moment."""

    def __init__(self, path: Path, both: threading.Barrier) -> None:
        super().__init__(path)
        self._both = both

    def _save(self, keys: tuple[Key, ...]) -> None:
        with suppress(threading.BrokenBarrierError):
            self._both.wait(1.0)
        super()._save(keys)


class MeetingKeys(Keys):
    """Keys in such a file."""

    def __init__(self, home: Path, both: threading.Barrier) -> None:
        super().__init__(home, {})
        self._place, self._both = home / "master.key", both

    @property
    def source(self) -> KeySource:
        return Meeting(self._place, self._both)


@pytest.fixture
def workers(url: str, tmp_path: Path) -> Iterator[list[Store]]:
    """Two on one store and one home, both of which have read the keys."""
    found = [Store(url, tmp_path), Store(url, tmp_path)]
    found[0].migrate()
    with found[0].session() as session:
        row = environments.put(session, environment())
        secrets.put(session, found[0].keys, row, "A", Secret("value-one"), by="lee")
    assert read(found[1]) == "value-one"
    yield found
    for each in found:
        each.close()


def read(store: Store) -> str:
    with store.session() as session:
        row = environments.find(session, "staging")
        return secrets.get(session, store.keys, row, "A").reveal()


def keys_in(home: Path) -> int:
    return len(KeyFile(home / "master.key").load())


def test_a_rotation_that_another_worker_began_is_finished_and_makes_no_second_key(
    workers: list[Store], tmp_path: Path
) -> None:
    def cut(_: str) -> None:
        raise Cut

    with pytest.raises(Cut):
        rotation.rotate(workers[0], cut)
    assert rotation.rotate(workers[1]).resumed
    assert keys_in(tmp_path) == 1
    assert [read(each) for each in workers] == ["value-one"] * 2


def test_two_first_secrets_at_once_are_both_kept(workers: list[Store]) -> None:
    store = workers[0]
    with store.session() as session:
        session.delete(session.get_one(MasterKeyRow, store.keys.ring(session).primary.id))
        store.keys.ring(session)
        for name in ("one", "two"):
            environments.put(session, environment(name))
    both = threading.Barrier(2)

    def keep(name: str) -> int:
        with store.session() as session:
            row = environments.find(session, name)
            both.wait(10)
            kept, _ = secrets.put(session, store.keys, row, "A", Secret("value-one"), by="lee")
            with suppress(threading.BrokenBarrierError):
                both.wait(1.0)  # where the database lets both write, neither has committed yet
            return kept.version

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(keep, ("one", "two"))) == [1, 1]


def test_two_first_subkeys_at_once_are_of_one_root(workers: list[Store]) -> None:
    store, both = workers[0], threading.Barrier(2)

    def subkey(_: int) -> bytes:
        with store.session() as session:
            store.keys.ring(session)
            both.wait(10)
            found = store.keys.subkey(session, "tokens")
            with suppress(threading.BrokenBarrierError):
                both.wait(1.0)
            return found

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(subkey, range(2))
    assert one == other == subkey_now(store)


def subkey_now(store: Store) -> bytes:
    with store.session() as session:
        return store.keys.subkey(session, "tokens")


def test_two_rotations_at_once_lose_no_key(workers: list[Store], tmp_path: Path) -> None:
    both = threading.Barrier(2)
    for each in workers:
        each.keys = MeetingKeys(tmp_path, both)
        assert read(each) == "value-one"
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(rotation.rotate, workers))
    assert not all(each.resumed for each in done)
    assert keys_in(tmp_path) == 1
    assert read(workers[0]) == "value-one"
