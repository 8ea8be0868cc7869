"""The audit trail: gap-free and chained by itself, and nothing done to it stays unseen."""

import json
import os
import threading
from pathlib import Path

import pytest
import rfc8785
import sqlalchemy as sa
from pydantic import JsonValue

from orchestrate.core.audit import AuditEvent, canonical_entry, entry_hash
from orchestrate.engine.anchor import Anchor
from orchestrate.store import audit
from orchestrate.store.audit_check import Report, verify
from orchestrate.store.database import Store
from orchestrate.store.heads import Head, HeadFile, make_key, read, sign
from orchestrate.store.identity import store_id

COLUMNS = ("seq", "at", "actor", "on_behalf_of", "person", "action", "subject", "outcome",
           "details", "request_id", "hash")  # fmt: skip


def event(number: int = 0, **more: object) -> AuditEvent:
    found: dict[str, object] = {
        "action": "deployment.start",
        "actor": "claude",
        "on_behalf_of": "lee",
        "person": "lee",
        "subject": f"d{number}",
        "details": {"version": "1.4.2", "number": number},
        "request_id": "ab12cd34",
        **more,
    }
    return AuditEvent.model_validate(found)


def record(store: Store, count: int, first: int = 1) -> None:
    for number in range(first, first + count):
        with store.session() as session:
            audit.append(session, event(number))


def report(store: Store, anchor: Anchor | None = None, since: int = 0) -> Report:
    heads = anchor.heads() if anchor else []
    with store.session() as session:
        return verify(session, heads, anchor.public_key if anchor else None, since)


def problems(store: Store, anchor: Anchor | None = None) -> list[str]:
    return report(store, anchor).problems


def run(store: Store, statement: str, **values: object) -> None:
    """What somebody does who writes to the database and is not this program."""
    with store.engine.begin() as connection:
        connection.execute(sa.text(statement), values)


@pytest.fixture
def anchor(store: Store, tmp_path: Path) -> Anchor:
    found = Anchor(tmp_path, store)
    assert found.open() == []
    return found


def test_what_is_recorded_is_verified(store: Store, anchor: Anchor) -> None:
    record(store, 30)
    anchor.close()
    found = report(store, anchor)
    assert (found.problems, found.rows, found.first, found.last) == ([], 30, 1, 30)
    assert found.newest_head == 30


def test_an_entry_belongs_to_the_transaction_it_tells_of(store: Store) -> None:
    record(store, 1)

    class Undone(Exception):
        pass

    with pytest.raises(Undone), store.session() as session:
        audit.append(session, event(2))
        raise Undone
    record(store, 1, first=3)
    with store.session() as session:
        rows = audit.page(session)
    assert [(row.seq, row.subject) for row in rows] == [(2, "d3"), (1, "d1")]


@pytest.mark.attack(
    "AU07", "the trail cannot be written while something is done", "nothing is done"
)
def test_what_cannot_be_recorded_does_not_happen(store: Store) -> None:
    run(store, "CREATE TABLE deeds (what TEXT)")
    run(store, "ALTER TABLE audit RENAME TO taken_away")
    with pytest.raises(sa.exc.DBAPIError), store.session() as session:
        session.connection().execute(sa.text("INSERT INTO deeds VALUES ('done')"))
        audit.append(session, event())
    with store.engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM deeds")) == 0


@pytest.mark.attack("AU02", "an entry is deleted", "found")
@pytest.mark.parametrize("seq", [1, 5, 8])
def test_a_deleted_entry_is_missed(store: Store, seq: int) -> None:
    record(store, 9)
    run(store, "DELETE FROM audit WHERE seq = :seq", seq=seq)
    assert problems(store) == [f"entry {seq} is missing"]


@pytest.mark.attack("AU02", "two entries change places", "found")
def test_entries_that_changed_places_are_named(store: Store) -> None:
    record(store, 9)
    for statement in (
        "UPDATE audit SET seq = 99 WHERE seq = 4",
        "UPDATE audit SET seq = 4 WHERE seq = 6",
        "UPDATE audit SET seq = 6 WHERE seq = 99",
    ):
        run(store, statement)
    found = problems(store)
    assert "entry 4 was changed, moved or put in" in found
    assert "entry 6 was changed, moved or put in" in found


@pytest.mark.attack("AU02", "an entry is put in, or one is put in twice", "found")
def test_an_entry_that_was_put_in_is_named(store: Store, anchor: Anchor) -> None:
    record(store, 5)
    anchor.close()
    names = ", ".join(COLUMNS[1:])
    run(store, f"INSERT INTO audit (seq, {names}) SELECT 6, {names} FROM audit WHERE seq = 5")
    assert problems(store, anchor) == ["entry 6 was changed, moved or put in"]


@pytest.mark.attack("AU03", "the newest entries are cut off", "found by a signed head")
def test_a_cut_end_is_found_by_the_heads_alone(store: Store, anchor: Anchor) -> None:
    record(store, 9)
    anchor.close()
    run(store, "DELETE FROM audit WHERE seq > 6")
    assert problems(store) == [], "a chain is whole wherever it ends"
    assert problems(store, anchor) == [
        "the end was cut off: a signed head names entry 9, and the trail ends with 6"
    ]


@pytest.mark.attack("AU04", "an entry is changed and every hash computed anew", "found by a head")
@pytest.mark.parametrize("seq", [1, 7])
def test_a_trail_that_was_computed_anew_is_found(store: Store, anchor: Anchor, seq: int) -> None:
    record(store, 9)
    anchor.close()
    forge(store, seq)
    assert problems(store) == [], "the forger can compute hashes too"
    assert any("is not the one a signed head names" in each for each in problems(store, anchor))


@pytest.mark.attack("AU04", "two trails grow from one entry", "found by the other's head")
def test_a_fork_is_found_by_the_head_of_the_other_branch(store: Store, anchor: Anchor) -> None:
    record(store, 5)
    with store.session() as session:
        kept = audit.tail(session)
        mine = store_id(session)
    key = anchor._key
    assert key is not None
    record(store, 3, first=6)
    with store.session() as session:
        other = Head(mine, 8, audit.tail(session).hash)
    run(store, "DELETE FROM audit WHERE seq > 5")
    record(store, 3, first=60)
    anchor.close()
    with store.session() as session:
        found = verify(session, [read(sign(other, key))], anchor.public_key)
    assert kept.seq == 5
    assert found.problems == [
        "entry 8 is not the one a signed head names: the trail was written anew, or is another one"
    ]


@pytest.mark.attack("AU05", "the whole database is put back to yesterday's", "alarm at the start")
def test_a_database_of_yesterday_is_an_alarm(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    store = Store(url)
    store.migrate()
    first = Anchor(tmp_path, store)
    assert first.open() == []
    record(store, 4)
    with store.engine.connect() as connection:
        connection.exec_driver_sql(f"VACUUM INTO '{tmp_path / 'backup.db'}'")
    record(store, 4, first=5)
    first.close()
    store.close()
    for name in ("store.db-wal", "store.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    os.replace(tmp_path / "backup.db", tmp_path / "store.db")
    restored = Store(url)
    again = Anchor(tmp_path, restored)
    assert again.open() == [
        "the end was cut off: a signed head names entry 8, and the trail ends with 4"
    ]
    again.accept()
    assert Anchor(tmp_path, restored).open() == [], "accepted, once"
    assert list((tmp_path / "audit").glob("heads.2*")), "what the heads said is kept"
    restored.close()


@pytest.mark.attack(
    "AU05", "another database is put in the place of this one", "alarm at the start"
)
def test_a_database_that_is_another_one_is_an_alarm(tmp_path: Path) -> None:
    names = ("first", "second")
    stores = [Store(f"sqlite:///{tmp_path / name}.db") for name in names]
    for store in stores:
        store.migrate()
    mine = Anchor(tmp_path, stores[0])
    assert mine.open() == []
    record(stores[0], 3)
    mine.close()
    record(stores[1], 3)
    assert Anchor(tmp_path, stores[1]).open() == [
        "no head of this trail is here: the database is another one than before, or its heads"
        " were taken away"
    ]
    for store in stores:
        store.close()


@pytest.mark.attack("AU10", "two stores keep their heads in one place", "kept apart by store id")
def test_two_stores_with_one_anchor_do_not_disturb_each_other(tmp_path: Path) -> None:
    stores = [Store(f"sqlite:///{tmp_path / name}.db") for name in ("first", "second")]
    for store in stores:
        store.migrate()
        both = Anchor(tmp_path, store)
        assert both.open() == []
        record(store, 5)
        both.close()
    for store in stores:
        found = report(store, both)
        assert found.problems == []
        assert len(found.other_stores) == 1
        store.close()


def test_entries_beyond_the_newest_head_are_fine_and_anchored(store: Store, tmp_path: Path) -> None:
    first = Anchor(tmp_path, store)
    assert first.open() == []
    record(store, 2)
    first.close()
    record(store, 3, first=3)  # a crash came between these commits and their head
    second = Anchor(tmp_path, store)
    assert second.open() == []
    assert report(store, second).newest_head == 5
    second.close()


def test_a_head_that_somebody_else_signed_is_told(
    store: Store, anchor: Anchor, tmp_path: Path
) -> None:
    record(store, 2)
    anchor.close()
    other = tmp_path / "other"
    other.mkdir()
    with store.session() as session:
        head = Head(store_id(session), 2, audit.tail(session).hash)
    HeadFile(tmp_path / "audit").add(sign(head, make_key(other)))
    assert problems(store, anchor) == ["the head of entry 2 is not signed by this service's key"]


def test_a_decision_is_anchored_before_anything_follows_from_it(
    store: Store, anchor: Anchor
) -> None:
    record(store, 1)
    found = [each.head.seq for each in anchor.heads() if each is not None]
    assert found == [0, 1]


@pytest.mark.attack("AU09", "newline, NUL, direction marks, a megabyte, half a character, a float "
                    "and 2^53 in an event", "escaped, cut or written as text")  # fmt: skip
def test_whatever_stands_in_an_event_the_trail_stays_readable(store: Store) -> None:
    hostile = {
        "newline": "a\nb",
        "nul": "a\x00b",
        "direction": "a\u202eb\u2066",
        "half": "a\ud800b",
        "long": "x" * 1_000_000,
        "float": 0.1,
        "large": 2**53,
        "deep": {"list": [1.5, "\u200b", {"n\x00": None}]},
        "\ufb33": 1,
        "\U0001f600": 2,
    }
    with store.session() as session:
        audit.append(session, event(subject="a\x00\n\ud800\u202e", details=hostile))
    assert problems(store) == []
    with store.session() as session:
        (row,) = audit.page(session)
        (entry,) = audit.walk(session, store_id(session))
    assert row.subject == "a\n\ufffd"
    details = json.loads(row.details)
    assert details["newline"] == "a\nb" and details["nul"] == "ab" and details["half"] == "a\ufffdb"
    assert details["direction"] == "ab" and details["float"] == "0.1"
    assert details["large"] == str(2**53) and len(details["long"]) <= 1000
    assert details["deep"] == {"list": ["1.5", "", {"n": None}]}
    assert canonical_entry(entry).encode() == rfc8785.dumps(as_json(entry))


def test_details_without_end_are_told_by_their_digest(store: Store) -> None:
    with store.session() as session:
        audit.append(session, event(details={str(n): "x" * 900 for n in range(1000)}))
        audit.append(session, event())
    with store.session() as session:
        _, first = audit.page(session)
    assert json.loads(first.details).keys() == {"too_long", "digest"}
    assert problems(store) == []


@pytest.mark.attack("AU09", "a member without end, to hide what stands beside it", "it is told")
def test_a_member_without_end_hides_none_beside_it(store: Store) -> None:
    long: list[JsonValue] = [f"{n}-" + "x" * 900 for n in range(100)]
    with store.session() as session:
        audit.append(session, event(details={"keys": ["SHA256:abc"], "environments": long}))
    with store.session() as session:
        (row,) = audit.page(session)
    details = json.loads(row.details)
    assert details["keys"] == ["SHA256:abc"]
    assert details["environments"].keys() == {"too_long", "digest"}
    assert problems(store) == []


def test_a_token_of_ours_never_stands_in_the_trail(store: Store) -> None:
    token = "orcd_" + "a1B2" * 14 + "zZ"
    hidden = token[:20] + "\u200b" + token[20:]
    with store.session() as session:
        audit.append(session, event(subject=token, details={"said": f"use {hidden} now"}))
    with store.session() as session:
        (row,) = audit.page(session)
    assert token[5:] not in row.subject + row.details
    assert row.subject == "orcd_********"


@pytest.mark.attack("CL02", "the clock goes back", "the trail's time does not, and says so")
def test_time_in_the_trail_never_goes_back(store: Store) -> None:
    record(store, 1)
    future = "2999-01-01T00:00:00.000000Z"
    with store.session() as session:
        (row,) = audit.page(session)
        mine = store_id(session)
        entry = next(audit.walk(session, mine))
    moved = entry.__class__(**{**entry.__dict__, "at": future, "hash": ""})
    with store.session() as session:
        start = audit.Tail(0, audit.genesis(mine))
    found = entry_hash(start.hash, moved).hex()
    run(store, "UPDATE audit SET at = :at, hash = :hash", at=future, hash=found)
    record(store, 1, first=2)
    with store.session() as session:
        newest = audit.page(session)[0]
    assert newest.at == future
    assert json.loads(newest.details)["clock_read"] < future
    assert row.seq == 1 and problems(store) == []


@pytest.mark.attack("AU06", "eight writers at once", "one chain without a gap")
@pytest.mark.timeout(300)
def test_eight_writers_make_one_chain(store: Store) -> None:
    each = 1000
    failed: list[BaseException] = []

    def write(writer: int) -> None:
        try:
            for number in range(each):
                with store.session() as session:
                    audit.append(session, event(number, actor=f"writer-{writer}"))
        except BaseException as error:
            failed.append(error)

    writers = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    assert failed == []
    found = report(store)
    assert (found.problems, found.rows, found.last) == ([], 8 * each, 8 * each)


@pytest.mark.parametrize("details", ["[]", '{"b":1,"a":2}', '{"a": 1}', "{", '{"a":1.0}'])
def test_details_in_another_form_are_no_entry_whatever_their_hash(
    store: Store, details: str
) -> None:
    with store.session() as session:
        start, mine = audit.tail(session).hash, store_id(session)
    record(store, 1)
    with store.session() as session:
        entry = next(audit.walk(session, mine))
    changed = entry.__class__(**{**entry.__dict__, "details": details})
    found = entry_hash(start, changed).hex()
    run(store, "UPDATE audit SET details = :details, hash = :hash", details=details, hash=found)
    assert problems(store) == ["entry 1 was changed, moved or put in"]


def forge(store: Store, seq: int) -> None:
    """Change an entry, and every hash from there on, as somebody with the program can."""
    with store.session() as session:
        mine = store_id(session)
        entries = list(audit.walk(session, mine))
    before = audit.genesis(mine) if seq == 1 else bytes.fromhex(entries[seq - 2].hash)
    for entry in entries[seq - 1 :]:
        actor = "somebody else" if entry.seq == seq else entry.actor
        changed = entry.__class__(**{**entry.__dict__, "actor": actor})
        before = entry_hash(before, changed)
        run(
            store,
            "UPDATE audit SET actor = :actor, hash = :hash WHERE seq = :seq",
            actor=actor,
            hash=before.hex(),
            seq=entry.seq,
        )


def as_json(entry: audit.Entry) -> dict[str, object]:
    found = {**entry.__dict__, "details": json.loads(entry.details)}
    del found["hash"]
    return found
