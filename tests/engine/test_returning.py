"""What a way back cannot bring back, and whether it has arrived."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrate.core.deployment import Phase
from orchestrate.core.errors import NotRestorable, SecretSourceDown
from orchestrate.core.migrations import Migration
from orchestrate.core.protocols import Restorable
from orchestrate.core.secret import Secret
from orchestrate.engine import journal
from orchestrate.engine.returning import unreadable, with_losses
from orchestrate.engine.site import Site
from orchestrate.store import environments, revisions, verification
from orchestrate.store.database import Session, Store
from orchestrate.store.tables import EnvironmentRow, RevisionRow
from tests.engine.test_journal import carry_out, outcome, succeed
from tests.support.records import deploy, environment, revision
from tests.support.secrets import GivenSecrets

HERE = Restorable(ok=True)
SECRETS = GivenSecrets()
EXPAND = Migration(name="0042_add", phase="expand")
CONTRACT = Migration(name="0043_drop", phase="contract")


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    store.migrate()
    with store.session() as found:
        yield found
    store.close()


@pytest.fixture
def staging(session: Session) -> EnvironmentRow:
    """1 was verified, then 2."""
    row = environments.put(session, environment())
    for version in ("1", "2"):
        succeed(session, row.id or 0, version)
    return row


def of(session: Session, row: EnvironmentRow, version: str) -> RevisionRow:
    found = revisions.newest_of_version(session, row, version)
    assert found is not None
    return found


def migrated(session: Session, row: EnvironmentRow, migration: Migration) -> None:
    """The newest deployment has carried it out."""
    verification.record_migration(session, row.id or 0, row.live_deployment or 0, migration)


@pytest.mark.trap(10)
def test_what_expanded_since_stays_and_loses_nothing(
    session: Session, staging: EnvironmentRow
) -> None:
    migrated(session, staging, EXPAND)
    target = of(session, staging, "1")
    found, remains = with_losses(session, staging, target, HERE, SECRETS, force=False)
    assert (found.lost, remains) == ((), ("migration 0042_add stays (expand; 1 works with it)",))


@pytest.mark.trap(10)
def test_past_a_contraction_nobody_goes_back_unless_it_is_forced(
    session: Session, staging: EnvironmentRow
) -> None:
    migrated(session, staging, CONTRACT)
    target = of(session, staging, "1")
    with pytest.raises(NotRestorable) as refused:
        with_losses(session, staging, target, HERE, SECRETS, force=False)
    assert "0043_drop" in refused.value.why[0]
    found, _ = with_losses(session, staging, target, HERE, SECRETS, force=True)
    assert found.lost == ("migration 0043_drop stays (contract; 1 may need what it removed)",)


@pytest.mark.trap(4)
def test_one_that_was_verified_after_it_works_with_it(
    session: Session, staging: EnvironmentRow
) -> None:
    migrated(session, staging, CONTRACT)
    target = of(session, staging, "2")
    assert with_losses(session, staging, target, HERE, SECRETS, force=False) == (HERE, ())


def test_one_that_was_verified_and_whose_old_one_did_not_stop_works_with_it_too(
    session: Session, staging: EnvironmentRow
) -> None:
    migrated(session, staging, CONTRACT)
    seq = deploy(session, staging.id or 0, "3")
    carry_out(session, seq)
    journal.give_up(session, seq, "2 did not stop")
    journal.close(session, seq, {**outcome(Phase.ROLLBACK_FAILED), "kept": True})
    succeed(session, staging.id or 0, "4")
    target = of(session, staging, "3")
    assert with_losses(session, staging, target, HERE, SECRETS, force=False) == (HERE, ())


@pytest.mark.trap(13)
def test_secrets_that_cannot_be_read_any_more_are_told_by_name_and_version(
    session: Session, staging: EnvironmentRow
) -> None:
    pinned = revision("9").model_copy(update={"secret_versions": {"KEY": "1", "OLD_KEY": "2"}})
    found = revisions.record(session, staging, pinned, 1)
    secrets = GivenSecrets(KEY="sesame")
    gone = unreadable(found, secrets)
    assert len(gone) == 1 and gone[0].startswith("secret OLD_KEY 2 cannot be read any more")
    lost, _ = with_losses(session, staging, found, HERE, secrets, force=False)
    assert lost.lost == tuple(gone), "starting it needs them"
    running = Restorable(ok=True, running=True)
    lost, remains = with_losses(session, staging, found, running, secrets, force=False)
    assert (lost.lost, remains) == ((), tuple(gone)), "it has them: a switch does not wait"
    assert "sesame" not in " ".join(gone)


class Sealed(GivenSecrets):
    """Whoever keeps them does not answer."""

    def get(self, name: str, version: str | None = None) -> Secret:
        raise SecretSourceDown("vault is sealed")

    def unreadable(self, pinned: Mapping[str, str]) -> list[str]:
        return [f"secret {name} {version} cannot be read" for name, version in pinned.items()]


@pytest.mark.parametrize("runs", [True, False])
def test_what_still_runs_is_switched_to_though_nobody_gives_its_secrets(
    session: Session, staging: EnvironmentRow, runs: bool
) -> None:
    pinned = revision("9").model_copy(update={"secret_versions": {"KEY": "1"}})
    row = revisions.record(session, staging, pinned, 1)
    provider = SimpleNamespace(restorable=lambda given: Restorable(ok=True, running=runs))
    site = Site(1, environment(), cast(Any, provider), cast(Any, Sealed()))
    found = site.restorable(pinned)
    assert (found.ok, found.secrets, found.readable) == (runs, 1, 0)
    assert found.lost == (() if runs else ("secret KEY 1 cannot be read",))
    if runs:
        kept, remains = with_losses(session, staging, row, found, Sealed(), force=False)
        assert kept.lost == ()
        assert remains == ("secret KEY 1 cannot be read now: vault is sealed",)


def test_what_a_failed_deployment_migrated_counts_too(
    session: Session, staging: EnvironmentRow
) -> None:
    seq = deploy(session, staging.id or 0, "3")
    verification.record_migration(session, staging.id or 0, seq, EXPAND)
    target = of(session, staging, "2")
    _, remains = with_losses(session, staging, target, HERE, SECRETS, force=False)
    assert remains == ("migration 0042_add stays (expand; 2 works with it)",)
