"""Environments in the store: names, archiving, and the numbers of their writes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrate.core.errors import AmbiguousEnvironment, UnknownEnvironment
from orchestrate.core.notification import Happening
from orchestrate.store import environments, outbox
from orchestrate.store.database import Store
from tests.support.records import deploy, environment


class TestAWrite:
    def test_has_a_number_of_its_own_whoever_asks(self, store: Store, environment_id: int) -> None:
        def ask(_: int) -> int:
            with store.session() as session:
                return environments.next_write(session, environment_id)

        with ThreadPoolExecutor(4) as pool:
            numbers = list(pool.map(ask, range(40)))
        assert sorted(numbers) == list(range(1, 41))

    def test_that_was_rolled_back_was_never_sent(self, store: Store, environment_id: int) -> None:
        with pytest.raises(RuntimeError), store.session() as session:
            environments.next_write(session, environment_id)
            raise RuntimeError("before it is sent")
        with store.session() as session:
            assert environments.next_write(session, environment_id) == 1

    def test_goes_on_counting_in_an_environment_that_is_made_again(
        self, store: Store, environment_id: int
    ) -> None:
        with store.session() as session:
            deploy(session, environment_id, "1")
            environments.next_write(session, environment_id)
            environments.next_write(session, environment_id)
            assert environments.remove(session, environments.get(session, environment_id))
        with store.session() as session:
            again = environments.put(session, environment())
            assert again.id not in (None, environment_id)
            assert environments.next_write(session, again.id or 0) == 3


class TestAName:
    def test_is_found_alone_where_one_app_has_it(self, store: Store, environment_id: int) -> None:
        with store.session() as session:
            assert environments.find(session, "staging").id == environment_id
            assert environments.find(session, "shop/staging").id == environment_id

    def test_needs_its_app_where_several_have_it(self, store: Store, environment_id: int) -> None:
        with store.session() as session:
            environments.put(session, environment(app="blog"))
            with pytest.raises(AmbiguousEnvironment) as raised:
                environments.find(session, "staging")
            assert "blog/staging, shop/staging" in raised.value.why[0]
            assert environments.find(session, "shop/staging").id == environment_id

    def test_that_is_not_there_leads_to_one_like_it(
        self, store: Store, environment_id: int
    ) -> None:
        with store.session() as session, pytest.raises(UnknownEnvironment) as raised:
            environments.find(session, "stagng")
        assert raised.value.fix == ("did you mean staging?",)


class TestRemoving:
    def test_keeps_what_has_a_history(self, store: Store, environment_id: int) -> None:
        with store.session() as session:
            deploy(session, environment_id, "1")
            assert environments.remove(session, environments.get(session, environment_id))
        with store.session() as session:
            assert list(environments.every(session)) == []
            assert environments.get(session, environment_id).archived_at is not None

    def test_deletes_what_has_none(self, store: Store, environment_id: int) -> None:
        with store.session() as session:
            assert not environments.remove(session, environments.get(session, environment_id))


def test_setting_the_same_again_changes_nothing(store: Store, environment_id: int) -> None:
    with store.session() as session:
        row = environments.put(session, environment())
        assert row.id == environment_id
        assert environments.as_environment(row) == environment()


def test_one_that_a_closed_window_kept_empty_can_be_deleted(
    store: Store, environment_id: int
) -> None:
    with store.session() as session:
        outbox.put(session, environment_id, None, "team", Happening.FROZEN, {})
    with store.session() as session:
        assert not environments.remove(session, environments.get(session, environment_id))
