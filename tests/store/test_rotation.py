"""A new master key: everything opens under it, values stay as they were, whatever kills it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from orchestrate.core.errors import MasterKeyInvalid
from orchestrate.core.secret import Secret
from orchestrate.store import environments, rotation, secrets
from orchestrate.store.database import Store
from orchestrate.store.keys import Keys, sealed_under
from orchestrate.store.keys.file import KeyFile
from orchestrate.store.sealed import MasterKeyRow
from tests.support.records import environment

MANY = 1000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(f"sqlite:///{tmp_path / 'store.db'}", tmp_path)
    found.migrate()
    with found.session() as session:
        environments.put(session, environment())
    yield found
    found.close()


def fill(store: Store, number: int) -> None:
    with store.session() as session:
        row = environments.find(session, "staging")
        for n in range(number):
            secrets.put(session, store.keys, row, f"S{n}", Secret(f"value-number-{n}"), by="lee")


def texts(store: Store) -> dict[str, tuple[bytes, bytes]]:
    with store.engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT name, ct, nonce FROM secret_versions"))
        return {name: (ct, nonce) for name, ct, nonce in rows}


def all_open(store: Store, number: int) -> bool:
    with store.session() as session:
        row = environments.find(session, "staging")
        return all(
            secrets.get(session, store.keys, row, f"S{n}").reveal() == f"value-number-{n}"
            for n in range(number)
        )


def some_open(store: Store) -> bool:
    """One of each batch: what was moved, and what was not yet."""
    with store.session() as session:
        row = environments.find(session, "staging")
        return all(
            secrets.get(session, store.keys, row, f"S{n}").reveal() == f"value-number-{n}"
            for n in range(0, MANY, rotation.BATCH // 2)
        )


def kids(store: Store) -> set[str]:
    with store.session() as session:
        return sealed_under(session)


def test_everything_opens_under_the_new_key_and_the_values_are_untouched(store: Store) -> None:
    fill(store, 250)
    with store.session() as session:
        subkey = store.keys.subkey(session, "tokens")
    before, old = texts(store), kids(store)
    done = rotation.rotate(store)
    assert (done.rewrapped, done.resumed) == (250, False)
    assert set(done.retired) == old and kids(store) == {done.key}
    assert texts(store) == before
    assert all_open(store, 250)
    with store.session() as session:
        assert store.keys.subkey(session, "tokens") == subkey
    assert [key.id for key in KeyFile(store.keys.source.path).load()] == [done.key]  # type: ignore[attr-defined]  # a file's


def test_it_goes_on_where_another_store_of_the_same_home_reads(
    store: Store, tmp_path: Path
) -> None:
    fill(store, 3)
    other = Store(store.url, tmp_path)
    assert all_open(other, 3)
    rotation.rotate(store)
    assert all_open(other, 3)  # it finds an id it does not know, and reads the keys anew
    fill(other, 4)
    assert all_open(store, 4)
    other.close()


def rotated_until(home: Path, url: str, steps: int) -> int:
    """A process of its own that rotates, and gets kill -9 after so many steps; its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        left = steps

        def step(_: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        rotation.rotate(Store(url, home), step)
    finally:
        os._exit(1)


class Cut(Exception):
    """A rotation ends here."""


def test_one_that_another_worker_began_is_finished_and_makes_no_second_key(
    store: Store, tmp_path: Path
) -> None:
    def cut(_: str) -> None:
        raise Cut

    fill(store, 1)
    other = Store(store.url, tmp_path)
    assert all_open(other, 1), "it has read the keys as they are before"
    with pytest.raises(Cut):
        rotation.rotate(store, cut)
    assert rotation.rotate(other).resumed
    assert len(KeyFile(tmp_path / "master.key").load()) == 1
    assert all_open(store, 1) and all_open(other, 1)
    other.close()


@pytest.mark.fault
@pytest.mark.timeout(600)
@pytest.mark.attack("SK04", "kill -9 at each step of rotating 1,000 secrets, twice", "finished")
def test_a_rotation_killed_anywhere_is_finished_by_the_next(store: Store, tmp_path: Path) -> None:
    fill(store, MANY)
    before = texts(store)
    store.close()
    batches = MANY // rotation.BATCH
    for _ in range(2):
        (old,) = (key.id for key in KeyFile(tmp_path / "master.key").load())
        # Each attempt dies one step further on: the new key is made, each batch, the roots, the
        # old key is retired, and taken away.
        for steps in (1, *[2] * batches, 2, 3, 4):
            assert rotated_until(tmp_path, store.url, steps) == -signal.SIGKILL
            reader = Store(store.url, tmp_path)
            assert some_open(reader)
            reader.close()
        (key,) = KeyFile(tmp_path / "master.key").load()
        reader = Store(store.url, tmp_path)
        assert key.id != old and kids(reader) == {key.id}
        assert texts(reader) == before
        assert all_open(reader, MANY)
        with reader.session() as session:
            assert session.get_one(MasterKeyRow, key.id).retired_at is None
            assert session.get_one(MasterKeyRow, old).retired_at is not None
        reader.close()
    left = [path.name for path in tmp_path.iterdir() if "master.key" in path.name]
    assert left == ["master.key"]


@pytest.mark.attack("SK04", "the old key is taken away while something is under it", "kept")
def test_the_old_key_stays_while_anything_is_under_it(store: Store, tmp_path: Path) -> None:
    fill(store, 5)
    (old,) = kids(store)
    late: list[str] = []

    def step(name: str) -> None:
        if name == "roots":
            with store.engine.begin() as connection:
                statement = "UPDATE secret_versions SET kid = :kid WHERE name = 'S1'"
                connection.execute(sa.text(statement), {"kid": old})
            late.append(name)

    done = rotation.rotate(store, step)
    assert late and done.retired == () and done.left == ()
    assert old in {key.id for key in KeyFile(tmp_path / "master.key").load()}


def test_keys_that_others_keep_are_rotated_by_them_and_then_by_us(
    store: Store, tmp_path: Path
) -> None:
    import base64

    old, new = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))
    store.keys = Keys(tmp_path, {"ORCHESTRATE_MASTER_KEY": old})
    fill(store, 3)
    with pytest.raises(MasterKeyInvalid) as refused:
        rotation.rotate(store)
    assert "put the new key before the old one" in refused.value.fix[0]
    store.keys = Keys(tmp_path, {"ORCHESTRATE_MASTER_KEY": f"{new},{old}"})
    done = rotation.rotate(store)
    assert done.rewrapped == 3 and len(done.left) == 1
    store.keys = Keys(tmp_path, {"ORCHESTRATE_MASTER_KEY": new})
    assert all_open(store, 3)


def test_keys_move_from_the_file_to_the_environment_by_a_rotation(
    store: Store, tmp_path: Path
) -> None:
    import base64

    fill(store, 3)
    given = base64.b64encode(os.urandom(32)).decode()
    store.keys = Keys(tmp_path, {"ORCHESTRATE_MASTER_KEY": given})
    assert all_open(store, 3)
    done = rotation.rotate(store)
    assert done.rewrapped == 3 and len(done.retired) == 1
    assert not (tmp_path / "master.key").exists()
    assert all_open(store, 3)
