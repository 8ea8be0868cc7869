"""Revisions in the store: recorded once, and where a rollback leads to."""

from __future__ import annotations

import pytest

from orchestrate.core.deployment import Kind, Phase
from orchestrate.store import deployments, environments, revisions
from orchestrate.store.database import Session, Store
from orchestrate.store.tables import RevisionRow, now
from tests.support.records import deploy, revision


@pytest.fixture
def lineage(store: Store, environment_id: int) -> Lineage:
    return Lineage(store, environment_id)


class Lineage:
    """What was live, one after the other."""

    def __init__(self, store: Store, environment_id: int) -> None:
        self.store, self.environment_id = store, environment_id

    def live(self, *versions: str) -> Lineage:
        """Have each version live in turn; `<1` by a rollback to 1."""
        for version in versions:
            with self.store.session() as session:
                back = version.startswith("<")
                kind = Kind.ROLLBACK if back else Kind.DEPLOY
                target = version.removeprefix("<")
                seq = deploy(session, self.environment_id, target, taken=False, kind=kind)
                row = environments.get(session, self.environment_id)
                left = revisions.live(session, row)
                if back and left is not None:
                    revisions.leave(session, left)
                made = deployments.get(session, seq)
                made.phase, made.finished_at = Phase.SUCCEEDED.value, now()
                revisions.make_live(session, row, made)
        return self

    def quarantine(self, version: str) -> Lineage:
        with self.store.session() as session:
            revisions.quarantine(session, self._row(session, version))
        return self

    def target(self) -> str | None:
        with self.store.session() as session:
            row = environments.get(session, self.environment_id)
            found = revisions.rollback_target(session, row)
            return found.version if found else None

    def _row(self, session: Session, version: str) -> RevisionRow:
        row = environments.get(session, self.environment_id)
        found = revisions.newest_of_version(session, row, version)
        assert found is not None
        return found


@pytest.mark.parametrize(
    ("live", "target"),
    [
        ((), None),
        (("1",), None),
        (("1", "2"), "1"),
        (("1", "2", "3"), "2"),
        # Rolled back from 2 to 1: what 1 replaced, which is nothing, and never 2.
        (("1", "2", "<1"), None),
        (("1", "2", "3", "<2"), "1"),
        (("1", "2", "<1", "3"), "1"),
        # Deployed again after 2: what it replaced this time.
        (("1", "2", "1"), "2"),
        # Back to 2, which replaced 1: left, and what that had replaced the first time is further.
        (("0", "1", "2", "1", "<2"), "0"),
        (("1", "2", "1", "<2"), None),
    ],
)
def test_a_rollback_follows_the_lineage(
    lineage: Lineage, live: tuple[str, ...], target: str | None
) -> None:
    assert lineage.live(*live).target() == target


@pytest.mark.trap(5)
def test_a_quarantined_revision_is_passed_over(lineage: Lineage) -> None:
    assert lineage.live("1", "2", "3").quarantine("2").target() == "1"


@pytest.mark.trap(1)
def test_a_revision_never_verified_is_passed_over(lineage: Lineage) -> None:
    lineage.live("1", "2")
    with lineage.store.session() as session:
        row = environments.get(session, lineage.environment_id)
        revisions.record(session, row, revision("9"), 1)
    assert lineage.target() == "1"


def test_a_revision_is_recorded_once(store: Store, environment_id: int) -> None:
    with store.session() as session:
        row = environments.get(session, environment_id)
        first = revisions.record(session, row, revision("1"), 1)
        again = revisions.record(session, row, revision("1"), 1)
        assert again.id == first.id
        assert revisions.as_revision(first) == revision("1")
        found = revisions.by_key(session, environment_id, revision("1").key)
        assert found is not None
        assert found.id == first.id


def test_versions_are_those_deployed_with_success_newest_first(lineage: Lineage) -> None:
    lineage.live("1", "2", "1")
    with lineage.store.session() as session:
        row = environments.get(session, lineage.environment_id)
        revisions.record(session, row, revision("9"), 1)
        assert revisions.versions(session, row) == ["1", "2"]
