"""The journal: what a workflow writes of a deployment, one transaction each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrate.core.deployment import Kind, Phase, StepState
from orchestrate.engine import journal
from orchestrate.engine.journal import Outcome
from orchestrate.store import deployments, environments, revisions
from orchestrate.store.database import Session, Store
from orchestrate.store.tables import DeploymentRow
from tests.support.records import deploy, environment


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """A session of a new store."""
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    store.migrate()
    with store.session() as found:
        yield found
    store.close()


@pytest.fixture
def staging(session: Session) -> int:
    return environments.put(session, environment()).id or 0


def outcome(phase: Phase, *, quarantine: bool = False) -> Outcome:
    return Outcome(
        phase=phase.value,
        result=None if phase is Phase.SUCCEEDED else "unhealthy",
        error=None,
        serving=None,
        requests=None,
        quarantine=quarantine,
        kept=False,
    )


def carry_out(session: Session, seq: int, most: int = 3) -> None:
    """Begin and end the first steps."""
    journal.open_deployment(session, seq)
    phases = (Phase.DEPLOYING, Phase.DEPLOYING, Phase.VERIFYING)
    for position, phase in list(enumerate(phases))[:most]:
        journal.begin(session, seq, position, phase, writes=position < 2)
        journal.end(session, seq, position, StepState.DONE, "well", {})


def succeed(session: Session, staging: int, version: str, kind: Kind = Kind.DEPLOY) -> int:
    seq = deploy(session, staging, version, kind=kind)
    carry_out(session, seq)
    journal.close(session, seq, outcome(Phase.SUCCEEDED))
    return seq


def states(session: Session, seq: int) -> dict[str, str]:
    return {step.key: step.state for step in deployments.steps(session, seq)}


def row(session: Session, seq: int) -> DeploymentRow:
    return deployments.get(session, seq)


class TestAStep:
    def test_that_writes_has_a_number_that_only_grows(self, session: Session, staging: int) -> None:
        numbers = []
        for version in ("1", "2"):
            seq = deploy(session, staging, version)
            journal.open_deployment(session, seq)
            numbers += [
                journal.begin(session, seq, position, Phase.DEPLOYING, writes=True)
                for position in (0, 1)
            ]
            journal.close(session, seq, outcome(Phase.FAILED))
        assert numbers == [1, 2, 3, 4]

    def test_that_writes_nothing_has_none(self, session: Session, staging: int) -> None:
        seq = deploy(session, staging, "1")
        journal.open_deployment(session, seq)
        assert journal.begin(session, seq, 0, Phase.DEPLOYING, writes=False) == 0
        assert environments.next_write(session, staging) == 1


class TestUndo:
    def test_of_nothing_begun_is_nothing(self, session: Session, staging: int) -> None:
        seq = deploy(session, staging, "1")
        journal.open_deployment(session, seq)
        assert journal.begin_undo(session, seq, "no", cancelled=False) == []
        assert row(session, seq).phase == "validating"

    def test_takes_back_what_was_begun_last_first(self, session: Session, staging: int) -> None:
        seq = deploy(session, staging, "1")
        carry_out(session, seq, most=1)
        journal.begin(session, seq, 1, Phase.DEPLOYING, writes=True)
        positions = journal.begin_undo(session, seq, "no", cancelled=False)
        found = [journal.step_body(session, seq, position)["kind"] for position in positions]
        assert found == ["route", "stop"], "of the step under way, too"
        assert row(session, seq).phase == "rolling_back"
        assert states(session, seq)["verify-100"] == "skipped"

    def test_is_recorded_once(self, session: Session, staging: int) -> None:
        seq = deploy(session, staging, "1")
        carry_out(session, seq, most=2)
        first = journal.begin_undo(session, seq, "no", cancelled=False)
        assert journal.begin_undo(session, seq, "again", cancelled=False) == first

    def test_of_a_cancelled_one_passes_through_cancelling(
        self, session: Session, staging: int
    ) -> None:
        seq = deploy(session, staging, "1")
        carry_out(session, seq, most=1)
        assert journal.begin_undo(session, seq, "cancelled by lee", cancelled=True)
        assert row(session, seq).phase == "rolling_back"
        other = environments.put(session, environment("production")).id or 0
        nothing = deploy(session, other, "1")
        assert journal.begin_undo(session, nothing, "cancelled by lee", cancelled=True) == []
        assert row(session, nothing).phase == "cancelling"


class TestTheEnd:
    def test_of_success_makes_the_revision_live(self, session: Session, staging: int) -> None:
        seq = succeed(session, staging, "1")
        found = environments.get(session, staging)
        live = revisions.live(session, found)
        assert live is not None
        assert (live.version, live.state, found.live_deployment) == ("1", "verified", seq)
        assert row(session, seq).finished_at is not None

    def test_undone_leaves_the_live_one(self, session: Session, staging: int) -> None:
        succeed(session, staging, "1")
        seq = deploy(session, staging, "2")
        carry_out(session, seq, most=2)
        for position in journal.begin_undo(session, seq, "no", cancelled=False):
            journal.begin(session, seq, position, None, writes=True)
            journal.end(session, seq, position, StepState.DONE, "", {})
        journal.close(session, seq, outcome(Phase.ROLLED_BACK, quarantine=True))
        live = revisions.live(session, environments.get(session, staging))
        assert live is not None
        assert live.version == "1"
        assert states(session, seq)["start"] == states(session, seq)["route-100"] == "undone"
        bad = revisions.quarantined(session, environments.get(session, staging))
        assert [r.version for r in bad] == ["2"]
        assert row(session, seq).quarantined

    def test_of_a_rollback_links_both_and_leaves_the_bad_one_behind(
        self, session: Session, staging: int
    ) -> None:
        succeed(session, staging, "1")
        bad = succeed(session, staging, "2")
        back = deploy(session, staging, "1", kind=Kind.ROLLBACK)
        row(session, back).undoes = bad
        carry_out(session, back)
        journal.close(session, back, outcome(Phase.SUCCEEDED))
        assert row(session, bad).undone_by == back
        found = environments.get(session, staging)
        assert revisions.rollback_target(session, found) is None
        assert revisions.quarantined(session, found) == [], "only when that was asked for"

    def test_of_a_retirement_changes_nothing_that_is_live(
        self, session: Session, staging: int
    ) -> None:
        first = succeed(session, staging, "1")
        found = environments.get(session, staging)
        found.kept_revision_id = found.live_revision_id
        seq = deploy(session, staging, "1", kind=Kind.RETIRE)
        carry_out(session, seq, most=1)
        journal.close(session, seq, outcome(Phase.SUCCEEDED))
        assert row(session, seq).phase == "succeeded"
        assert found.live_deployment == first
        assert found.kept_revision_id is None

    def test_frees_the_environment(self, session: Session, staging: int) -> None:
        succeed(session, staging, "1")
        assert deployments.running(session, staging) is None
        succeed(session, staging, "2")


def test_a_verdict_is_kept_with_the_deployment(session: Session, staging: int) -> None:
    seq = deploy(session, staging, "1")
    carry_out(session, seq, most=1)
    journal.begin(session, seq, 1, Phase.DEPLOYING, writes=False)
    journal.note(session, seq, 1, "hold", {"verdict": {"outcome": "hold"}})
    journal.note(session, seq, 1, "still", {})
    assert row(session, seq).verdict == {"outcome": "hold"}
