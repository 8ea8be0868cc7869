"""Secrets of the store: immutable versions that open in their place, and are erased for good."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from orchestrate.core.errors import SecretMissing, SecretUnreadable
from orchestrate.core.secret import Secret
from orchestrate.store import environments, secrets
from orchestrate.store.database import Session, Store
from orchestrate.store.tables import EnvironmentRow
from tests.support.records import environment

PLANTED = "planted-value-7f3a"


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[Store]:
    found = Store(url, tmp_path)
    found.migrate()
    with found.session() as session:
        environments.put(session, environment())
        environments.put(session, environment().model_copy(update={"name": "production"}))
    yield found
    found.close()


def row_of(session: Session, name: str = "staging") -> EnvironmentRow:
    return environments.find(session, name)


def put(store: Store, value: str, name: str = "DB_URL", where: str = "staging") -> tuple[int, bool]:
    with store.session() as session:
        row, changed = secrets.put(
            session, store.keys, row_of(session, where), name, Secret(value), by="lee"
        )
        return row.version, changed


def get(
    store: Store, version: int | None = None, name: str = "DB_URL", where: str = "staging"
) -> str:
    with store.session() as session:
        found = secrets.get(session, store.keys, row_of(session, where), name, version)
        return found.reveal()


def execute(store: Store, statement: str, **values: object) -> None:
    with store.engine.begin() as connection:
        connection.execute(sa.text(statement), values)


def test_each_new_value_is_a_version_and_the_old_ones_stay(store: Store) -> None:
    assert put(store, "first-value") == (1, True)
    assert put(store, "second-value") == (2, True)
    assert put(store, "second-value") == (2, False)
    assert [get(store, v) for v in (1, 2, None)] == ["first-value", "second-value", "second-value"]


def test_what_is_listed_has_no_value(store: Store) -> None:
    put(store, PLANTED)
    with store.session() as session:
        (known,) = secrets.listed(session, row_of(session))
    assert (known.name, known.version, known.set_by) == ("DB_URL", 1, "lee")
    assert PLANTED not in repr(known)


def test_values_of_every_kind_come_back_as_they_were(store: Store) -> None:
    for value in (
        "ünïcode ✓ value",
        "line one\nline two\n",
        "\udc80 half a character",
        "x" * 60_000,
    ):
        put(store, value)
        assert get(store) == value


@pytest.mark.attack("SK02", "the sealed parts of two environments are swapped by SQL", "refused")
@pytest.mark.parametrize(
    "columns", ["ct, nonce", "wrap, wrap_nonce, commit", "ct, nonce, wrap, wrap_nonce, commit"]
)
def test_rows_of_two_environments_cannot_be_swapped(store: Store, columns: str) -> None:
    put(store, "staging-value")
    put(store, "production-value", where="production")
    quoted = ", ".join(f'"{c.strip()}"' for c in columns.split(","))
    ids = "SELECT id FROM environments WHERE name = "
    execute(
        store,
        f"UPDATE secret_versions SET ({quoted}) = (SELECT {quoted} FROM secret_versions s "
        f"WHERE s.environment_id = ({ids}'production')) "
        f"WHERE environment_id = ({ids}'staging')",
    )
    with pytest.raises(SecretUnreadable) as refused:
        get(store)
    assert "DB_URL v1 of staging" in refused.value.message
    assert get(store, where="production") == "production-value"


@pytest.mark.attack("SK02", "a row is renamed or given to another environment by SQL", "refused")
def test_a_row_that_is_given_to_another_environment_does_not_open(store: Store) -> None:
    put(store, "production-value", where="production")
    target = "(SELECT id FROM environments WHERE name = 'staging')"
    execute(store, f"UPDATE secret_versions SET environment_id = {target}")
    with pytest.raises(SecretUnreadable):
        get(store)
    execute(store, "UPDATE secret_versions SET name = 'OTHER'")
    with pytest.raises(SecretUnreadable):
        get(store, name="OTHER")


@pytest.mark.attack("SK03", "an older version is put in the place of the newest", "refused")
def test_an_older_version_is_never_the_newest(store: Store) -> None:
    put(store, "old-credential")
    put(store, "new-credential")
    execute(store, "DELETE FROM secret_versions WHERE version = 2")
    execute(store, "UPDATE secret_versions SET version = 2")
    with pytest.raises(SecretUnreadable):
        get(store)
    with pytest.raises(SecretUnreadable):
        get(store, 2)
    with pytest.raises(SecretMissing):
        get(store, 1)


@pytest.mark.attack("SK02", "a row says it is under another master key", "refused, named")
def test_a_row_under_an_unknown_key_is_refused(store: Store) -> None:
    put(store, PLANTED)
    execute(store, "UPDATE secret_versions SET kid = '0123456789abcdef'")
    with pytest.raises(Exception, match="not at hand") as refused:
        get(store)
    assert "0123456789abcdef" in str(vars(refused.value))


@pytest.mark.attack("SP08", "a pickle or a YAML tag stands where a sealed value is", "never loaded")
def test_what_is_not_sealed_is_never_interpreted(store: Store, tmp_path: Path) -> None:
    put(store, PLANTED)
    touched = tmp_path / "touched"
    payload = b"cposix\nsystem\n(S'touch " + str(touched).encode() + b"'\ntR."
    execute(store, "UPDATE secret_versions SET ct = :ct", ct=payload)
    with pytest.raises(SecretUnreadable):
        get(store)
    assert not touched.exists()


def test_a_removed_value_is_gone_and_its_number_is_not_used_again(store: Store) -> None:
    put(store, "first-value")
    put(store, "second-value")
    with store.session() as session:
        assert secrets.remove(session, row_of(session), "DB_URL", None, "lee") == [1, 2]
    for version in (1, 2, None):
        with pytest.raises(SecretMissing) as missing:
            get(store, version)
        assert "was removed by lee" in missing.value.why[0]
    assert put(store, "third-value") == (3, True)
    with store.engine.connect() as connection:
        left = connection.execute(sa.text("SELECT ct, wrap FROM secret_versions WHERE version < 3"))
        assert [tuple(row) for row in left] == [(None, None), (None, None)]


def test_an_environment_that_is_deleted_takes_its_secrets_with_it(store: Store) -> None:
    put(store, PLANTED)
    with store.session() as session:
        environments.remove(session, row_of(session))
    with store.engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM secret_versions")) == 0


def test_twenty_writers_at_once_make_twenty_versions(store: Store) -> None:
    def write(number: int) -> None:
        put(store, f"value-number-{number}")

    writers = [threading.Thread(target=write, args=(n,)) for n in range(20)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with store.session() as session:
        (known,) = secrets.listed(session, row_of(session))
    assert (known.version, known.versions) == (20, 20)
    assert {get(store, v) for v in range(1, 21)} == {f"value-number-{n}" for n in range(20)}


def test_the_database_holds_no_value(store: Store, tmp_path: Path, url: str) -> None:
    if not url.startswith("sqlite"):
        pytest.skip("a file is looked at")
    put(store, PLANTED)
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"DB_URL" in held and PLANTED.encode() not in held
