"""Which decisions count: each is verified anew, whenever it matters.

A decision counts when its row is ours, its signature fits this very request, its person is not the
one who asked, and has the role for it at this moment by the credential that was used.
"""

from dataclasses import dataclass

from pydantic import JsonValue

from orchestrate.core.approval import Approvals, Decision, Factor, person_key
from orchestrate.core.errors import ApprovalInvalid, OrchestrateError
from orchestrate.engine.factors import verify_signature
from orchestrate.engine.requesting import asked_by, statement_of
from orchestrate.engine.seal import Seal
from orchestrate.store import approvals, approvers
from orchestrate.store.approvals import ApprovalRow, DecisionRow
from orchestrate.store.approvers import Standing
from orchestrate.store.database import Session

LABEL = "approval-decision"

Json = dict[str, JsonValue]


@dataclass(frozen=True)
class Count:
    """What the decisions of a request come to."""

    good: tuple[str, ...]
    """People whose yes counts; each once, however often they said it."""
    rejected: tuple[str, ...]
    """People who said no. A no that does not verify counts too: it is the safe side."""
    refused: tuple[str, ...]
    """Why a recorded yes does not count."""


def count(session: Session, seal: Seal, row: ApprovalRow) -> Count:
    """Count the decisions of a request, as things are now."""
    good: dict[str, str] = {}
    rejected: list[str] = []
    refused: list[str] = []
    for each in approvals.decisions(session, row.id or 0):
        if each.decision != Decision.APPROVE.value:
            rejected.append(each.person)
            continue
        try:
            _verify(session, seal, row, each)
        except OrchestrateError as error:
            refused.append(f"{each.person}: {error.message}")
        else:
            good[person_key(each.person)] = each.person
    return Count(tuple(good.values()), tuple(rejected), tuple(refused))


def counts(session: Session, seal: Seal, row: ApprovalRow, decision: DecisionRow) -> bool:
    """Whether a yes that was recorded counts, as things are now. A no always does."""
    if decision.decision != Decision.APPROVE.value:
        return True
    try:
        _verify(session, seal, row, decision)
    except OrchestrateError:
        return False
    return True


def mark(session: Session, seal: Seal, row: ApprovalRow, decision: DecisionRow) -> str:
    """The mark of a decision, over the text it decides and what proves it."""
    return seal.mark(LABEL, _record(session, row, decision))


def problem(rule: Approvals, environment: str, standing: Standing, factor: Factor) -> str | None:
    """Why this person may not decide under this rule; None when they may."""
    if not set(rule.roles) & standing.roles:
        wanted = " or ".join(role.value for role in rule.roles)
        return f"{standing.person} is no {wanted}"
    if not standing.reaches(environment):
        return f"{standing.person} may not approve for {environment}"
    if factor not in rule.factors:
        taken = ", ".join(each.value for each in rule.factors)
        return f"{environment} takes {taken}, and not {factor.value}"
    return None


def _verify(session: Session, seal: Seal, row: ApprovalRow, decision: DecisionRow) -> None:
    """Raises ApprovalInvalid."""
    if not seal.fits(LABEL, _record(session, row, decision), decision.mac):
        raise ApprovalInvalid("its record was not written by this service")
    if asked_by(session, row, decision.person):
        raise ApprovalInvalid("who asked does not approve")
    if person_key(decision.person) != decision.person_key:
        raise ApprovalInvalid("its record names two people")
    factor = Factor(decision.factor)
    if factor is Factor.SSH:
        text = statement_of(session, row).text(Decision.APPROVE)
        verify_signature(decision.signature or "", decision.credential, text)
    standing = approvers.standing(session, decision.person, decision.credential)
    if standing is None:
        raise ApprovalInvalid("what proved who they are is good no more")
    wrong = problem(row.approvals, row.environment, standing, factor)
    if wrong is not None:
        raise ApprovalInvalid(wrong)


def _record(session: Session, row: ApprovalRow, decision: DecisionRow) -> Json:
    return {
        "text": statement_of(session, row).text(Decision(decision.decision)),
        "person": decision.person,
        "factor": decision.factor,
        "credential": decision.credential,
        "signature": decision.signature,
    }
