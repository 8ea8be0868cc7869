"""Two calls at once on PostgreSQL: what one has decided, the other takes into account."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import sqlalchemy as sa
from pydantic import JsonValue

from orchestrate.core.environment import Environment
from orchestrate.core.errors import EnvironmentBusy, InvalidInput, LastAdministrator
from orchestrate.core.identity import Principal, Role
from orchestrate.engine.seal import Seal
from orchestrate.engine.site import Place
from orchestrate.store import audit, environments, people, tokens
from orchestrate.store.database import Held, Store, hold
from orchestrate.tools.environments import (
    DeleteEnvironment,
    SetEnvironments,
    delete_environment,
    set_environments,
)
from orchestrate.tools.operation import Caller, Context, Service
from orchestrate.tools.people import RemovePerson, SetPerson, remove_person, set_person
from orchestrate.tools.tokens import CreateToken, create_token
from tests.support.postgres import Postgres, postgres
from tests.support.records import deploy
from tests.support.records import environment as a_place
from tests.support.waiting import eventually

pytestmark = pytest.mark.system
CONFIG: dict[str, JsonValue] = {"root": "/srv", "artifact": "{version}", "command": ["./app"]}


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as found:
        yield found


@pytest.fixture
def store(server: Postgres, tmp_path: Path) -> Iterator[Store]:
    found = Store(server.database(), tmp_path)
    found.migrate()
    yield found
    found.close()


@pytest.fixture
def context(store: Store, tmp_path: Path) -> Context:
    """A call by an administrator, of a service of which there is no more than is asked for."""
    service = SimpleNamespace(
        store=store,
        place=Place(tmp_path, store),
        changes=SimpleNamespace(tell=lambda seq: None),
        worker=SimpleNamespace(seal=Seal(tmp_path)),
        credentials=SimpleNamespace(make=lambda role: ("the token", "made", "its mac")),
    )
    lee = Principal("lee", "lee", "person", frozenset(Role))
    return Context(cast(Service, service), Caller(lee))


def environment(name: str = "staging") -> Environment:
    """One with all that its provider needs."""
    return a_place(name).model_copy(update={"config": CONFIG})


def waiting(store: Store) -> int:
    """How many transactions wait for another one."""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with store.engine.connect() as connection:
        return int(connection.scalar(sa.text(asked)) or 0)


def until_waiting(store: Store, count: int) -> None:
    eventually(lambda: waiting(store) == count)


def neither_ends_before_the_other_has_looked(
    store: Store, *acts: Callable[[], object]
) -> list[BaseException | None]:
    """What each act came to. The trail is held meanwhile: whoever has decided waits for it, and
    so has not ended when the next one decides."""
    found: list[Future[object]] = []
    with ThreadPoolExecutor(len(acts)) as pool:
        with store.session() as session:
            hold(session, Held.TRAIL)
            for number, act in enumerate(acts, 1):
                found.append(pool.submit(act))
                until_waiting(store, number)
        return [each.exception(30) for each in found]


def test_two_administrators_do_not_remove_each_other(store: Store, context: Context) -> None:
    with store.session() as session:
        for uid, name in enumerate(("ann", "bob"), 1):
            people.put(session, name, roles=[Role.ADMIN], environments=[], uids=[uid], by="lee")
    ended = neither_ends_before_the_other_has_looked(
        store,
        lambda: remove_person(context, RemovePerson(person="ann")),
        lambda: remove_person(context, RemovePerson(person="bob")),
    )
    assert ended[0] is None
    assert isinstance(ended[1], LastAdministrator)
    with store.session() as session:
        assert people.administrators(session) == ["bob"]


def test_one_user_does_not_become_two_people(store: Store, context: Context) -> None:
    def add(name: str) -> Callable[[], object]:
        given = SetPerson(person=name, roles=[Role.ADMIN], uids=[4711])
        return lambda: set_person(context, given)

    ended = neither_ends_before_the_other_has_looked(store, add("eve"), add("mallory"))
    assert ended[0] is None
    assert isinstance(ended[1], InvalidInput)


def test_a_token_that_is_made_while_its_person_is_removed_does_not_come_back_with_them(
    store: Store, context: Context
) -> None:
    with store.session() as session:
        for uid, name in enumerate(("ann", "lee"), 1):
            people.put(session, name, roles=[Role.ADMIN], environments=[], uids=[uid], by="lee")
    ended = neither_ends_before_the_other_has_looked(
        store,
        lambda: create_token(context, CreateToken(role=Role.ADMIN, person="ann")),
        lambda: remove_person(context, RemovePerson(person="ann")),
    )
    assert ended == [None, None]
    set_person(context, SetPerson(person="ann", roles=[Role.ADMIN]))
    with store.session() as session:
        assert not tokens.alive(session, tokens.find(session, "made"))


def test_what_a_deployment_stands_on_is_not_changed_by_who_looked_before_it_began(
    store: Store, context: Context
) -> None:
    with store.session() as session:
        place = environments.put(session, environment()).id or 0
    changed = environment().model_copy(update={"url": "http://127.0.0.1:4711"})
    with ThreadPoolExecutor(1) as pool:
        with store.session() as session:
            environments.lock(session, place)
            deploy(session, place, "1")
            session.flush()
            call = pool.submit(set_environments, context, SetEnvironments(environments=[changed]))
            until_waiting(store, 1)
        assert isinstance(call.exception(30), EnvironmentBusy)


def test_two_who_change_the_same_environments_do_not_wait_for_each_other(
    store: Store, context: Context
) -> None:
    with store.session() as session:
        both = [environment("one"), environment("two")]
        first = environments.put(session, both[0]).id or 0
        environments.put(session, both[1])
    changed = [each.model_copy(update={"timeout_s": 77.0}) for each in both]
    calls: list[Future[object]] = []
    with ThreadPoolExecutor(2) as pool:
        with store.session() as session:
            environments.lock(session, first)
            for number, given in enumerate((changed, changed[::-1]), 1):
                asked = SetEnvironments(environments=given)
                calls.append(pool.submit(set_environments, context, asked))
                until_waiting(store, number)
        assert [call.exception(30) for call in calls] == [None, None]


@pytest.mark.parametrize("history", [False, True], ids=["new", "with-a-history"])
def test_of_two_deletions_at_once_one_finds_nothing_left(
    store: Store, context: Context, history: bool
) -> None:
    with store.session() as session:
        place = environments.put(session, environment()).id or 0
        if history:
            deploy(session, place, "1", taken=False)  # it waits, and is cancelled
    asked = DeleteEnvironment(environment="staging", confirm="staging")
    ended = neither_ends_before_the_other_has_looked(
        store,
        lambda: delete_environment(context, asked),
        lambda: delete_environment(context, asked),
    )
    assert sorted(type(each).__name__ for each in ended) == ["NoneType", "UnknownEnvironment"]
    with store.session() as session:
        assert not environments.every(session)
        assert len(audit.page(session, action="environment.delete")) == 1
