"""From a user id or a token to a principal: who is known, and for how long."""

import os
import sqlite3
import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from orchestrate.core.audit import Entry, entry_hash
from orchestrate.core.errors import KeyUnusable, RateLimited, Unauthenticated
from orchestrate.core.identity import Principal, Role
from orchestrate.engine import credentials as module
from orchestrate.engine.credentials import FAILURES_OF_ACCOUNT, Credentials
from orchestrate.engine.keys import TOKENS, subkey
from orchestrate.store import audit, people, tokens
from orchestrate.store.database import Store
from orchestrate.store.identity import store_id
from orchestrate.store.tables import now
from orchestrate.store.tokens import TokenRow

OWNER = os.geteuid()
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
HERE, THERE = "10.0.0.1", "10.0.0.2"


class Desk:
    """A store with its credentials, and short ways to people and tokens."""

    def __init__(self, home: Path) -> None:
        self.store = Store(f"sqlite:///{home / 'store.db'}")
        self.store.migrate()
        self.credentials = Credentials(home, self.store)

    def person(self, name: str, *roles: Role, uids: tuple[int, ...] = (), within: str = "") -> None:
        with self.store.session() as session:
            people.put(session, name, roles=roles, environments=filter(None, [within]),  # type: ignore[arg-type]
                       uids=uids, by="lee")  # fmt: skip

    def token(self, person: str, role: Role, **more: object) -> str:
        text, identity, mac = self.credentials.make(role)
        values = {"label": "", "environments": [], "created_by": person,
                  "expires_at": now() + timedelta(days=1), **more}  # fmt: skip
        with self.store.session() as session:
            session.add(TokenRow(id=identity, mac=mac, person=person, role=role.value, **values))
        return text

    def ask(self, text: str, source: str = HERE) -> Principal:
        return self.credentials.bearer(text, source)

    def refused(self, text: str, source: str = HERE) -> bool:
        with pytest.raises(Unauthenticated) as caught:
            self.ask(text, source)
        return "a token of this service is needed" in caught.value.message

    def set(self, statement: str, **values: object) -> None:
        with self.store.engine.begin() as connection:
            connection.execute(sa.text(statement), values)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    found = Desk(tmp_path)
    found.person("lee", Role.ADMIN, Role.APPROVER)
    found.person("dana", Role.DEPLOYER)
    yield found
    found.store.close()


def identity_of(text: str) -> str:
    return text[5:14]


def test_before_anybody_was_added_the_owner_does_all_that_needs_no_second(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    owner = desk.credentials.person(OWNER, "root")
    assert owner.may(Role.ADMIN) and owner.may(Role.DEPLOYER) and not owner.may(Role.APPROVER)
    stranger = desk.credentials.person(OWNER + 1, "somebody")
    assert not any(stranger.may(role) for role in Role)
    desk.store.close()


def test_from_the_first_person_on_a_user_is_the_person_it_was_linked_to(desk: Desk) -> None:
    desk.person("kim", Role.VIEWER, uids=(OWNER,), within="shop/staging")
    found = desk.credentials.person(OWNER, "root")
    assert (found.name, found.person, found.environments) == ("kim", "kim", ("shop/staging",))
    assert found.may(Role.VIEWER) and not found.may(Role.DEPLOYER)
    assert not any(desk.credentials.person(OWNER + 1, "x").may(role) for role in Role)


@pytest.mark.attack(
    "ID09", "an agent speaks for an administrator who approves", "a deployer at most"
)
def test_an_agent_is_never_more_than_a_deployer(desk: Desk) -> None:
    desk.person("lee", Role.ADMIN, Role.APPROVER, uids=(OWNER,))
    found = desk.credentials.agent("claude\u202e\n", OWNER, "root")
    assert (found.name, found.person, found.kind) == ("claude", "lee", "agent")
    assert {role for role in Role if found.may(role)} == {Role.VIEWER, Role.DEPLOYER}
    held = desk.ask(desk.token("lee", Role.DEPLOYER, agent="claude"))
    assert (held.name, held.person, held.kind) == ("claude", "lee", "agent")
    wide = desk.ask(desk.token("lee", Role.ADMIN, agent="claude"))
    assert not wide.may(Role.ADMIN), "even where somebody wrote such a row"


def test_a_token_has_what_it_was_given_as_far_as_its_person_still_has_it(desk: Desk) -> None:
    text = desk.token("dana", Role.DEPLOYER, environments=["staging"])
    found = desk.ask(text)
    assert (found.person, found.environments) == ("dana", ("staging",))
    assert found.credential == f"token:{identity_of(text)}"
    desk.person("dana", Role.VIEWER)
    assert not any(desk.ask(text).may(role) for role in Role), "the role was taken away"
    desk.person("dana", Role.DEPLOYER, within="production")
    assert not any(desk.ask(text).may(role) for role in Role), "nothing lies in both scopes"


@pytest.mark.attack("AP03", "a person uses a second token", "both are the same person")
def test_two_tokens_of_one_person_are_one_person(desk: Desk) -> None:
    both = [desk.ask(desk.token("lee", role)) for role in (Role.DEPLOYER, Role.APPROVER)]
    assert {each.person for each in both} == {"lee"}


@pytest.mark.attack("ID04", "a revoked token is used", "refused at the next call")
def test_a_revoked_token_is_refused_at_once(desk: Desk) -> None:
    text = desk.token("dana", Role.DEPLOYER)
    assert desk.credentials.good(desk.ask(text).credential)
    with desk.store.session() as session:
        tokens.end(session, tokens.find(session, identity_of(text)), "lee")
    assert desk.refused(text)
    assert not desk.credentials.good(f"token:{identity_of(text)}")


@pytest.mark.attack("ID03", "a token outlives the one it was made with", "it dies with it")
def test_a_child_dies_with_its_parent(desk: Desk) -> None:
    parent = desk.token("dana", Role.DEPLOYER)
    child = desk.token("dana", Role.DEPLOYER, parent=identity_of(parent))
    grandchild = desk.token("dana", Role.VIEWER, parent=identity_of(child))
    assert desk.ask(grandchild).may(Role.VIEWER)
    with desk.store.session() as session:
        tokens.end(session, tokens.find(session, identity_of(parent)), "lee")
    assert desk.refused(child) and desk.refused(grandchild)


@pytest.mark.attack("CL02", "the clock is set back after a token expired", "it stays expired")
def test_a_token_that_was_seen_to_expire_stays_expired(desk: Desk) -> None:
    text = desk.token("dana", Role.DEPLOYER, expires_at=now() - timedelta(seconds=1))
    assert desk.refused(text)
    desk.set("UPDATE tokens SET expires_at = :then", then=str(now() + timedelta(days=365)))
    assert desk.refused(text), "as if the clock stood a year earlier"


@pytest.mark.attack(
    "CL02", "the clock is set back before a token is looked at", "the trail's time counts"
)
def test_a_token_expires_by_the_trail_where_that_is_later(desk: Desk) -> None:
    text = desk.token("dana", Role.DEPLOYER, expires_at=now() + timedelta(hours=1))
    assert desk.ask(text)
    with desk.store.session() as session:
        mine, end = store_id(session), audit.tail(session)
    later = (now() + timedelta(hours=2)).isoformat(timespec="microseconds")
    entry = Entry(end.seq + 1, mine, later.replace("+00:00", "Z"), "x", None, None, "call.x", "x",
                  "ok", "{}", None)  # fmt: skip
    desk.set(
        "INSERT INTO audit (seq, at, actor, action, subject, outcome, details, hash)"
        " VALUES (:seq, :at, 'x', 'call.x', 'x', 'ok', '{}', :hash)",
        seq=entry.seq,
        at=entry.at,
        hash=entry_hash(end.hash, entry).hex(),
    )
    assert desk.refused(text)


@pytest.mark.attack("ID05", "tokens are looked for in the database and its files", "none is there")
def test_nothing_in_the_database_is_a_token(desk: Desk, tmp_path: Path) -> None:
    made = [desk.token("dana", Role.DEPLOYER) for _ in range(5)]
    for text in made:
        desk.ask(text)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "store.db-wal" for path in files)
    for path in files:
        raw = path.read_bytes()
        assert not any(text[5:].encode() in raw or text[14:].encode() in raw for text in made), path


@pytest.mark.attack(
    "ID05", "a token's row is copied into another service's database", "worth nothing"
)
def test_what_is_kept_of_a_token_proves_nothing_under_another_key(
    desk: Desk, tmp_path: Path
) -> None:
    text = desk.token("dana", Role.DEPLOYER)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with pytest.raises(Unauthenticated):
        Credentials(elsewhere, desk.store).bearer(text, HERE)


@pytest.mark.parametrize("wrong", ["", "x", "admin", "orcd_" + "0" * 58, "orca_" + "é" * 58])
def test_what_is_no_token_is_told_like_any_other_refusal(desk: Desk, wrong: str) -> None:
    assert desk.refused(wrong)


@pytest.mark.attack(
    "ID06", "an id is guessed: one that exists, one that does not", "the same answer and work"
)
def test_an_id_that_nobody_has_takes_the_same_work(desk: Desk, tmp_path: Path) -> None:
    known = desk.token("dana", Role.DEPLOYER)
    wrong_secret = desk.credentials.make(Role.DEPLOYER)[0]
    calls: list[str] = []

    class Counting(Credentials):
        def mac(self, text: str) -> str:
            calls.append("mac")
            return super().mac(text)

    counting = Counting(tmp_path, desk.store)
    forged = forge(known, wrong_secret)
    said = []
    for text in (forged, wrong_secret):
        calls.clear()
        with pytest.raises(Unauthenticated) as caught:
            counting.bearer(text, HERE)
        said.append((len(calls) >= 1, caught.value.as_dict()))
    assert said[0] == said[1]


def forge(known: str, other: str) -> str:
    """The id of one token with the secret of another, and a checksum that is right."""
    body = known[:14] + other[14:57]
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(6):
        number, rest = divmod(number, 62)
        digits = DIGITS[rest] + digits
    return body + digits


@pytest.mark.attack(
    "ID06", "wrong secrets for one token, again and again", "limited, from there alone"
)
def test_who_guesses_is_kept_waiting_and_nobody_else(desk: Desk) -> None:
    text = desk.token("dana", Role.DEPLOYER)
    forged = forge(text, desk.credentials.make(Role.DEPLOYER)[0])
    for _ in range(FAILURES_OF_ACCOUNT):
        assert desk.refused(forged)
    with pytest.raises(RateLimited) as caught:
        desk.ask(forged)
    assert caught.value.retry_after_s is not None and 0 < caught.value.retry_after_s <= 60
    assert desk.ask(text, THERE).person == "dana", "its owner is not locked out elsewhere"
    other = desk.token("lee", Role.VIEWER)
    assert desk.ask(other).person == "lee", "nor is somebody else in the same place"


@pytest.mark.attack(
    "ID06", "a thousand wrong tokens from one address", "limited; who works there goes on"
)
def test_a_flood_from_one_address_keeps_nobody_out_who_worked_there(desk: Desk) -> None:
    text = desk.token("dana", Role.DEPLOYER)
    assert desk.ask(text)
    refused = limited = 0
    for _ in range(1000):
        try:
            desk.ask(desk.credentials.make(Role.DEPLOYER)[0])
        except RateLimited:
            limited += 1
        except Unauthenticated:
            refused += 1
    assert (refused, limited) == (module.FAILURES_OF_SOURCE, 1000 - module.FAILURES_OF_SOURCE)
    assert desk.ask(text).person == "dana"


def test_wrong_credentials_are_told_to_the_trail_but_do_not_fill_it(desk: Desk) -> None:
    text = desk.token("dana", Role.DEPLOYER)
    forged = forge(text, desk.credentials.make(Role.DEPLOYER)[0])
    for _ in range(FAILURES_OF_ACCOUNT):
        assert desk.refused(forged)
    with desk.store.session() as session:
        rows = audit.page(session, action="access.wrong_credential")
    assert [row.subject for row in rows] == [f"token:{identity_of(text)}"] * 2
    assert all(text[14:] not in row.details for row in rows)


def test_the_key_of_tokens_is_for_its_owner_alone(tmp_path: Path) -> None:
    first = subkey(tmp_path, TOKENS)
    assert subkey(tmp_path, TOKENS) == first != subkey(tmp_path, "other")
    path = tmp_path / "access.key"
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(KeyUnusable):
        subkey(tmp_path, TOKENS)


def test_a_day_of_use_is_noted_once(desk: Desk) -> None:
    text = desk.token("dana", Role.DEPLOYER)
    desk.ask(text)
    with sqlite3.connect(str(desk.store.engine.url.database)) as connection:
        (day,) = connection.execute("SELECT used_on FROM tokens").fetchone()
    connection.close()
    assert day == now().date().isoformat()
