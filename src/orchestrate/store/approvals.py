"""Requests for approval, and the decisions people took about them.

A row says what somebody wrote there. Whether it may be believed is for the engine to say: each
carries an authentication code, made with a key that is not in the database.
"""

from collections.abc import Sequence
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import Index, text
from sqlmodel import Field, Session, col, select

from orchestrate.core.approval import Approvals, State
from orchestrate.core.deployment import Phase
from orchestrate.core.errors import UnknownApproval
from orchestrate.store.tables import Base, json_column, now

LONGEST_NUMBER = 18
"""Digits; a database's integers have 63 bits."""


class ApprovalRow(Base, table=True):
    """A request: a person must say yes to `plan_digest`, for one deployment or one change of
    settings. Times are UTC."""

    __tablename__ = "approvals"
    __table_args__ = (
        Index("uq_approvals_deployment", "deployment", unique=True),
        Index(
            "ix_approvals_open",
            "id",
            sqlite_where=text("ended_at IS NULL AND used_at IS NULL"),
            postgresql_where=text("ended_at IS NULL AND used_at IS NULL"),
        ),
        Index("ix_approvals_plan", "environment_id", "plan_digest"),
    )

    id: int | None = Field(default=None, primary_key=True)
    kind: str
    environment_id: int = Field(foreign_key="environments.id")
    deployment: int | None = Field(default=None, foreign_key="deployments.seq")
    environment: str
    """`app/name` when it was asked."""
    plan_digest: str
    before: str
    after: str
    steps: int
    """As the text that is signed says them."""
    nonce: str
    rule: dict[str, JsonValue] = Field(sa_column=json_column())
    """The rule when it was asked."""
    actor: str
    on_behalf_of: str | None = None
    person: str
    """The human who asked, or whose agent did."""
    summary: str | None = None
    """What the asker says about it: text from outside."""
    break_glass: str | None = None
    state: str = State.WAITING.value
    created_at: datetime = Field(default_factory=now)
    expires_at: datetime
    seen_at: datetime
    """The latest time at which anybody looked: a clock that is set back brings no time back."""
    ended_at: datetime | None = None
    used_at: datetime | None = None
    """When what it was for began: an approval is good for once."""
    mac: str

    @property
    def name(self) -> str:
        return f"a{self.id}"

    @property
    def approvals(self) -> Approvals:
        return Approvals.model_validate(self.rule)


class DecisionRow(Base, table=True):
    """One person's yes or no, with what proved it."""

    __tablename__ = "approval_decisions"
    __table_args__ = (
        # One yes and one no a person, whoever writes them: the second is no second person.
        Index("uq_approval_decisions_person", "approval", "person_key", "decision", unique=True),
    )

    id: int | None = Field(default=None, primary_key=True)
    approval: int = Field(foreign_key="approvals.id")
    decision: str
    person: str
    person_key: str
    factor: str
    credential: str
    """`ssh:SHA256:...`, `token:<id>` or `passphrase`."""
    signature: str | None = None
    """The SSH signature in full: it can be verified without this program."""
    reason: str | None = None
    decided_at: datetime = Field(default_factory=now)
    mac: str


def find(session: Session, name: str) -> ApprovalRow:
    """The request `a31`. Raises UnknownApproval."""
    digits = name.removeprefix("a")
    known = digits.isdecimal() and len(digits) <= LONGEST_NUMBER
    row = session.get(ApprovalRow, int(digits)) if known else None
    if row is None:
        raise unknown(name)
    return row


def get(session: Session, identity: int) -> ApprovalRow:
    """The request with this number, as it is in the database now."""
    return session.get_one(ApprovalRow, identity, populate_existing=True)


def of_deployment(session: Session, seq: int) -> ApprovalRow | None:
    statement = select(ApprovalRow).where(col(ApprovalRow.deployment) == seq)
    return session.exec(statement).one_or_none()


def unknown(name: str) -> UnknownApproval:
    return UnknownApproval(
        f"there is no request {name[:40]!r}",
        why=["a request for approval is named a and a number, such as a31"],
        fix=["orchestrate approvals list"],
    )


def asked_about(session: Session, environment_id: int) -> bool:
    """Whether anything was ever asked for this environment."""
    statement = select(ApprovalRow.id).where(col(ApprovalRow.environment_id) == environment_id)
    return session.exec(statement.limit(1)).first() is not None


def page(
    session: Session,
    *,
    environment_id: int | None = None,
    within: Sequence[int] | None = None,
    state: State | None = None,
    before: int | None = None,
    limit: int = 10,
) -> Sequence[ApprovalRow]:
    """Newest first, by key; `within` are the environments that may be seen, None for all."""
    statement = select(ApprovalRow)
    if within is not None:
        statement = statement.where(col(ApprovalRow.environment_id).in_(within))
    if environment_id is not None:
        statement = statement.where(col(ApprovalRow.environment_id) == environment_id)
    if state is not None:
        statement = statement.where(col(ApprovalRow.state) == state.value)
    if before is not None:
        statement = statement.where(col(ApprovalRow.id) < before)
    return session.exec(statement.order_by(col(ApprovalRow.id).desc()).limit(limit)).all()


def open_ones(session: Session) -> Sequence[ApprovalRow]:
    """Requests that have neither ended nor been used."""
    statement = select(ApprovalRow).where(
        col(ApprovalRow.ended_at).is_(None), col(ApprovalRow.used_at).is_(None)
    )
    return session.exec(statement.order_by(col(ApprovalRow.id))).all()


def of_settings(session: Session, environment_id: int, digest: str) -> Sequence[ApprovalRow]:
    """Requests for this very change of settings that were not used, newest first."""
    statement = select(ApprovalRow).where(
        col(ApprovalRow.environment_id) == environment_id,
        col(ApprovalRow.plan_digest) == digest,
        col(ApprovalRow.kind) == "settings",
        col(ApprovalRow.used_at).is_(None),
    )
    return session.exec(statement.order_by(col(ApprovalRow.id).desc())).all()


def newest_of_plan(session: Session, environment_id: int, digest: str) -> ApprovalRow | None:
    """The newest request for this plan."""
    statement = select(ApprovalRow).where(
        col(ApprovalRow.environment_id) == environment_id,
        col(ApprovalRow.plan_digest) == digest,
    )
    return session.exec(statement.order_by(col(ApprovalRow.id).desc()).limit(1)).first()


def decisions(session: Session, approval: int) -> Sequence[DecisionRow]:
    """What was decided, in order."""
    statement = select(DecisionRow).where(col(DecisionRow.approval) == approval)
    return session.exec(statement.order_by(col(DecisionRow.id))).all()


def end(session: Session, row: ApprovalRow, state: State) -> None:
    """Move a request to the state it stays in."""
    row.state = state.value
    row.ended_at = now()
    session.add(row)
    session.flush()


def settle(session: Session, seq: int, phase: Phase) -> None:
    """The deployment `seq` ended: nothing is asked for it any more."""
    row = of_deployment(session, seq)
    if row is None or row.used_at is not None or row.ended_at is not None:
        return
    ends = {Phase.REJECTED: State.REJECTED, Phase.EXPIRED: State.EXPIRED}
    end(session, row, ends.get(phase, State.WITHDRAWN))
