"""Sealed values: they open where they were sealed, in whole, and nowhere else."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from typing import Any

import pytest

from orchestrate.core.errors import SecretUnreadable
from orchestrate.store.ring import Key
from orchestrate.store.sealing import Sealed, about, derived, rewrap, seal, unseal

pytestmark = pytest.mark.unit

HERE = about("orchestrate/secret/v1", "store", "1:shop/production", "DB_URL", "3")


def key() -> Key:
    return Key(os.urandom(32))


def test_a_value_opens_with_its_key_where_it_was_sealed() -> None:
    master = key()
    sealed = seal(master, b"hunter22", HERE)
    assert unseal(master, sealed, HERE) == b"hunter22"
    assert b"hunter22" not in b"".join(v for v in vars(sealed).values() if isinstance(v, bytes))


def test_the_same_value_is_sealed_differently_each_time() -> None:
    master = key()
    one, two = seal(master, b"hunter22", HERE), seal(master, b"hunter22", HERE)
    assert not {one.ct, one.nonce, one.wrap, one.wrap_nonce, one.commit} & {
        two.ct,
        two.nonce,
        two.wrap,
        two.wrap_nonce,
        two.commit,
    }


@pytest.mark.attack("SK02", "a row is moved to another store, environment, name", "refused")
@pytest.mark.parametrize("field", range(5))
def test_a_value_does_not_open_as_another(field: int) -> None:
    master = key()
    where = ["orchestrate/secret/v1", "store", "1:shop/production", "DB_URL", "3"]
    sealed = seal(master, b"hunter22", about(*where))
    where[field] += "x"
    with pytest.raises(SecretUnreadable):
        unseal(master, sealed, about(*where))


@pytest.mark.attack("SK02", "a name that runs into the next one", "another text, refused")
def test_fields_do_not_run_into_each_other() -> None:
    assert about("a", "b:c") != about("a:b", "c") != about("a", "b", "c") != about("ab", "c")


@pytest.mark.attack("SK02", "wrap, nonce or value of another row is put in", "refused")
@pytest.mark.parametrize("name", [f.name for f in fields(Sealed) if f.name not in ("v", "alg")])
def test_parts_of_two_rows_do_not_mix(name: str) -> None:
    master = key()
    mine, other = seal(master, b"hunter22", HERE), seal(key(), b"other-value", HERE)
    with pytest.raises(SecretUnreadable):
        unseal(master, replace(mine, **{name: getattr(other, name)}), HERE)


@pytest.mark.attack("SK02", "any bit of a sealed row is flipped", "refused")
def test_no_bit_may_be_changed() -> None:
    master = key()
    sealed = seal(master, b"hunter22", HERE)
    for name in ("commit", "wrap_nonce", "wrap", "nonce", "ct"):
        whole: bytes = getattr(sealed, name)
        for bit in range(len(whole) * 8):
            bad = bytearray(whole)
            bad[bit // 8] ^= 1 << bit % 8
            changed: Any = {name: bytes(bad)}
            with pytest.raises(SecretUnreadable):
                unseal(master, replace(sealed, **changed), HERE)


@pytest.mark.attack("SK02", "the value is cut, or its format is said to be another", "refused")
@pytest.mark.parametrize("change", [{"ct": b""}, {"wrap": b""}, {"v": 2}, {"alg": "none"}])
def test_a_format_that_is_not_known_is_refused(change: dict[str, Any]) -> None:
    master = key()
    with pytest.raises(SecretUnreadable):
        unseal(master, replace(seal(master, b"hunter22", HERE), **change), HERE)


@pytest.mark.attack("SK02", "a ciphertext that opens under two keys", "bound to one")
def test_a_value_is_bound_to_one_data_key() -> None:
    master, one, two = key(), seal(key(), b"1", HERE), key()
    first = seal(master, b"hunter22", HERE)
    forged = replace(first, commit=one.commit)
    with pytest.raises(SecretUnreadable) as refused:
        unseal(master, forged, HERE)
    assert "not the one it was sealed with" in refused.value.why[0]
    with pytest.raises(SecretUnreadable):
        unseal(two, first, HERE)


def test_rewrapping_changes_the_wrap_alone() -> None:
    old, new = key(), key()
    sealed = seal(old, b"hunter22", HERE)
    moved = rewrap(old, new, sealed, HERE)
    assert unseal(new, moved, HERE) == b"hunter22"
    assert (moved.ct, moved.nonce, moved.commit) == (sealed.ct, sealed.nonce, sealed.commit)
    assert moved.wrap != sealed.wrap and moved.wrap_nonce != sealed.wrap_nonce
    assert moved.kid == new.id
    with pytest.raises(SecretUnreadable):
        unseal(old, moved, HERE)


def test_subkeys_differ_by_purpose() -> None:
    root = os.urandom(32)
    found = {derived(root, label) for label in ("tokens", "approvals", "token", "")}
    assert len(found) == 4 and all(len(each) == 32 for each in found)
    assert root not in found


def test_an_error_tells_nothing_of_the_value() -> None:
    master = key()
    sealed = replace(seal(master, b"hunter22", HERE), ct=b"x" * 24)
    with pytest.raises(SecretUnreadable) as refused:
        unseal(master, sealed, HERE)
    assert "hunter22" not in str(refused.value.as_dict())
    assert refused.value.__cause__ is None
