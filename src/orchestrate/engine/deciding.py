"""A person's yes or no to a request: proved, counted and recorded in one transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from orchestrate.core.approval import Decision, Factor, State, person_key
from orchestrate.core.canonical import PREFIX, short
from orchestrate.core.deployment import Phase
from orchestrate.core.errors import (
    ApprovalExpired,
    ApprovalInvalid,
    InvalidInput,
    NotApprover,
    NotNow,
    OrchestrateError,
    PlanChanged,
    SelfApproval,
)
from orchestrate.core.identity import Principal
from orchestrate.engine.counting import count, counts, mark, problem
from orchestrate.engine.factors import Factors, Given, Proof
from orchestrate.engine.requesting import (
    asked_by,
    audit_request,
    expire,
    ours,
    refuse,
    statement_of,
)
from orchestrate.engine.seal import Seal
from orchestrate.store import approvals, deployments, environments
from orchestrate.store.approvals import ApprovalRow, DecisionRow
from orchestrate.store.database import Session, Store
from orchestrate.store.tables import now

DIGITS = 64
"""Of a whole digest."""


@dataclass(frozen=True)
class Wish:
    """What somebody decides. `plan` is the digest they saw, in full."""

    approval: str
    decision: Decision
    plan: str | None
    reason: str | None
    proof: Given


@dataclass(frozen=True)
class Decided:
    """What came of it."""

    approval: int
    person: str
    deployment: int | None
    settled: bool
    """The workflow that waits has something to do."""


class Deciding:
    """Takes decisions. Whatever is refused is on the trail too."""

    def __init__(
        self, store: Store, seal: Seal, factors: Factors, clock: Callable[[], datetime] = now
    ) -> None:
        self._store = store
        self._seal = seal
        self._factors = factors
        self._clock = clock

    def decide(self, principal: Principal, wish: Wish) -> Decided:
        """Record the decision; a second one of the same person is the first.

        Raises NotApprover, SelfApproval, ApprovalInvalid, ApprovalExpired, PlanChanged, NotNow for
        a request that has been decided, and what proving raises.
        """
        with self._store.session() as session:
            row = approvals.find(session, wish.approval)
            statement = statement_of(session, row)
        try:
            _refuse_agents(principal)
            _check_seen(row, wish)
            proof = self._factors.prove(principal, wish.proof, statement, wish.decision)
            self._refuse_self(principal, proof, row)
        except OrchestrateError as error:
            self._note_refused(principal, row, wish, error)
            raise
        with self._store.session() as session:
            found = self._decide(session, row, wish, proof)
        if isinstance(found, OrchestrateError):
            self._note_refused(principal, row, wish, found)
            raise found
        return found

    def _refuse_self(self, principal: Principal, proof: Proof, row: ApprovalRow) -> None:
        """Neither who asked, nor whose agent did, by whatever account, token or key. At the asker's
        own terminal somebody else may decide, by a key or passphrase of theirs."""
        people = [proof.standing.person]
        if proof.factor is Factor.TOKEN:
            people.append(principal.person)
        with self._store.session() as session:
            if not any(asked_by(session, row, person) for person in people):
                return
        raise SelfApproval(
            f"{row.name} was asked for by {row.person}, who cannot approve it",
            why=["a second token, account or agent of a person is not a second person"],
            fix=[f"ask somebody else to run: orchestrate approvals approve {row.name}"],
        )

    def _decide(
        self, session: Session, seen: ApprovalRow, wish: Wish, proof: Proof
    ) -> Decided | OrchestrateError:
        """An error is answered, not raised: what expired here stays expired."""
        environments.lock(session, seen.environment_id)
        row = approvals.get(session, seen.id or 0)
        if expire(session, row, self._clock()):
            return _expired(row)
        late = _too_late(session, row)
        if late is not None:
            return late
        if not ours(session, self._seal, row):
            return ApprovalInvalid(f"{row.name} is not as this service recorded it")
        wrong = problem(row.approvals, row.environment, proof.standing, proof.factor)
        if wrong is not None:
            return NotApprover(wrong, fix=["somebody else must decide this"])
        self._record(session, row, wish, proof)
        if wish.decision is Decision.REJECT:
            refuse(session, row, proof.standing.person, wish.reason)
            return _decided(row, proof, settled=True)
        counted = count(session, self._seal, row)
        enough = len(counted.good) >= row.approvals.count
        if enough:
            row.state = State.APPROVED.value
            session.add(row)
        if row.deployment is not None:
            text = f"{proof.standing.person} approved, {len(counted.good)} of {row.approvals.count}"
            deployments.tell(session, row.deployment, "approve", "waiting", text)
        return _decided(row, proof, settled=enough)

    def _record(self, session: Session, row: ApprovalRow, wish: Wish, proof: Proof) -> None:
        """Keep it. One who said the same before, by what is good no more, says it anew."""
        person = proof.standing.person
        same = (person_key(person), wish.decision.value)
        known = approvals.decisions(session, row.id or 0)
        before = next((d for d in known if (d.person_key, d.decision) == same), None)
        if before is not None and counts(session, self._seal, row, before):
            return
        decision = before or DecisionRow(
            approval=row.id or 0,
            decision=wish.decision.value,
            person=person,
            person_key=person_key(person),
            factor="",
            credential="",
            mac="",
        )
        decision.person = person
        decision.factor, decision.credential = proof.factor.value, proof.credential
        decision.signature, decision.reason = proof.signature, wish.reason
        decision.decided_at = self._clock()
        decision.mac = mark(session, self._seal, row, decision)
        session.add(decision)
        session.flush()
        audit_request(
            session,
            row,
            f"approval.{wish.decision.value}",
            "ok",
            {"factor": proof.factor.value, "credential": proof.credential, "reason": wish.reason},
            actor=person,
            person=person,
        )

    def _note_refused(
        self, principal: Principal, row: ApprovalRow, wish: Wish, error: OrchestrateError
    ) -> None:
        with self._store.session() as session:
            audit_request(
                session,
                approvals.get(session, row.id or 0),
                f"approval.{wish.decision.value}",
                "refused",
                {"why": error.code, "credential": principal.credential},
                actor=principal.name,
                person=principal.person,
            )


def _refuse_agents(principal: Principal) -> None:
    if principal.kind != "person":
        raise NotApprover(
            f"{principal.name} is no person: only people approve",
            fix=["a person runs: orchestrate approvals approve"],
        )


def _check_seen(row: ApprovalRow, wish: Wish) -> None:
    """A yes is to a plan that was looked at, named in full. A no needs no more than its request."""
    if wish.decision is Decision.REJECT and wish.plan is None:
        return
    if wish.plan is None or len(wish.plan.removeprefix(PREFIX)) != DIGITS:
        raise InvalidInput(
            "the plan must be named by its whole digest",
            fix=[f"look at it: orchestrate approvals show {row.name}"],
        )
    if wish.plan.removeprefix(PREFIX) != row.plan_digest.removeprefix(PREFIX):
        raise PlanChanged(
            f"{row.name} asks for another plan: {short(row.plan_digest)}",
            why=["nothing was approved"],
            fix=[f"look at it: orchestrate approvals show {row.name}"],
        )


def _too_late(session: Session, row: ApprovalRow) -> OrchestrateError | None:
    """Why nothing can be decided any more; None while it can."""
    if row.used_at is not None:
        began = f"d{row.deployment}" if row.deployment is not None else "the change"
        fix = [f"orchestrate deploy cancel {began}"] if row.deployment is not None else []
        return NotNow(f"{row.name} was approved, and {began} has begun", fix=fix)
    if row.ended_at is not None:
        return NotNow(f"{row.name} is {row.state} already; nothing was changed by this")
    if row.deployment is None:
        return None
    phase = Phase(deployments.get(session, row.deployment).phase)
    if phase is Phase.AWAITING_APPROVAL:
        return None
    return NotNow(f"d{row.deployment} is {phase.value.replace('_', ' ')}: it waits for nobody")


def _expired(row: ApprovalRow) -> ApprovalExpired:
    return ApprovalExpired(
        f"{row.name} expired at {row.expires_at:%H:%M} UTC",
        why=["a yes after that is none"],
        fix=["whoever wants the change asks again"],
    )


def _decided(row: ApprovalRow, proof: Proof, settled: bool) -> Decided:
    return Decided(row.id or 0, proof.standing.person, row.deployment, settled)
