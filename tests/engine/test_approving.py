"""Waiting for people, transaction by transaction: what counts, what ends it, and only once."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrate.core.approval import Approvals, Decision, State
from orchestrate.core.deployment import Phase
from orchestrate.core.errors import (
    ApprovalExpired,
    ApprovalInvalid,
    NotApprover,
    NotNow,
    OrchestrateError,
    SelfApproval,
)
from orchestrate.core.identity import Principal, Role
from orchestrate.engine import factors
from orchestrate.engine.deciding import Wish
from orchestrate.engine.factors import Given
from orchestrate.engine.requesting import break_glass_of, due_requests
from orchestrate.store import approvals, approvers, deployments, environments, people, tokens
from orchestrate.store.database import Store
from tests.engine.approving import BEGAN, Waiting, persons, waiting
from tests.support.approvers import ASKER, register, set_roles
from tests.support.records import environment

__all__ = ["persons", "waiting"]


def refused(kind: type[OrchestrateError], act: Callable[[], object]) -> OrchestrateError:
    with pytest.raises(kind) as caught:
        act()
    return caught.value


class TestWhatCounts:
    @pytest.mark.trap(23)
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

    @pytest.mark.attack(
        "AP03", "who asked before anybody was added approves by the name they got then", "refused"
    )
    def test_not_the_owner_who_asked_before_anybody_was_added(self, waiting: Waiting) -> None:
        waiting.ask(Approvals(), person="the-user")
        with waiting.store.session() as session:
            for name, role, uids in (
                (ASKER, Role.ADMIN, []),
                ("dana", Role.APPROVER, [os.geteuid()]),
            ):
                people.put(session, name, roles=[role], environments=[], uids=uids, by="tests")
        refused(SelfApproval, lambda: waiting.decide("dana"))
        assert waiting.decide("erin").settled
        assert waiting.begin() == {"begun": True}

    @pytest.mark.trap(23)
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

    def test_who_lost_a_key_says_yes_anew_by_what_is_good_now(self, waiting: Waiting) -> None:
        waiting.ask(Approvals())
        waiting.decide("dana")
        with waiting.store.session() as session:
            session.delete(people.key(session, waiting.people["dana"].fingerprint))
        assert "again_s" in waiting.begin()
        assert waiting.by_token("dana").settled
        assert waiting.begin() == {"begun": True}
        with waiting.store.session() as session:
            (only,) = approvals.decisions(session, approvals.find(session, waiting.name).id or 0)
        assert (only.credential, only.signature) == ("token:dana", None)

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
    @pytest.mark.trap(24)
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
    @pytest.mark.trap(28)
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

    @pytest.mark.attack(
        "AP12", "a rejected request is set back to approved in the database", "rejected"
    )
    def test_is_found_again_when_its_request_is_set_back(self, waiting: Waiting) -> None:
        waiting.ask(Approvals())
        waiting.decide("dana")
        waiting.decide("erin", Decision.REJECT)
        with waiting.store.session() as session:
            request = approvals.find(session, waiting.name)
            request.state, request.ended_at = State.APPROVED.value, None
            deployment = deployments.get(session, waiting.seq)
            deployment.phase, deployment.finished_at = Phase.AWAITING_APPROVAL.value, None
            session.add_all((request, deployment))
        assert waiting.begin() == {"ended": "rejected"}
        assert waiting.phase == Phase.REJECTED

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
