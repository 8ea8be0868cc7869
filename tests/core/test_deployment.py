"""The table of legal moves: no dead end, no way out of the end, nothing unreachable."""

import pytest

from orchestrate.core.deployment import MOVES, Phase, move
from orchestrate.core.errors import NotNow

pytestmark = pytest.mark.unit

ENDS = {
    Phase.SUCCEEDED,
    Phase.CANCELLED,
    Phase.ROLLED_BACK,
    Phase.ROLLBACK_FAILED,
    Phase.FAILED,
    Phase.REJECTED,
    Phase.EXPIRED,
}


def reachable(start: Phase) -> set[Phase]:
    found, waiting = {start}, [start]
    while waiting:
        new = MOVES[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def test_the_table_names_every_phase() -> None:
    assert set(MOVES) == set(Phase)


def test_the_terminal_phases_have_no_exits_and_all_others_have() -> None:
    assert {phase for phase in Phase if phase.terminal} == ENDS
    assert {phase for phase in Phase if not MOVES[phase]} == ENDS


def test_every_phase_can_be_reached_from_pending() -> None:
    assert reachable(Phase.PENDING) == set(Phase)


@pytest.mark.parametrize("phase", Phase)
def test_every_phase_has_a_way_to_an_end(phase: Phase) -> None:
    assert reachable(phase) & ENDS


@pytest.mark.parametrize("phase", Phase)
def test_no_phase_comes_back_to_itself(phase: Phase) -> None:
    assert all(phase not in reachable(after) for after in MOVES[phase])


@pytest.mark.parametrize("phase", sorted(set(Phase) - ENDS))
def test_what_goes_on_can_be_stopped_or_is_being_stopped(phase: Phase) -> None:
    stopping = {Phase.CANCELLING, Phase.ROLLING_BACK}
    assert phase in stopping or MOVES[phase] >= stopping


def test_success_comes_only_from_verifying() -> None:
    assert {phase for phase in Phase if Phase.SUCCEEDED in MOVES[phase]} == {Phase.VERIFYING}


def test_what_is_being_rolled_back_is_neither_failed_nor_cancelled_without_saying_so() -> None:
    assert MOVES[Phase.ROLLING_BACK] == {Phase.ROLLED_BACK, Phase.ROLLBACK_FAILED}


@pytest.mark.parametrize("here", Phase)
@pytest.mark.parametrize("there", Phase)
def test_a_move_is_made_when_the_table_has_it_and_refused_otherwise(
    here: Phase, there: Phase
) -> None:
    if there in MOVES[here]:
        assert move(here, there) is there
        return
    with pytest.raises(NotNow) as caught:
        move(here, there)
    assert here.value in caught.value.message
    assert there.value in caught.value.message
