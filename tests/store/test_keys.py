"""Master keys: made once, never over what is sealed, and refused when they cannot be trusted."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrate.core.errors import (
    MasterKeyInvalid,
    MasterKeyMissing,
    RotationNeeded,
    SecretSourceDenied,
)
from orchestrate.store import rotation
from orchestrate.store.database import Store
from orchestrate.store.keys import MOST_WRAPS, Keys
from orchestrate.store.ring import Key
from orchestrate.store.sealed import MasterKeyRow


@pytest.fixture
def place(tmp_path: Path) -> Path:
    found = tmp_path / "home"
    found.mkdir(mode=0o700)
    return found


@pytest.fixture
def store(url: str, place: Path) -> Iterator[Store]:
    found = Store(url, place)
    found.migrate()
    yield found
    found.close()


def subkey(store: Store, keys: Keys, label: str = "tokens") -> bytes:
    with store.session() as session:
        return keys.subkey(session, label)


def in_environment(place: Path, *keys: bytes) -> Keys:
    text = ",".join(base64.b64encode(key).decode() for key in keys)
    return Keys(place, {"ORCHESTRATE_MASTER_KEY": text})


def test_the_first_key_is_made_for_its_owner_alone(store: Store, place: Path) -> None:
    subkey(store, Keys(place, {}))
    found = (place / "master.key").stat()
    assert found.st_mode & 0o777 == 0o600
    assert [path.name for path in place.iterdir()] == ["master.key"]


def test_a_subkey_is_the_same_after_a_restart_and_another_for_another_purpose(
    store: Store, place: Path
) -> None:
    first = subkey(store, Keys(place, {}))
    assert subkey(store, Keys(place, {})) == first
    assert subkey(store, Keys(place, {}), "approvals") != first
    assert len(first) == 32


@pytest.mark.attack("SK01", "the key is lost while something is sealed", "refused, none is made")
def test_no_key_is_made_over_what_is_sealed(store: Store, place: Path) -> None:
    subkey(store, Keys(place, {}))
    (place / "master.key").unlink()
    with pytest.raises(MasterKeyMissing) as refused, store.session() as session:
        Keys(place, {}).check(session)
    assert "a new key would not open it" in " ".join(refused.value.why)
    with pytest.raises(MasterKeyMissing):
        subkey(store, Keys(place, {}))
    assert not (place / "master.key").exists()


@pytest.mark.attack("SK01", "another key is in its place", "refused, the missing one is named")
def test_another_key_is_not_taken_for_the_one_that_sealed(store: Store, place: Path) -> None:
    keys = Keys(place, {})
    subkey(store, keys)
    with store.session() as session:
        sealed_with = keys.ring(session).primary.id
    (place / "master.key").write_text(base64.b64encode(os.urandom(32)).decode())
    with pytest.raises(MasterKeyMissing) as refused, store.session() as session:
        Keys(place, {}).check(session)
    assert sealed_with in " ".join(refused.value.why)


@pytest.mark.attack("SK01", "a key of 31 bytes, of zeros, of noise that is none", "refused")
@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(os.urandom(31)).decode(),
        base64.b64encode(bytes(32)).decode(),
        base64.b64encode(b"abcd" * 8).decode(),
        "not base64!",
        "",
        "# only a comment",
    ],
    ids=["31 bytes", "zeros", "repeats", "not base64", "empty", "comment"],
)
def test_a_key_that_is_none_is_refused(store: Store, place: Path, text: str) -> None:
    (place / "master.key").write_text(text)
    (place / "master.key").chmod(0o600)
    with pytest.raises(MasterKeyInvalid) as refused, store.session() as session:
        Keys(place, {}).check(session)
    assert text == "" or text not in str(refused.value.as_dict())
    assert refused.value.fix


@pytest.mark.attack("SK01", "the key's file is readable by others", "refused with the chmod")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o602])
def test_a_key_that_others_can_read_or_write_is_refused(
    store: Store, place: Path, mode: int
) -> None:
    subkey(store, Keys(place, {}))
    (place / "master.key").chmod(mode)
    with pytest.raises(MasterKeyInvalid) as refused, store.session() as session:
        Keys(place, {}).check(session)
    assert any("chmod 600" in line for line in refused.value.fix)


@pytest.mark.attack("SK01", "the key's file is a symbolic link or a pipe", "refused")
@pytest.mark.attack("FS06", "the key's file is replaced by a link", "refused")
@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_a_key_that_is_no_file_of_its_own_is_refused(store: Store, place: Path, kind: str) -> None:
    subkey(store, Keys(place, {}))
    path = place / "master.key"
    elsewhere = path.rename(place / "elsewhere")
    if kind == "link":
        path.symlink_to(elsewhere)
    elif kind == "pipe":
        os.mkfifo(path, 0o600)
    else:
        path.mkdir(0o700)
    with pytest.raises(MasterKeyInvalid), store.session() as session:
        Keys(place, {}).check(session)


@pytest.mark.attack("FS05", "a temporary file of the key is planted beforehand", "not followed")
def test_nothing_that_stands_beside_the_key_is_written_through(store: Store, place: Path) -> None:
    victim = place / "victim"
    victim.write_text("untouched")
    for name in ("master.key.part", ".master.key", "master.key.tmp"):
        (place / name).symlink_to(victim)
    subkey(store, Keys(place, {}))
    assert victim.read_text() == "untouched"
    assert (place / "master.key").is_file() and not (place / "master.key").is_symlink()


def test_keys_from_the_environment_open_and_the_first_seals(store: Store, place: Path) -> None:
    old, new = os.urandom(32), os.urandom(32)
    before = subkey(store, in_environment(place, old))
    keys = in_environment(place, new, old)
    assert subkey(store, keys) == before
    with store.session() as session:
        assert keys.for_sealing(session).id == Key(new).id
    with pytest.raises(MasterKeyMissing):
        subkey(store, in_environment(place, new))


def test_keys_that_moved_elsewhere_still_open_by_the_file(store: Store, place: Path) -> None:
    before = subkey(store, Keys(place, {}))
    moved = in_environment(place, os.urandom(32))
    assert subkey(store, moved) == before


@pytest.mark.parametrize(
    "environ",
    [
        {"ORCHESTRATE_MASTER_KEY": "x", "ORCHESTRATE_KMS_KEY": "alias/x"},
        {"ORCHESTRATE_MASTER_KEY_SOURCE": "file", "ORCHESTRATE_MASTER_KEY": "x"},
        {"ORCHESTRATE_MASTER_KEY_SOURCE": "aws-kms"},
        {"ORCHESTRATE_MASTER_KEY_SOURCE": "somewhere"},
        {"ORCHESTRATE_MASTER_KEY_SOURCE": "environment"},
    ],
)
def test_two_places_or_none_for_the_key_are_refused(
    store: Store, place: Path, environ: dict[str, str]
) -> None:
    with pytest.raises((MasterKeyInvalid, MasterKeyMissing)):
        subkey(store, Keys(place, environ))
    assert not (place / "master.key").exists()


@pytest.mark.attack("SK09", "a master key has sealed 2**31 times", "refused until it is rotated")
def test_a_key_that_has_sealed_too_often_seals_no_more(store: Store, place: Path) -> None:
    keys = Keys(place, {})
    with store.session() as session:
        row = session.get_one(MasterKeyRow, keys.for_sealing(session).id)
        assert row.wraps == 1
        row.wraps = MOST_WRAPS - 1
        session.add(row)
    with store.session() as session:
        keys.for_sealing(session)
    with pytest.raises(RotationNeeded) as refused, store.session() as session:
        keys.for_sealing(session)
    assert refused.value.fix == ("orchestrate secrets rotate --master-key",)


def test_a_key_is_in_no_repr(store: Store, place: Path) -> None:
    keys = Keys(place, {})
    with store.session() as session:
        ring = keys.ring(session)
    text = repr(ring) + repr(ring.primary) + repr(keys)
    assert ring.primary.value.hex() not in text and str(ring.primary.value) not in text


class Memory:
    """A keyring of the system that may be locked."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, user: str) -> str | None:
        if self.locked:
            raise RuntimeError("locked, and the password is planted-password")
        return self.kept.get((service, user))

    def set_password(self, service: str, user: str, password: str) -> None:
        self.kept[service, user] = password


@pytest.fixture
def keyring() -> Iterator[Memory]:
    """The package `keyring`, with a backend of our own."""
    import keyring as package
    from keyring.backend import KeyringBackend

    memory = Memory()
    backend = type("Backend", (KeyringBackend,), {
        "priority": 1,
        "get_password": lambda _, s, u: memory.get_password(s, u),
        "set_password": lambda _, s, u, p: memory.set_password(s, u, p),
        "delete_password": lambda *_: None,
    })  # fmt: skip
    before = package.get_keyring()
    package.set_keyring(backend())
    yield memory
    package.set_keyring(before)


def test_a_key_in_the_system_keyring_is_made_kept_and_rotated(
    store: Store, place: Path, keyring: Memory
) -> None:
    environ = {"ORCHESTRATE_MASTER_KEY_SOURCE": "keyring"}
    first = subkey(store, Keys(place, environ))
    assert subkey(store, Keys(place, environ)) == first
    assert len(keyring.kept) == 1 and not (place / "master.key").exists()
    store.keys = Keys(place, environ)
    done = rotation.rotate(store)
    assert len(done.retired) == 1 and subkey(store, Keys(place, environ)) == first


@pytest.mark.attack("SK10", "the system's keyring is locked", "refused, no local key")
def test_a_locked_keyring_is_refused_and_nothing_takes_its_place(
    store: Store, place: Path, keyring: Memory
) -> None:
    environ = {"ORCHESTRATE_MASTER_KEY_SOURCE": "keyring"}
    subkey(store, Keys(place, environ))
    keyring.locked = True
    with pytest.raises(SecretSourceDenied) as refused:
        subkey(store, Keys(place, environ))
    assert "planted" not in str(refused.value.as_dict())
    assert not (place / "master.key").exists()
