"""The master key under AWS KMS: opened by it and nobody else, and never replaced by a local one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from orchestrate.core.errors import OrchestrateError, SecretSourceDenied, SecretSourceDown
from orchestrate.core.secret import Secret
from orchestrate.store import environments, rotation, secrets
from orchestrate.store.database import Store
from orchestrate.store.keys import Keys, kms
from tests.support.amazon import moto_server, point_at, refusing
from tests.support.records import environment

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    with moto_server() as found:
        yield found


@pytest.fixture
def key(moto: str, monkeypatch: pytest.MonkeyPatch) -> str:
    import boto3

    point_at(monkeypatch, moto)
    found: str = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
    return found


@pytest.fixture
def store(tmp_path: Path, key: str) -> Iterator[Store]:
    found = of(tmp_path, key)
    found.migrate()
    with found.session() as session:
        environments.put(session, environment())
    yield found
    found.close()


def of(home: Path, key: str) -> Store:
    found = Store(f"sqlite:///{home / 'store.db'}", home)
    found.keys = Keys(home, {"ORCHESTRATE_KMS_KEY": key})
    return found


def put(store: Store) -> None:
    with store.session() as session:
        row = environments.find(session, "staging")
        secrets.put(session, store.keys, row, "DB_URL", Secret("a-long-value"), by="lee")


def get(store: Store) -> str:
    with store.session() as session:
        row = environments.find(session, "staging")
        return secrets.get(session, store.keys, row, "DB_URL").reveal()


def test_what_is_sealed_under_a_key_of_kms_opens_after_a_restart(
    store: Store, tmp_path: Path, key: str
) -> None:
    put(store)
    assert get(of(tmp_path, key)) == "a-long-value"
    assert not (tmp_path / "master.key").exists()
    with store.session() as session:
        master = store.keys.ring(session).primary.value
    assert master not in (tmp_path / "store.db").read_bytes()


def test_a_rotation_makes_a_new_key_of_kms_and_forgets_the_old(
    store: Store, tmp_path: Path, key: str
) -> None:
    put(store)
    done = rotation.rotate(store)
    assert done.rewrapped == 1 and len(done.retired) == 1
    assert get(of(tmp_path, key)) == "a-long-value"
    with store.engine.connect() as connection:
        kept = "SELECT kid FROM master_keys WHERE wrapped IS NOT NULL"
        assert list(connection.execute(sa.text(kept)).scalars()) == [done.key]


@pytest.mark.attack("SK10", "KMS denies, or its key is disabled", "refused, no local key")
@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "DisabledException", "IncorrectKeyException",
             "InvalidCiphertextException", "NotFoundException", "KMSInvalidStateException"]
)  # fmt: skip
def test_a_refusal_of_kms_is_final_and_no_local_key_takes_its_place(
    store: Store, tmp_path: Path, key: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store)
    with refusing(code) as address:
        point_at(monkeypatch, address)
        with pytest.raises(SecretSourceDenied, match=code) as denied:
            get(of(tmp_path, key))
        with pytest.raises(SecretSourceDenied):
            put(of(tmp_path, key))
    assert not denied.value.retryable
    assert "123456789012" not in denied.value.message
    assert not (tmp_path / "master.key").exists()


@pytest.mark.attack("SK10", "KMS is busy, broken, slow or not there", "tried again, no local key")
@pytest.mark.parametrize(
    ("code", "status", "delay_s"),
    [("ThrottlingException", 400, 0), ("KMSInternalException", 500, 0), ("x", 200, 1.5)],
    ids=["busy", "broken", "slow"],
)
def test_a_kms_that_does_not_answer_is_asked_again_later(
    store: Store,
    tmp_path: Path,
    key: str,
    code: str,
    status: int,
    delay_s: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(store)
    monkeypatch.setattr(kms, "READ_S", 0.3)
    with refusing(code, status, delay_s) as address:
        point_at(monkeypatch, address)
        with pytest.raises(SecretSourceDown) as down:
            get(of(tmp_path, key))
    assert down.value.retryable and not (tmp_path / "master.key").exists()


@pytest.mark.attack("SK10", "KMS opens another key than was recorded", "refused")
def test_a_wrapped_key_of_another_store_does_not_open(
    store: Store, tmp_path: Path, key: str
) -> None:
    put(store)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    other = of(elsewhere, key)
    other.migrate()
    with other.session() as session:
        environments.put(session, environment())
    put(other)
    with store.engine.connect() as connection:
        wrapped = connection.scalar(sa.text("SELECT wrapped FROM master_keys"))
    with other.engine.begin() as connection:
        connection.execute(sa.text("UPDATE master_keys SET wrapped = :w"), {"w": wrapped})
    with pytest.raises(OrchestrateError) as refused:
        get(of(elsewhere, key))
    assert isinstance(refused.value, SecretSourceDenied)
    other.close()
