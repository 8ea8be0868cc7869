"""Waiting for people, transaction by transaction: what counts, what ends it, and only once."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrate.core.approval import Approvals, Decision, State
from orchestrate.core.deployment import Phase
from orchestrate.core.errors import (
    ApprovalExpired,
    ApprovalInvalid,
    Cancelled,
    NotApprover,
    NotNow,
    OrchestrateError,
    SelfApproval,
)
from orchestrate.core.identity import Principal, Role
from orchestrate.engine import factors, journal
from orchestrate.engine.approving import Approving, held, withdraw
from orchestrate.engine.deciding import Decided, Deciding, Wish
from orchestrate.engine.factors import Factors, Given
from orchestrate.engine.requesting import break_glass_of, due_requests, statement_of
from orchestrate.engine.seal import Seal
from orchestrate.store import approvals, approvers, deployments, environments, people, tokens
from orchestrate.store.database import Store
from tests.support.approvers import Person, person, register, set_roles
from tests.support.records import deploy, environment

BEGAN = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that only moves when it is told to, forwards or back."""

    at: datetime = BEGAN

    def __call__(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


@dataclass
class Waiting:
    """A deployment of `lee`'s agent that waits for people, in a store of its own."""

    store: Store
    home: Path
    environment: int
    people: dict[str, Person]
    clock: Clock = field(default_factory=Clock)
    seq: int = 0
    digest: str = ""

    @property
    def approving(self) -> Approving:
        return Approving(Seal(self.home), self.clock)

    @property
    def deciding(self) -> Deciding:
        return Deciding(self.store, Seal(self.home), Factors(self.store), self.clock)

    def ask(self, rule: Approvals, person: str = "lee", glass: str | None = None) -> None:
        with self.store.session() as session:
            row = environments.get(session, self.environment)
            row.rules = {"approvals": rule.model_dump(mode="json")}
            session.add(row)
            self.seq = deploy(session, self.environment, "1.0.0", actor="claude")
            deployment = deployments.get(session, self.seq)
            deployment.needs_approval, deployment.person = True, person
            deployment.on_behalf_of, deployment.break_glass = person, glass
            deployment.deadline_at = self.clock() + timedelta(minutes=30)
            session.add(deployment)
            self.digest = deployment.plan_digest
            journal.open_deployment(session, self.seq)
            self.approving.ask(session, self.seq)

    def decide(
        self,
        name: str,
        decision: Decision = Decision.APPROVE,
        principal: Principal | None = None,
        signed: str | None = None,
    ) -> Decided:
        given = Given(signature=signed or self.signature(name, decision))
        wish = Wish(self.name, decision, self.digest, None, given)
        return self.deciding.decide(principal or Principal("x", "x"), wish)

    def by_token(self, name: str, decision: Decision = Decision.APPROVE) -> Decided:
        roles = frozenset({Role.APPROVER})
        principal = Principal(f"{name}-laptop", name, "person", roles, (), f"token:{name}")
        wish = Wish(self.name, decision, self.digest, None, Given())
        return self.deciding.decide(principal, wish)

    def signature(self, name: str, decision: Decision = Decision.APPROVE) -> str:
        with self.store.session() as session:
            text = statement_of(session, approvals.find(session, self.name)).text(decision)
        return self.people[name].sign(text)

    @property
    def name(self) -> str:
        with self.store.session() as session:
            found = approvals.of_deployment(session, self.seq)
            assert found is not None
            return found.name

    @property
    def state(self) -> str:
        with self.store.session() as session:
            return approvals.find(session, self.name).state

    @property
    def phase(self) -> str:
        with self.store.session() as session:
            return deployments.get(session, self.seq).phase

    def look(self) -> dict[str, object]:
        with self.store.session() as session:
            return dict(self.approving.look(session, self.seq))

    def begin(self, digest: str | None = None) -> dict[str, object]:
        with self.store.session() as session:
            return dict(self.approving.begin(session, self.seq, digest or self.digest))

    def cancel(self) -> bool:
        with self.store.session() as session:
            return withdraw(session, held(session, self.seq), Cancelled("enough"), by="lee")


@pytest.fixture(scope="module")
def persons(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Person]:
    place = tmp_path_factory.mktemp("keys")
    return {name: person(place, name) for name in ("dana", "erin", "lee")}


@pytest.fixture
def waiting(tmp_path: Path, persons: dict[str, Person]) -> Iterator[Waiting]:
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    store.migrate()
    with store.session() as session:
        identity = environments.put(session, environment()).id or 0
    for someone in persons.values():
        register(store, someone)
        with store.session() as session:
            session.add(_token(someone.name))
    yield Waiting(store, tmp_path, identity, persons)
    store.close()


def _token(person: str) -> tokens.TokenRow:
    """A token of a person; nobody shows it here, and what it may do is read from its record."""
    return tokens.TokenRow(
        id=person,
        mac="",
        person=person,
        label="laptop",
        role=Role.APPROVER.value,
        environments=[],
        created_by="tests",
        expires_at=datetime.now(UTC) + timedelta(days=1),
    )


def refused(kind: type[OrchestrateError], act: Callable[[], object]) -> OrchestrateError:
    with pytest.raises(kind) as caught:
        act()
    return caught.value


TWO = Approvals(count=2)


class TestWhatCounts:
    @pytest.mark.attack(
        "AP03", "who asks approves through an agent's delegate or by a linked account", "refused"
    )
    def test_not_the_asker_by_whatever_name_or_account(self, waiting: Waiting) -> None:
        waiting.ask(Approvals(), person="Lee")
        refused(SelfApproval, lambda: waiting.decide("lee"))
        token = Principal("lee-laptop", "lee", "person", frozenset({Role.APPROVER}), (), "token:1")
        wish = Wish(waiting.name, Decision.APPROVE, waiting.digest, None, Given())
        refused(SelfApproval, lambda: waiting.deciding.decide(token, wish))
        assert waiting.phase == Phase.AWAITING_APPROVAL

    def test_not_an_agent_even_with_an_approvers_token(self, waiting: Waiting) -> None:
        waiting.ask(Approvals())
        agent = Principal("claude", "dana", "agent", frozenset({Role.APPROVER}), (), "token:2")
        refused(NotApprover, lambda: waiting.decide("dana", principal=agent))
        assert waiting.state == State.WAITING

    def test_a_token_of_an_approver(self, waiting: Waiting) -> None:
        waiting.ask(Approvals())
        assert waiting.by_token("dana").settled
        assert waiting.begin() == {"begun": True}

    def test_not_a_token_that_was_revoked_since(self, waiting: Waiting) -> None:
        waiting.ask(Approvals())
        assert waiting.by_token("dana").settled
        with waiting.store.session() as session:
            tokens.end(session, tokens.find(session, "dana"), "erin")
        assert "again_s" in waiting.begin()
        assert waiting.phase == Phase.AWAITING_APPROVAL

    def test_not_a_token_of_an_admin_who_is_no_approver(self, waiting: Waiting) -> None:
        waiting.ask(Approvals())
        token = Principal("root", "root", "person", frozenset({Role.ADMIN}), (), "token:4")
        wish = Wish(waiting.name, Decision.APPROVE, waiting.digest, None, Given())
        refused(NotApprover, lambda: waiting.deciding.decide(token, wish))

    def test_not_a_way_the_rule_does_not_take(self, waiting: Waiting) -> None:
        waiting.ask(Approvals(factors=("token",)))  # type: ignore[arg-type]
        assert "takes token" in refused(NotApprover, lambda: waiting.decide("dana")).message

    def test_not_an_approver_of_another_environment(self, waiting: Waiting) -> None:
        set_roles(waiting.store, waiting.people["dana"], (Role.APPROVER,), ["shop/production"])
        waiting.ask(Approvals())
        refused(NotApprover, lambda: waiting.decide("dana"))

    @pytest.mark.attack(
        "AP08",
        "the approver's role is taken away after enough said yes",
        "refused at the beginning",
    )
    def test_not_somebody_who_lost_the_role_since(self, waiting: Waiting) -> None:
        waiting.ask(Approvals())
        assert waiting.decide("dana").settled
        set_roles(waiting.store, waiting.people["dana"], ())
        assert "again_s" in waiting.begin()
        assert (waiting.state, waiting.phase) == (State.WAITING, Phase.AWAITING_APPROVAL)
        waiting.decide("erin")
        assert waiting.begin() == {"begun": True}

    def test_not_a_key_that_was_taken_away_since(self, waiting: Waiting) -> None:
        waiting.ask(Approvals())
        waiting.decide("dana")
        with waiting.store.session() as session:
            session.delete(people.key(session, waiting.people["dana"].fingerprint))
        assert "again_s" in waiting.begin()

    @pytest.mark.attack("AP10", "a signed yes is carried to another store", "refused")
    def test_not_a_yes_for_another_store(self, waiting: Waiting, tmp_path: Path) -> None:
        waiting.ask(Approvals())
        (tmp_path / "other").mkdir()
        other = Store(f"sqlite:///{tmp_path / 'other' / 'store.db'}")
        other.migrate()
        with other.session() as session:
            identity = environments.put(session, environment()).id or 0
        register(other, waiting.people["dana"])
        copy = Waiting(other, tmp_path / "other", identity, waiting.people)
        copy.ask(Approvals())
        assert copy.name == waiting.name
        signed = waiting.signature("dana")
        refused(ApprovalInvalid, lambda: copy.decide("dana", signed=signed))
        other.close()

    @pytest.mark.attack(
        "AP10", "a yes that was used is used once more", "refused: it is good for once"
    )
    def test_not_twice(self, waiting: Waiting) -> None:
        waiting.ask(Approvals())
        signed = waiting.signature("dana")
        waiting.decide("dana", signed=signed)
        waiting.begin()
        assert "error" in waiting.begin()
        refused(NotNow, lambda: waiting.decide("dana", signed=signed))

    def test_nothing_any_more_when_the_key_of_the_marks_is_lost(self, waiting: Waiting) -> None:
        waiting.ask(Approvals())
        waiting.decide("dana")
        (waiting.home / "access.key").unlink()
        assert "error" in waiting.begin()
        assert waiting.phase == Phase.AWAITING_APPROVAL


class TestTime:
    @pytest.mark.attack("AP04", "a yes that is too old is used, with the clock set back", "expired")
    @pytest.mark.attack(
        "CL01", "the clock is set back a day while it waits", "it expires when it should"
    )
    def test_that_is_over_stays_over_when_the_clock_is_set_back(self, waiting: Waiting) -> None:
        waiting.ask(Approvals(expires_s=3600))
        waiting.decide("dana")
        waiting.clock.move(minutes=61)
        with waiting.store.session() as session:
            row = approvals.find(session, waiting.name)
            row.seen_at = waiting.clock()  # somebody looked
            session.add(row)
        waiting.clock.move(hours=-2)
        assert waiting.begin() == {"ended": "expired"}
        assert (waiting.phase, waiting.state) == (Phase.EXPIRED, State.EXPIRED)

    @pytest.mark.attack(
        "CL02", "the clock jumps a year ahead and back", "what was seen to expire stays expired"
    )
    def test_that_jumped_ahead_ended_it_for_good(self, waiting: Waiting) -> None:
        waiting.ask(Approvals())
        signed = waiting.signature("dana")
        waiting.clock.move(days=365)
        refused(ApprovalExpired, lambda: waiting.decide("dana", signed=signed))
        waiting.clock.move(days=-365)
        refused(ApprovalExpired, lambda: waiting.decide("dana", signed=signed))
        assert waiting.phase == Phase.EXPIRED

    @pytest.mark.attack("CL01", "the clock is set back, and nobody looks", "its time goes on")
    def test_goes_on_from_what_was_seen_when_the_clock_is_behind(self, waiting: Waiting) -> None:
        ahead = datetime.now(UTC) + timedelta(days=2)
        waiting.clock.at = ahead
        waiting.ask(Approvals(expires_s=60))
        for passed, due in ((30, False), (40, True)):
            with waiting.store.session() as session:
                found = due_requests(session, timedelta(seconds=passed))
            assert bool(found) is due

    def test_that_people_take_is_not_the_deployments(self, waiting: Waiting) -> None:
        waiting.ask(Approvals(expires_s=86400))
        waiting.clock.move(hours=3)
        waiting.decide("dana")
        waiting.begin()
        with waiting.store.session() as session:
            deadline = deployments.get(session, waiting.seq).deadline_at
        assert deadline == BEGAN + timedelta(hours=3, minutes=30)

    def test_between_looks_grows_and_ends_with_the_request(self, waiting: Waiting) -> None:
        waiting.ask(Approvals(expires_s=3600))
        pauses = []
        for minutes in (0, 10, 49, 0.9):
            waiting.clock.move(minutes=minutes)
            pauses.append(waiting.look()["again_s"])
        assert pauses == [1.0, 30.0, 60.0, pytest.approx(6.999, abs=1.1)]


class TestANo:
    @pytest.mark.attack("AP12", "somebody rejects what enough people approved", "rejected")
    def test_outweighs_every_yes_until_it_begins(self, waiting: Waiting) -> None:
        waiting.ask(Approvals())
        assert waiting.decide("dana").settled
        waiting.decide("erin", Decision.REJECT)
        assert waiting.begin() == {"ended": "rejected"}
        assert (waiting.phase, waiting.state) == (Phase.REJECTED, State.REJECTED)

    def test_after_it_began_is_told_to_cancel(self, waiting: Waiting) -> None:
        waiting.ask(Approvals())
        waiting.decide("dana")
        waiting.begin()
        late = refused(NotNow, lambda: waiting.decide("erin", Decision.REJECT))
        assert "deploy cancel" in late.fix[0]
        assert waiting.phase == Phase.DEPLOYING

    def test_signed_as_a_no_is_no_yes(self, waiting: Waiting) -> None:
        waiting.ask(Approvals())
        signed = waiting.signature("dana", Decision.REJECT)
        refused(ApprovalInvalid, lambda: waiting.decide("dana", signed=signed))


class TestBreakingTheGlass:
    @pytest.mark.attack("AP14", "an approver who is no admin agrees to break the glass", "refused")
    def test_takes_a_second_admin_whatever_the_rule_says(self, waiting: Waiting) -> None:
        waiting.ask(Approvals(count=5), glass="checkout is down")
        refused(NotApprover, lambda: waiting.decide("dana"))
        for name in ("erin", "lee"):
            set_roles(waiting.store, waiting.people[name], (Role.ADMIN,))
        with waiting.store.session() as session:
            before = break_glass_of(session, waiting.seq)
        refused(SelfApproval, lambda: waiting.decide("lee"))
        assert before is not None and not before.broken
        waiting.decide("erin")
        assert waiting.begin() == {"begun": True}
        with waiting.store.session() as session:
            after = break_glass_of(session, waiting.seq)
        assert after is not None and (after.reason, after.approved_by) == (
            "checkout is down",
            "erin",
        )


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


def test_passphrases_are_kept_as_argon2id_and_made_anew_when_the_cost_rises(
    waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factors, "MEMORY_KIB", 8192)
    with waiting.store.session() as session:
        approvers.set_passphrase(session, "dana", factors.hashed("a long enough passphrase"))
    monkeypatch.undo()
    waiting.ask(Approvals())
    given = Given(person="dana", passphrase="a long enough passphrase")
    wish = Wish(waiting.name, Decision.APPROVE, waiting.digest, None, given)
    waiting.deciding.decide(Principal("x", "x"), wish)
    with waiting.store.session() as session:
        phc = approvers.passphrase(session, "dana")
    assert phc is not None and phc.startswith("$argon2id$v=19$m=65536,t=3,p=1$")
