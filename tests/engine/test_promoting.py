"""What a promote ends: the analysis it was said of, and no other one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrate.core.environment import StrategyName
from orchestrate.store import deployments
from orchestrate.store.tables import DeploymentRow
from tests.support.rehearsal import Json, Rehearsal, Script, rehearsal

WEIGHTS = {"steps": (10, 25, 100)}
PROMOTE: Json = {"action": "promote", "by": "lee"}
AT_10: Json = {**PROMOTE, "position": 3}
"""Said of the analysis at 10 %: start, await_healthy, route-10, analyse-10."""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Rehearsal]:
    """1.0.0 is live."""
    with rehearsal(tmp_path) as found:
        assert found.run("1.0.0", StrategyName.BLUE_GREEN).phase == "succeeded"
        yield found


def canary(stage: Rehearsal, script: Script) -> DeploymentRow:
    done = stage.run("1.1.0", StrategyName.CANARY, script, **WEIGHTS)
    assert (done.phase, stage.serves()) == ("succeeded", {"1.1.0": 100})
    return done


def said(stage: Rehearsal, done: DeploymentRow) -> list[str]:
    with stage.store.session() as session:
        events = deployments.events(session, done.seq or 0)
        return [event.text for event in events if event.state == "promoted"]


def test_it_ends_what_is_watched(stage: Rehearsal) -> None:
    script = Script(held={"analyse-10": 9}, says={"analyse-10": AT_10})
    done = canary(stage, script)
    assert script.looked.count("analyse-10") == 2
    assert said(stage, done) == ["by lee"]


def test_one_that_a_verdict_forestalls_leaves_the_next_weight_watched(stage: Rehearsal) -> None:
    script = Script(held={"analyse-10": 1, "analyse-25": 3}, says={"analyse-10": AT_10})
    canary(stage, script)
    assert script.looked.count("analyse-25") == 4


def test_one_that_comes_too_late_is_told_and_ends_nothing(stage: Rehearsal) -> None:
    script = Script(held={"analyse-25": 3}, says={"analyse-10": AT_10})
    done = canary(stage, script)
    assert script.looked.count("analyse-25") == 4
    assert said(stage, done) == ["by lee; too late: what it was said of had ended by itself"]


def test_one_of_an_earlier_version_ends_what_is_watched(stage: Rehearsal) -> None:
    """It does not say of which step it was said; a journal with it is replayed as it was."""
    script = Script(held={"analyse-10": 9}, says={"analyse-10": PROMOTE})
    canary(stage, script)
    assert script.looked.count("analyse-10") == 2
