"""A deployment that needs an approval: asked for, waited for, looked at once more, begun.

It waits inside its workflow, holding its environment, by many short polls and by messages: a
service that is killed goes on waiting. Whoever ends the waiting does so in one transaction that
holds the environment (a no, a cancel, a rollback, the expiry), and the workflow finds it ended. A
yes begins nothing by itself: `begin` looks at everything again, in the transaction in which the
change begins.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from pydantic import JsonValue, TypeAdapter

from orchestrate.core.approval import BREAK_GLASS_RULE, State
from orchestrate.core.canonical import short
from orchestrate.core.deployment import Kind, Phase
from orchestrate.core.errors import (
    ApprovalInvalid,
    Cancelled,
    NotNow,
    OrchestrateError,
    PlanChanged,
)
from orchestrate.core.plan import Plan
from orchestrate.core.protection import rule_of
from orchestrate.engine.counting import Count, count
from orchestrate.engine.requesting import (
    asks,
    audit_request,
    end,
    expire,
    open_request,
    ours,
    refuse,
    use_up,
)
from orchestrate.engine.seal import Seal
from orchestrate.store import approvals, deployments, environments, revisions
from orchestrate.store.approvals import ApprovalRow
from orchestrate.store.database import Session
from orchestrate.store.tables import DeploymentRow, EnvironmentRow, now

SHORTEST_POLL_S, LONGEST_POLL_S = 1.0, 300.0
"""Between two looks of a workflow. A decision sends it a message, so that they matter only when a
message was lost; each look stays in the journal, so that a long wait looks seldom."""

Json = dict[str, JsonValue]


def needed(session: Session, environment: EnvironmentRow, plan: Plan, forced: bool) -> bool:
    """Whether somebody must say yes to this plan. The plain way back is never kept waiting, nor is
    the service when it stops what was kept for a rollback and leaves the database alone."""
    only_stops = plan.kind is Kind.RETIRE and not plan.migrates
    if only_stops or rule_of(environments.as_environment(environment)) is None:
        return False
    return not is_way_back(session, environment, plan, forced)


def is_way_back(session: Session, environment: EnvironmentRow, plan: Plan, forced: bool) -> bool:
    """Whether it is the plain rollback: to the last verified revision, nothing forced."""
    if plan.kind is not Kind.ROLLBACK or forced:
        return False
    target = revisions.rollback_target(session, environment)
    return target is not None and target.digest == plan.to_digest


class Approving:
    """What a workflow writes while it waits: each method is one transaction's worth, and answers
    JSON, because that is journalled."""

    def __init__(self, seal: Seal, clock: Callable[[], datetime] = now) -> None:
        self._seal = seal
        self._clock = clock

    def ask(self, session: Session, seq: int) -> Json:
        """Ask for the approval of a deployment, once: `{}`, or the phase it ended in meanwhile."""
        row = held(session, seq)
        if Phase(row.phase).terminal:
            return {"ended": row.phase}
        if approvals.of_deployment(session, seq) is None:
            request = self._open(session, row)
            for phase in (Phase.VALIDATING, Phase.AWAITING_APPROVAL):
                if row.phase != Phase.AWAITING_APPROVAL.value:
                    deployments.set_phase(session, row, phase)
            deployments.tell(session, seq, "approve", "waiting", asks(request))
            waiting_begins(session, row, request)
        return {}

    def look(self, session: Session, seq: int) -> Json:
        """How it stands: `{"ended": phase}`, `{"approved": true}` or `{"again_s": seconds}`. One
        that nobody answered in time ends here."""
        row = held(session, seq)
        if Phase(row.phase).terminal:
            return {"ended": row.phase}
        request = _request(session, seq)
        if expire(session, request, self._clock()):
            return {"ended": Phase.EXPIRED.value}
        if request.state == State.APPROVED.value:
            return {"approved": True}
        return {"again_s": self._pause(request)}

    def begin(self, session: Session, seq: int, digest: str) -> Json:
        """Begin what was approved; `digest` is of the plan as it is made now.

        Answers `{"begun": true}`, `{"ended": phase}`, `{"error": ...}` when it cannot be begun any
        more, or `{"again_s": ...}` when a yes counts no more, and another one is waited for.
        """
        row = held(session, seq)
        if Phase(row.phase).terminal:
            return {"ended": row.phase}
        request = _request(session, seq)
        if expire(session, request, self._clock()):
            return {"ended": Phase.EXPIRED.value}
        wrong = self._wrong(session, row, request, digest)
        if wrong is not None:
            audit_request(session, request, "approval.use", "refused", {"why": wrong.code})
            return {"error": TypeAdapter(Json).validate_python(wrong.as_dict())}
        counted = count(session, self._seal, request)
        if counted.rejected:
            refuse(session, request, counted.rejected[0], None)
            return {"ended": Phase.REJECTED.value}
        if len(counted.good) < request.approvals.count:
            self._wait_again(session, request, counted)
            return {"again_s": self._pause(request)}
        self._begin(session, row, request, counted)
        return {"begun": True}

    def _open(self, session: Session, row: DeploymentRow) -> ApprovalRow:
        environment = environments.get(session, row.environment_id)
        rule = rule_of(environments.as_environment(environment))
        return open_request(
            session,
            self._seal,
            environment,
            kind="deployment",
            # A rule that was taken away since it was asked does not open the door.
            rule=BREAK_GLASS_RULE if row.break_glass or rule is None else rule,
            at=self._clock(),
            plan_digest=row.plan_digest,
            before=f"r{row.from_revision_id}" if row.from_revision_id else "nothing",
            after=f"r{row.to_revision_id}",
            steps=len(Plan.model_validate(row.plan).steps),
            actor=row.actor,
            on_behalf_of=row.on_behalf_of,
            person=row.person or row.on_behalf_of or row.actor,
            summary=row.reason,
            deployment=row.seq,
            break_glass=row.break_glass,
        )

    def _wrong(
        self, session: Session, row: DeploymentRow, request: ApprovalRow, digest: str
    ) -> OrchestrateError | None:
        """What keeps the change from beginning, however many said yes."""
        if request.used_at is not None:
            return NotNow(f"{request.name} was used already: it is good for once")
        if not ours(session, self._seal, request) or request.plan_digest != row.plan_digest:
            return ApprovalInvalid(
                f"{request.name} is not as this service recorded it",
                why=["somebody wrote to the database past it, or the key of the marks was lost"],
                fix=["orchestrate audit verify", "then deploy again"],
            )
        if digest == request.plan_digest:
            return None
        return PlanChanged(
            f"{request.environment} is not as it was when plan {short(request.plan_digest)}"
            " was approved",
            why=["its settings, its secrets, the artifact or what runs changed meanwhile",
                 "nothing was changed by this deployment; the approval is spent"],
            fix=["look at the new plan, and ask again: orchestrate deploy diff --env "
                 + request.environment.rpartition("/")[2]],
            details={"approved": request.plan_digest, "now": digest},
        )  # fmt: skip

    def _wait_again(self, session: Session, request: ApprovalRow, counted: Count) -> None:
        if request.state != State.APPROVED.value:
            return
        request.state = State.WAITING.value
        session.add(request)
        why = list(counted.refused) or ["a yes is missing"]
        text = f"waits again: {'; '.join(why)}"
        deployments.tell(session, request.deployment or 0, "approve", "waiting", text)
        audit_request(session, request, "approval.use", "refused", {"why": [*why]})

    def _begin(
        self, session: Session, row: DeploymentRow, request: ApprovalRow, counted: Count
    ) -> None:
        at = self._clock()
        waited = max(at - request.created_at, timedelta(0))
        use_up(session, request, at)
        if row.deadline_at is not None:
            row.deadline_at += waited  # the time that people took is not the deployment's
        deployments.set_phase(session, row, Phase.DEPLOYING)
        glass = f", breaking the glass: {request.break_glass}" if request.break_glass else ""
        text = f"approved by {', '.join(counted.good)} ({request.name}){glass}"
        took = round(waited.total_seconds(), 3)
        deployments.tell(session, row.seq or 0, "approve", "done", text, took)
        details: Json = {"by": [*counted.good], "break_glass": request.break_glass}
        audit_request(session, request, "approval.use", "ok", details)

    def _pause(self, request: ApprovalRow) -> float:
        at = max(self._clock(), request.seen_at)
        waited, left = at - request.created_at, request.expires_at - at
        pause = min(max(waited.total_seconds() / 20, SHORTEST_POLL_S), LONGEST_POLL_S)
        return round(max(min(pause, left.total_seconds()), 0.05), 3)


def waiting_begins(session: Session, row: DeploymentRow, request: ApprovalRow) -> None:
    """A deployment begins to wait for people: said in the transaction that records it. What is told
    to the outside is in the outbox by then, by the move to this phase."""
    audit_request(session, request, "approval.request", "ok", {"asks": asks(request)})


def withdraw(
    session: Session, row: DeploymentRow, error: Cancelled, by: str, person: str | None = None
) -> bool:
    """End a deployment that waits for an approval, which has changed nothing, in the name of `by`
    and the `person` behind. False when it waits no more. The caller holds the environment."""
    if row.phase != Phase.AWAITING_APPROVAL.value:
        return False
    request = _request(session, row.seq or 0)
    end(session, request, State.WITHDRAWN, Phase.CANCELLED, error)
    why: Json = {"why": error.message}
    audit_request(session, request, "approval.withdraw", "ok", why, actor=by, person=person)
    return True


def held(session: Session, seq: int) -> DeploymentRow:
    """The deployment as it is now, its environment held by this transaction: nobody else decides
    anything about it until it ends."""
    identity = deployments.get(session, seq).environment_id
    environments.lock(session, identity)
    row = deployments.get(session, seq)
    session.refresh(row)
    return row


def _request(session: Session, seq: int) -> ApprovalRow:
    found = approvals.of_deployment(session, seq)
    if found is None:
        raise ApprovalInvalid(f"the request for d{seq} is gone", why=["somebody deleted its row"])
    return approvals.get(session, found.id or 0)
