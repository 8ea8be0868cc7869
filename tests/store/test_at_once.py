"""Several transactions at once on PostgreSQL, where one does not wait for the other by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
import sqlalchemy as sa

from orchestrate.core.audit import AuditEvent
from orchestrate.core.deployment import Kind
from orchestrate.core.environment import StrategyName
from orchestrate.core.errors import NotNow
from orchestrate.core.plan import Plan
from orchestrate.core.secret import Secret
from orchestrate.store import audit, environments, plans, rotation, secrets
from orchestrate.store.audit_check import verify
from orchestrate.store.database import Session, Store
from orchestrate.store.keys import Keys, KeySource
from orchestrate.store.keys.file import NAME, KeyFile
from orchestrate.store.outbox import OutboxRow
from orchestrate.store.ring import Key
from tests.support.postgres import Postgres
from tests.support.records import environment, revision, steps
from tests.support.waiting import eventually

pytestmark = pytest.mark.system


@pytest.fixture
def store(server: Postgres, tmp_path: Path) -> Iterator[Store]:
    found = Store(server.database(), tmp_path)
    found.migrate()
    with found.session() as session:
        environments.put(session, environment())
        environments.put(session, environment("production"))
    yield found
    found.close()


def somebody_waits(store: Store) -> bool:
    """Whether a transaction of this database waits for another one."""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with store.engine.connect() as connection:
        where = " AND datname = current_database()"
        return bool(connection.scalar(sa.text(asked + where)))


def second_comes_meanwhile(
    store: Store, first: Callable[[Session], object], second: Callable[[Session], object]
) -> None:
    """`first` and `second` in a transaction each, the second begun before the first has ended."""

    def other() -> None:
        with store.session() as session:
            second(session)

    with ThreadPoolExecutor(1) as pool:
        with store.session() as session:
            first(session)
            coming = pool.submit(other)
            eventually(lambda: coming.done() or somebody_waits(store))
        coming.result(30)


def said(subject: str) -> AuditEvent:
    return AuditEvent(action="deployment.say", actor="lee", subject=subject)


def test_the_trail_is_waited_for_by_whoever_has_written_all_the_rest(store: Store) -> None:
    with store.session() as session:
        place = environments.find(session, "staging").id or 0

    def hold_a_window(session: Session) -> None:
        audit.append(session, said("d2"))
        session.add(OutboxRow(environment_id=place, name="team", event="frozen", facts={}))

    def queue_another(session: Session) -> None:
        environments.lock(session, place)
        audit.append(session, said("d1"))

    second_comes_meanwhile(store, queue_another, hold_a_window)
    with store.session() as session:
        report = verify(session, [], None)
        assert (report.rows, report.problems) == (2, [])


def test_two_who_look_at_the_same_plan_both_see_it(store: Store) -> None:
    def look(session: Session) -> None:
        row = environments.find(session, "staging")
        target = revision("1")
        plan = Plan(
            app=row.app,
            environment=row.name,
            kind=Kind.DEPLOY,
            strategy=StrategyName.RECREATE,
            from_digest=None,
            to_digest=target.digest,
            old=None,
            new=target.ref,
            steps=steps(target.ref),
        )
        plans.keep(session, row, plan, target, None)

    second_comes_meanwhile(store, look, look)


def test_the_first_secrets_of_two_environments_are_both_kept(store: Store) -> None:
    def keep(name: str) -> Callable[[Session], None]:
        def put(session: Session) -> None:
            row = environments.find(session, name)
            secrets.put(session, store.keys, row, "KEY", Secret("a-value-to-keep"), by="lee")

        return put

    second_comes_meanwhile(store, keep("staging"), keep("production"))


def test_the_first_subkey_is_one_for_whoever_asks(store: Store) -> None:
    found: list[bytes] = []

    def ask(session: Session) -> None:
        found.append(store.keys.subkey(session, "tokens"))

    second_comes_meanwhile(store, ask, ask)
    assert found[0] == found[1]


def test_an_environment_that_is_created_twice_at_once_is_created_once(store: Store) -> None:
    def create(session: Session) -> None:
        environments.put(session, environment("new"))

    with pytest.raises(NotNow):
        second_comes_meanwhile(store, create, create)


class Late(KeyFile):
    """Writes its file only when it is told to."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.writes, self.may_write = threading.Event(), threading.Event()

    def _save(self, keys: tuple[Key, ...]) -> None:
        self.writes.set()
        assert self.may_write.wait(30)
        super()._save(keys)


class LateKeys(Keys):
    def __init__(self, home: Path) -> None:
        super().__init__(home)
        self.late = Late(home / NAME)

    @property
    def source(self) -> KeySource:
        return self.late


def test_two_rotations_at_once_lose_no_secret(store: Store, tmp_path: Path) -> None:
    with store.session() as session:
        row = environments.find(session, "staging")
        secrets.put(session, store.keys, row, "KEY", Secret("a-value-to-keep"), by="lee")
    slow = Store(store.url, tmp_path)
    keys = slow.keys = LateKeys(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(rotation.rotate, slow)
        assert keys.late.writes.wait(30)
        second = pool.submit(rotation.rotate, store)
        eventually(lambda: second.done() or somebody_waits(store))
        keys.late.may_write.set()
        wait((first, second), 60)
    slow.close()
    afterwards = Store(store.url, tmp_path)
    with afterwards.session() as session:
        row = environments.find(session, "staging")
        assert secrets.get(session, afterwards.keys, row, "KEY").reveal() == "a-value-to-keep"
    afterwards.close()
    assert first.result().key == second.result().key
