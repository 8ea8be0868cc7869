"""The documents of approvals as this client reads them; see `documents`."""

from typing import TypedDict

from orchestrate.cli.documents import Actor, ApprovalBrief, PlanChange, RollbackTarget


class Signed(TypedDict):
    store: str
    request: str
    plan: str
    environment: str
    before: str
    after: str
    steps: int
    expires: str
    nonce: str


class DecisionMade(TypedDict):
    person: str
    decision: str
    credential: str
    signature: str | None
    at: str
    untrusted_reason: str | None


class You(TypedDict):
    person: str
    roles: list[str]
    credential: str
    may: bool
    why: str | None


class Approval(TypedDict):
    id: str
    kind: str
    state: str
    environment: str
    deployment_id: str | None
    plan_digest: str
    from_version: str | None
    to_version: str | None
    strategy: str | None
    asked_by: Actor
    person: str
    untrusted_summary: str | None
    break_glass: str | None
    needs: ApprovalBrief
    created_at: str
    decisions: list[DecisionMade]
    signed: Signed
    changes: list[PlanChange]
    checks: str | None
    rollback: RollbackTarget | None
    at_least_s: float | None
    you: You | None
    summary: str
    next: list[str]


class ApprovalRow(TypedDict):
    id: str
    kind: str
    state: str
    environment: str
    deployment_id: str | None
    plan_digest: str
    from_version: str | None
    to_version: str | None
    asked_by: Actor
    break_glass: str | None
    has: int
    needs: int
    created_at: str
    expires_at: str


class ApprovalList(TypedDict):
    items: list[ApprovalRow]
    next_cursor: str | None
