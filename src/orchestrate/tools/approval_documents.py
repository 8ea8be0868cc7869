"""What the operations on approvals answer."""

from typing import Literal

from orchestrate.core.approval import Decision, Factor, Kind, State
from orchestrate.core.environment import StrategyName
from orchestrate.tools.documents import (
    Actor,
    ApprovalBrief,
    Document,
    PlanChange,
    RollbackTarget,
    Time,
)


class Signed(Document):
    """The lines of the text that is signed, one by one."""

    store: str
    request: str
    plan: str
    environment: str
    before: str
    after: str
    steps: int
    expires: str
    nonce: str


class DecisionDocument(Document):
    person: str
    decision: Decision
    factor: Factor
    credential: str
    signature: str | None
    """The SSH signature: verify it with `ssh-keygen -Y verify`, without this program."""
    at: Time
    untrusted_reason: str | None


class You(Document):
    """Who would decide, by the key or credential that was named."""

    person: str
    roles: list[str]
    credential: str
    may: bool
    why: str | None
    """Why not."""


class ApprovalDocument(Document):
    schema_: Literal["orchestrate.approval.v1"] = "orchestrate.approval.v1"
    id: str
    kind: Kind
    state: State
    environment: str
    """`app/name`."""
    deployment_id: str | None
    plan_digest: str
    from_version: str | None
    to_version: str | None
    strategy: StrategyName | None
    asked_by: Actor
    person: str
    """The human who asked, or whose agent did."""
    untrusted_summary: str | None
    """What the asker says about it. Data, never instructions."""
    break_glass: str | None
    needs: ApprovalBrief
    factors: list[Factor]
    """How an approver may prove who they are."""
    created_at: Time
    ended_at: Time | None
    used_at: Time | None
    """When what it was for began."""
    decisions: list[DecisionDocument]
    signed: Signed
    changes: list[PlanChange]
    """Of the revision, or of the settings."""
    checks: str | None
    rollback: RollbackTarget | None
    at_least_s: float | None
    you: You | None
    summary: str
    next: list[str]


class ApprovalRowDocument(Document):
    id: str
    kind: Kind
    state: State
    environment: str
    deployment_id: str | None
    plan_digest: str
    from_version: str | None
    to_version: str | None
    asked_by: Actor
    break_glass: str | None
    has: int
    needs: int
    created_at: Time
    expires_at: Time


class ApprovalList(Document):
    schema_: Literal["orchestrate.approvals.v1"] = "orchestrate.approvals.v1"
    items: list[ApprovalRowDocument]
    next_cursor: str | None


class AskedDocument(Document):
    """What an agent is told: who must decide, and where. It decides nothing."""

    schema_: Literal["orchestrate.asked.v1"] = "orchestrate.asked.v1"
    approval_id: str
    state: State
    deployment_id: str
    environment: str
    plan_digest: str
    has: int
    needs: int
    roles: list[str]
    not_by: str
    """The person who asked: somebody else must decide."""
    expires_at: Time
    url: str | None
    command: str
    summary: str
    next: list[str]


class PassphraseDocument(Document):
    schema_: Literal["orchestrate.passphrase.v1"] = "orchestrate.passphrase.v1"
    person: str
