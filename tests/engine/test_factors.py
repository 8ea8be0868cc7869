"""Passphrases and marks: guessed slowly, checked two at a time, and useless without the key."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrate.core.approval import Decision, Statement
from orchestrate.core.errors import InvalidInput, KeyUnusable, NotApprover, RateLimited
from orchestrate.core.identity import Principal, Role
from orchestrate.engine import factors
from orchestrate.engine.factors import Factors, Given
from orchestrate.engine.seal import Seal
from orchestrate.store import approvers, people
from orchestrate.store.database import Store
from tests.support.midway import at_each_moment

WORDS = "correct horse battery staple"
NOBODY = Principal("x", "x")
STATEMENT = Statement(
    store="s",
    request="a1",
    plan="sha256:" + "0" * 64,
    environment="shop/staging",
    before="r1",
    after="r2",
    steps=3,
    expires="2026-11-25T12:00:00Z",
    nonce="0" * 32,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(f"sqlite:///{tmp_path / 'store.db'}")
    found.migrate()
    with found.session() as session:
        for name in ("dana", "erin"):
            people.put(session, name, roles=[Role.APPROVER], environments=[], uids=[], by="tests")
            approvers.set_passphrase(session, name, factors.hashed(WORDS))
    yield found
    found.close()


def prove(given: Factors, person: str, passphrase: str) -> str:
    wish = Given(person=person, passphrase=passphrase)
    return given.prove(NOBODY, wish, STATEMENT, Decision.APPROVE).standing.person


@pytest.mark.attack("ID06", "an approver's passphrase is guessed", "limited, nobody else kept out")
def test_a_passphrase_is_not_guessed_fast_and_nobody_else_is_kept_out(store: Store) -> None:
    every = Factors(store)
    together = threading.Barrier(12)

    def guess(number: int) -> type[Exception]:
        together.wait()
        try:
            prove(every, "dana", f"wrong words number {number}")
        except (NotApprover, RateLimited) as error:
            return type(error)
        raise AssertionError("a wrong passphrase was taken")

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(guess, range(12)))
    assert answers.count(NotApprover) == factors.TRIES, "tries at once are counted before they run"
    with pytest.raises(RateLimited) as limited:
        prove(every, "dana", WORDS)
    assert limited.value.retry_after_s
    assert prove(every, "erin", WORDS) == "erin"


def test_somebody_unknown_is_told_the_same_as_a_wrong_passphrase(store: Store) -> None:
    with pytest.raises(NotApprover) as unknown:
        prove(Factors(store), "nobody", WORDS)
    with pytest.raises(NotApprover) as wrong:
        prove(Factors(store), "dana", "not the words at all")
    assert unknown.value.as_dict() == wrong.value.as_dict()


def test_a_right_one_forgets_the_wrong_ones_before_it(store: Store) -> None:
    every = Factors(store)
    for _ in range(3):
        for _ in range(factors.TRIES - 1):
            with pytest.raises(NotApprover):
                prove(every, "dana", "not the words at all")
        assert prove(every, "dana", WORDS) == "dana"


def test_a_right_one_may_come_while_another_one_is_counted(store: Store) -> None:
    every = Factors(store)
    tries = every._take_a_try("dana")

    def count() -> int:
        tries.append(time.monotonic())
        return len(every._take_a_try("dana"))

    assert list(at_each_moment(Factors._take_a_try.__code__, count, lambda: every._forget(tries)))


@pytest.mark.parametrize("passphrase", ["", "short", "x" * 2000])
def test_what_is_no_passphrase_is_not_kept(passphrase: str) -> None:
    with pytest.raises(InvalidInput):
        factors.hashed(passphrase)


def test_a_mark_is_of_one_record_one_label_and_one_key(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    seal = Seal(tmp_path)
    mark = seal.mark("approval", {"a": 1})
    assert seal.fits("approval", {"a": 1}, mark)
    assert not seal.fits("approval", {"a": 2}, mark)
    assert not seal.fits("decision", {"a": 1}, mark)
    assert not Seal(tmp_path / "other").fits("approval", {"a": 1}, mark)


def test_the_key_of_the_marks_is_made_once_however_many_ask(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        marks = set(pool.map(lambda _: Seal(tmp_path).mark("approval", {}), range(16)))
    assert len(marks) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["access.key"]
    assert (tmp_path / "access.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("harm", ["open", "short", "link"])
def test_a_key_of_the_marks_that_others_had_is_not_used(tmp_path: Path, harm: str) -> None:
    Seal(tmp_path).mark("approval", {})
    key = tmp_path / "access.key"
    match harm:
        case "open":
            key.chmod(0o644)
        case "short":
            key.write_bytes(b"x")
        case "link":
            key.rename(tmp_path / "elsewhere")
            os.symlink(tmp_path / "elsewhere", key)
    with pytest.raises((KeyUnusable, OSError)):
        Seal(tmp_path).mark("approval", {})
