"""Many decisions at one moment: each person counts once, and there is one legal end."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest

from orchestrate.core.approval import Approvals, Decision, State
from orchestrate.core.deployment import Phase
from orchestrate.core.errors import ApprovalExpired, NotNow
from orchestrate.engine import journal
from orchestrate.store import approvals
from tests.engine.approving import BEGAN, Waiting, persons, waiting

__all__ = ["persons", "waiting"]

TWO = Approvals(count=2)


@pytest.mark.trap(25)
@pytest.mark.attack("AP11", "two people and one of them again, all at once", "one transition")
def test_a_quorum_is_counted_once_however_many_come_at_once(waiting: Waiting) -> None:
    waiting.ask(TWO)
    signed = {name: waiting.signature(name) for name in ("dana", "erin")}
    together = threading.Barrier(24)

    def vote(number: int) -> bool:
        name = "dana" if number % 2 else "erin"
        together.wait()
        return waiting.decide(name, signed=signed[name]).settled

    with ThreadPoolExecutor(24) as pool:
        settled = list(pool.map(vote, range(24)))
    assert any(settled)
    with waiting.store.session() as session:
        found = approvals.find(session, waiting.name)
        assert len(approvals.decisions(session, found.id or 0)) == 2
    with ThreadPoolExecutor(8) as pool:
        begun = [answer for answer in pool.map(lambda _: waiting.begin(), range(8))]
    assert sum("begun" in answer for answer in begun) == 1


ENDS = {
    Phase.DEPLOYING: State.APPROVED,
    Phase.REJECTED: State.REJECTED,
    Phase.CANCELLED: State.WITHDRAWN,
    Phase.EXPIRED: State.EXPIRED,
}


@pytest.mark.trap(28)
@pytest.mark.attack(
    "CF05", "a yes, a no, a cancel, the beginning and the expiry at one moment", "one legal end"
)
@pytest.mark.attack("CF09", "the quorum is counted apart from the beginning", "counted in it")
def test_whatever_comes_at_once_there_is_one_legal_end(waiting: Waiting) -> None:
    chance = random.Random(20261125)
    seen: Counter[Phase] = Counter()
    with ThreadPoolExecutor(6) as pool:
        for _ in range(150):
            waiting.ask(Approvals(expires_s=60))
            _all_at_once(waiting, chance, pool)
            phase = Phase(waiting.phase)
            assert ENDS[phase] is State(waiting.state)
            seen[phase] += 1
            with waiting.store.session() as session:
                if phase is Phase.DEPLOYING:
                    counted = approvals.decisions(session, int(waiting.name[1:]))
                    assert [each.decision for each in counted] == ["approve"]
                    journal.abandon(session, waiting.seq)  # makes room for the next
    assert set(seen) == set(ENDS), f"not every end was seen: {seen}"


def _all_at_once(waiting: Waiting, chance: random.Random, pool: ThreadPoolExecutor) -> None:
    late = Waiting(waiting.store, waiting.home, waiting.environment, waiting.people)
    late.seq, late.digest = waiting.seq, waiting.digest
    late.clock.at = BEGAN + timedelta(hours=1)
    acts: list[Callable[[], object]] = [
        lambda: waiting.by_token("dana"),
        lambda: waiting.by_token("erin", Decision.REJECT),
        waiting.cancel,
        waiting.begin,
        waiting.begin,
        late.look,
    ]
    if chance.random() < 0.7:
        waiting.by_token("dana")
    chance.shuffle(acts)
    acts = acts[: chance.randint(2, 6)]
    together = threading.Barrier(len(acts))

    def do(act: Callable[[], object]) -> None:
        together.wait()
        with suppress(NotNow, ApprovalExpired):
            act()

    list(pool.map(do, acts))
    with suppress(NotNow):
        if Phase(waiting.phase) is Phase.AWAITING_APPROVAL:
            waiting.cancel()
