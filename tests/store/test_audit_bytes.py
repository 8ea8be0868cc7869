"""Any byte of any entry: changing one is found, and what is hashed is what the oracle writes."""

import sqlite3
from collections.abc import Callable

import pytest
import rfc8785
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrate.core.audit import canonical_entry, fit
from orchestrate.core.canonical import canonical
from orchestrate.store import audit
from orchestrate.store.database import Store
from tests.store.test_audit import COLUMNS, as_json, event, problems, record


@pytest.fixture(scope="module")
def trail(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('trail') / 'store.db'}")
    store.migrate()
    record(store, 6)
    return store


@pytest.mark.attack("AU01", "any byte of any column of any entry is changed", "the entry is named")
@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_byte_of_an_entry_can_be_changed(trail: Store, data: st.DataObject) -> None:
    seq = data.draw(st.integers(1, 6))
    column = data.draw(st.sampled_from(COLUMNS[1:]))
    path = str(trail.engine.url.database)
    with sqlite3.connect(path) as connection:
        (before,) = connection.execute(
            f"SELECT CAST({column} AS BLOB) FROM audit WHERE seq = ?", (seq,)
        ).fetchone()
    change: Callable[[bytes], bytes] = data.draw(st.sampled_from([flip, drop, add, nothing]))
    after = change(before, data) if change is not nothing else b""  # type: ignore[call-arg]
    if after == before:
        return
    write(path, column, seq, after)
    try:
        assert problems(trail) == [f"entry {seq} was changed, moved or put in"]
    finally:
        write(path, column, seq, before)


def flip(before: bytes, data: st.DataObject) -> bytes:
    at = data.draw(st.integers(0, len(before) - 1))
    bits = data.draw(st.integers(1, 255))
    return before[:at] + bytes([before[at] ^ bits]) + before[at + 1 :]


def drop(before: bytes, data: st.DataObject) -> bytes:
    at = data.draw(st.integers(0, len(before) - 1))
    return before[:at] + before[at + 1 :]


def add(before: bytes, data: st.DataObject) -> bytes:
    at = data.draw(st.integers(0, len(before)))
    return before[:at] + data.draw(st.binary(min_size=1, max_size=3)) + before[at:]


def nothing(before: bytes, data: st.DataObject) -> bytes:
    return b""


def write(path: str, column: str, seq: int, value: bytes) -> None:
    connection = sqlite3.connect(path)
    with connection:
        statement = f"UPDATE audit SET {column} = CAST(? AS TEXT) WHERE seq = ?"
        connection.execute(statement, (value, seq))
    connection.close()


@pytest.mark.parametrize("column", ["on_behalf_of", "person", "request_id"])
def test_nobody_and_a_name_without_letters_are_not_the_same(trail: Store, column: str) -> None:
    path = str(trail.engine.url.database)
    with sqlite3.connect(path) as connection:
        (before,) = connection.execute(f"SELECT {column} FROM audit WHERE seq = 3").fetchone()
        connection.execute(f"UPDATE audit SET {column} = NULL WHERE seq = 3")
    connection.close()
    try:
        assert problems(trail) == ["entry 3 was changed, moved or put in"]
    finally:
        write(path, column, 3, before.encode())


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=8),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text(max_size=5), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        max_size=6,
    ),
    st.text(),
)
def test_an_entry_is_the_canonical_json_of_the_oracle(
    details: dict[str, object], name: str
) -> None:
    found = fit(event(subject=name, actor=name, details=details))
    entry = audit.Entry(
        7, "f" * 32, "2026-01-01T00:00:00.000000Z", found.actor, None, None, found.action,
        found.subject, "ok", canonical(found.details), None,
    )  # fmt: skip
    assert canonical_entry(entry).encode() == rfc8785.dumps(as_json(entry))
