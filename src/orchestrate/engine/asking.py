"""Asking for a deployment: the transaction that takes the environment, or waits for it."""

import logging
from dataclasses import dataclass
from datetime import timedelta

from orchestrate.core import words
from orchestrate.core.canonical import short
from orchestrate.core.deployment import Kind, Phase
from orchestrate.core.errors import (
    Cancelled,
    EnvironmentBusy,
    KeyUsedOtherwise,
    MigrationFailed,
    NothingToDo,
    PlanChanged,
    UnknownEnvironment,
    WindowClosed,
)
from orchestrate.core.notification import NOT_BEGUN, Facts, Happening
from orchestrate.core.plan import Plan, step_keys
from orchestrate.core.protection import rule_of
from orchestrate.engine import journal
from orchestrate.engine.approving import is_way_back, needed, withdraw
from orchestrate.engine.expecting import expected, refuse_in_vain, refuse_too_long
from orchestrate.engine.gatekeeping import closed_to, refuse_closed
from orchestrate.engine.limiting import refuse_storm
from orchestrate.engine.planning import Draft, draft_retirement, redraft
from orchestrate.engine.site import Place
from orchestrate.store import deployments, environments, outbox, revisions
from orchestrate.store.database import Session, Store
from orchestrate.store.tables import DeploymentRow, EnvironmentRow, now

log = logging.getLogger(__name__)

SERVICE = "orchestrate"
"""The actor of what the service does by itself."""


@dataclass(frozen=True)
class Request:
    """Who asks for what."""

    actor: str
    on_behalf_of: str | None = None
    break_glass: str | None = None
    """Why it passes by approvals and windows, when a second admin agrees."""
    reason: str | None = None
    timeout_s: float | None = None
    queue: bool = False
    force: bool = False
    quarantine: bool = False
    idempotency_key: str | None = None
    person: str | None = None
    """The human behind the actor, where a door established one."""
    credential: str | None = None
    request_id: str | None = None
    """The call, as the trail names it."""
    exempt: bool = False
    """It asks to pass a closed window: whether it does is seen before its first step."""


def take(store: Store, draft: Draft, request: Request) -> tuple[int, bool]:
    """Record the deployment; returns its number and whether it may begin now.

    One transaction takes the environment: the database refuses the second of two at once. A
    rollback never waits: it would be planned from what another deployment is about to change.
    Raises NothingToDo, RateLimited, WindowClosed, VerdictOutOfReach, and
    EnvironmentBusy unless it may wait.
    """
    try:
        return _take(store, draft, request)
    except WindowClosed as closed:
        with store.session() as session:
            outbox.tell_kept_out(session, draft.site.id, _kept_out(draft, request, closed))
        raise


def _take(store: Store, draft: Draft, request: Request) -> tuple[int, bool]:
    _refuse_empty(draft)
    may_wait = request.queue or draft.site.environment.when_busy == "queue"
    with store.session() as session:
        foreseen = expected(session, draft)
    with store.session() as session:
        environments.lock(session, draft.site.id)
        same = _same_key(session, draft, request)
        if same is not None:
            return same, False
        refuse_storm(session, draft.site, draft.plan.kind, request.on_behalf_of or request.actor)
        _make_way(session, draft, request)
        running = deployments.running(session, draft.site.id)
        taken = running is None
        # Nobody asked for a retirement, and it is soon over: nobody is refused because of it.
        may_wait |= running is not None and running.kind == Kind.RETIRE.value
        if taken or (may_wait and draft.plan.kind is Kind.DEPLOY):
            if taken:  # one that waits is asked when it is its turn
                refuse_closed(draft, request.exempt)
            refuse_in_vain(draft, foreseen)
            refuse_too_long(draft, request.timeout_s or draft.site.environment.timeout_s)
            return _add(session, draft, request, taken), taken
    raise _busy(store, draft)


def _kept_out(draft: Draft, request: Request, closed: WindowClosed) -> Facts:
    """What people are told of a deployment that a closed window did not let begin."""
    environment = draft.site.environment
    return Facts(
        event=Happening.FROZEN,
        app=environment.app,
        environment=environment.name,
        environment_type=environment.type.value,
        deployment=f"plan {short(draft.plan.digest)}",
        kind=draft.plan.kind.value,
        phase=NOT_BEGUN,
        from_version=draft.live.version if draft.live else None,
        to_version=draft.target.version,
        serving=draft.live.version if draft.live else None,
        result=closed.code,
        problem=next(iter(closed.why), closed.message),
        plan_digest=draft.plan.digest,
        actor=request.actor,
        on_behalf_of=request.on_behalf_of,
        untrusted_reason=request.reason,
        at=now().strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def take_waiting(place: Place, seq: int) -> bool:
    """Let a waiting deployment begin, planned anew. False when it no longer waits, or another one
    was quicker. Raises OrchestrateError when it cannot be carried out any more."""
    with place.store.session() as session:
        draft = _draft_again(session, place, seq)
    with place.store.session() as session:
        row = deployments.get(session, seq)
        environment = environments.lock(session, row.environment_id)
        session.refresh(row)
        waits = row.taken_at is None and row.finished_at is None
        if not waits or deployments.running(session, row.environment_id) is not None:
            return False
        _refuse_deleted(environment)
        if environment.live_revision_id != (draft.live.id if draft.live else None):
            return False  # changed since it was planned: again at the next look
        if draft.plan.digest != row.plan_digest:
            _replan(session, environment, row, draft)
        row.needs_approval = _must_wait_for_people(session, environment, row)
        deployments.take(session, row)
        return True


def _draft_again(session: Session, place: Place, seq: int) -> Draft:
    """The plan of a waiting deployment as it is made now that it is its turn: what it was planned
    from has changed meanwhile. Nothing is written: a platform is asked, which can take long."""
    row = deployments.get(session, seq)
    environment = environments.get(session, row.environment_id)
    _refuse_deleted(environment)
    return redraft(session, place, environment, Plan.model_validate(row.plan), row.forced)


def _replan(
    session: Session, environment: EnvironmentRow, row: DeploymentRow, draft: Draft
) -> None:
    """Put the new plan in the place of the old one, and say so; the environment is locked. Where a
    person must agree to the plan, a moved one is refused with PlanChanged."""
    _refuse_empty(draft)
    if draft.site.environment.guarded or row.needs_approval:
        raise PlanChanged(
            f"{environment.name} is not as it was when plan {short(row.plan_digest)} was made",
            why=["a deployment before it changed what is live"],
            fix=["look at the new plan: orchestrate deploy diff --env " + environment.name],
        )
    seq = row.seq or 0
    # Its settings may have changed as well: then it leads to another revision than it did.
    to = revisions.record(session, environment, draft.target, draft.replicas)
    environment.write_number = max(environment.write_number, draft.observed.write)
    row.plan = draft.plan.model_dump(mode="json")
    before, row.plan_digest = row.plan_digest, draft.plan.digest
    row.from_revision_id = draft.live.id if draft.live else None
    row.to_revision_id = to.id or 0
    row.remains = _remains(draft)
    session.add(row)
    deployments.replace_steps(session, seq, step_keys(draft.plan.steps), draft.plan.steps)
    text = f"planned again: {short(before)} -> {short(draft.plan.digest)}"
    deployments.tell(session, seq, "deploy", "planned", text)


def retire(place: Place, environment_id: int) -> int | None:
    """Ask to stop the revision that was kept for a rollback; None when there is nothing to stop,
    or somebody else holds the environment (then it comes again). The database is contracted with it
    only where nobody needs to say yes and no window is closed: else that is left for a person."""
    with place.store.session() as session:
        if deployments.running(session, environment_id) is not None:
            return None
        row = environments.get(session, environment_id)
        try:
            draft = _retirement(session, place, row)
        except MigrationFailed as error:
            log.warning("what %s kept is not retired yet: %s", row.name, error.message)
            journal.put_off(session, row)
            return None
        if draft is None or not draft.plan.steps:
            row.kept_until = row.kept_revision_id = None
            session.add(row)
            return None
    request = Request(actor=SERVICE, reason="its time for a quick rollback is over")
    try:
        return take(place.store, draft, request)[0]
    except (EnvironmentBusy, PlanChanged, WindowClosed):
        return None


def _retirement(session: Session, place: Place, row: EnvironmentRow) -> Draft | None:
    """What the service may do by itself, since nobody asked for it."""
    if rule_of(environments.as_environment(row)) is None:
        draft = draft_retirement(session, place, row)
        if draft is None or closed_to(draft) is None:
            return draft
    return draft_retirement(session, place, row, contract=False)


def _add(session: Session, draft: Draft, request: Request, taken: bool) -> int:
    environment = environments.lock(session, draft.site.id)
    _refuse_deleted(environment)
    # What the target has seen counts too: the store may be an older copy than what runs.
    environment.write_number = max(environment.write_number, draft.observed.write)
    if environment.live_revision_id != (draft.live.id if draft.live else None):
        raise _moved(draft, "another deployment ended in between")
    if _ground(environment) != _ground(draft.row):
        raise _moved(draft, "its settings were changed in between")
    to = revisions.record(session, environment, draft.target, draft.replicas)
    timeout_s = request.timeout_s or draft.site.environment.timeout_s
    row = DeploymentRow(
        environment_id=draft.site.id,
        kind=draft.plan.kind.value,
        strategy=draft.plan.strategy.value,
        plan_digest=draft.plan.digest,
        plan=draft.plan.model_dump(mode="json"),
        from_revision_id=environment.live_revision_id,
        to_revision_id=to.id or 0,
        actor=request.actor,
        on_behalf_of=request.on_behalf_of,
        person=request.person,
        break_glass=request.break_glass,
        needs_approval=request.break_glass is not None
        or needed(session, environment, draft.plan, request.force),
        reason=request.reason,
        idempotency_key=request.idempotency_key,
        forced=request.force,
        quarantine=request.quarantine,
        remains=_remains(draft),
        timeout_s=timeout_s,
        taken_at=now() if taken else None,
        deadline_at=now() + timedelta(seconds=timeout_s) if taken else None,
        undoes=environment.live_deployment if draft.plan.kind is Kind.ROLLBACK else None,
    )
    text = f"{_moves(draft)} {draft.plan.strategy.value} plan {short(draft.plan.digest)}"
    seq = deployments.add(session, row, step_keys(draft.plan.steps), draft.plan.steps, text)
    deployments.record(
        session,
        row,
        "deployment.start",
        person=request.person,
        request_id=request.request_id,
        what=text,
        credential=request.credential,
        waits=not taken,
    )
    return seq


def _remains(draft: Draft) -> list[str]:
    return [*draft.remains, *(draft.restorable.lost if draft.restorable else ())]


def _make_way(session: Session, draft: Draft, request: Request) -> None:
    """A rollback is never kept out by one that waits for people: that one has changed nothing, and
    would be to another revision than it was approved for."""
    holder = deployments.running(session, draft.site.id)
    if holder is None or not is_way_back(session, draft.row, draft.plan, request.force):
        return
    withdraw(
        session,
        holder,
        Cancelled(
            f"it gave way to a rollback of {draft.row.name} by {request.actor}",
            why=["it was waiting for an approval, and had changed nothing"],
            fix=["once the rollback is done, plan and ask again: orchestrate deploy"],
        ),
        by=request.actor,
        person=request.person,
    )


def _must_wait_for_people(
    session: Session, environment: EnvironmentRow, row: DeploymentRow
) -> bool:
    """Asked again when its turn comes: the rule may be a stricter one by then."""
    plan = Plan.model_validate(row.plan)
    return row.needs_approval or needed(session, environment, plan, row.forced)


def _same_key(session: Session, draft: Draft, request: Request) -> int | None:
    """The deployment that this key has led to already."""
    if request.idempotency_key is None:
        return None
    target, kind = draft.target.digest, draft.plan.kind
    found = of_key(session, draft.site.id, request.idempotency_key, target, kind)
    return found.seq if found else None


def of_key(
    session: Session, environment_id: int, key: str, target: str, kind: Kind
) -> DeploymentRow | None:
    """The deployment that a key has led to, if it is of the revision with the digest `target`. One
    that waited was planned anew meanwhile, so it is not the plan that is compared. Raises
    KeyUsedOtherwise."""
    found = deployments.by_idempotency(session, environment_id, key)
    if found is None:
        return None
    revision = revisions.get(session, found.to_revision_id)
    if (revision.digest, found.kind) == (target, kind.value):
        return found
    raise KeyUsedOtherwise(
        f"the idempotency key has begun another deployment already: {describe(session, found)}",
        why=["a key stands for one request, however often it is repeated"],
        fix=["use a new key for a new request"],
        details={"deployment": f"d{found.seq}"},
    )


def _refuse_deleted(environment: EnvironmentRow) -> None:
    if environment.archived_at is not None or environment.deleting_at is not None:
        raise UnknownEnvironment(
            f"{environment.name} is being deleted",
            why=["nothing was begun"],
            fix=["orchestrate env list"],
        )


def _moves(draft: Draft) -> str:
    before = draft.live.version if draft.live else None
    return words.change(before, draft.target.version)


def _refuse_empty(draft: Draft) -> None:
    if draft.plan.steps:
        return
    name, live = draft.row.name, f" (r{draft.live.id})" if draft.live else ""
    raise NothingToDo(
        f"{name} already serves {draft.target.version} with this config{live}. Nothing to do."
    )


def _ground(row: EnvironmentRow) -> tuple[object, ...]:
    """What a deployment stands on: it is carried out with what the environment says then."""
    return row.type, row.provider, row.url, row.config, row.rules.get("migrations")


def _moved(draft: Draft, how: str) -> PlanChanged:
    return PlanChanged(
        f"{draft.row.name} changed while it was being planned",
        why=[f"{how}; nothing was changed by this one"],
        fix=["do it again"],
    )


def _busy(store: Store, draft: Draft) -> EnvironmentBusy:
    with store.session() as session:
        holder = deployments.running(session, draft.site.id)
        said = describe(session, holder) if holder else "a deployment that has just ended"
        waits = holder is not None and holder.phase == Phase.AWAITING_APPROVAL.value
        back = draft.plan.kind is Kind.ROLLBACK
        if holder is not None and back and holder.kind == Kind.DEPLOY.value:
            return under_way(session, draft.row, holder)
    name, version = draft.row.name, draft.target.version
    number = f"d{holder.seq}" if holder else ""
    return EnvironmentBusy(
        f"{name} is taken by {said}",
        why=["one deployment at a time", *([f"{number} waits for an approval"] if waits else [])],
        fix=[
            f"wait for it: orchestrate deploy status {number}"
            if back
            else f"wait for it: orchestrate deploy --env {name} --version {version} --queue",
            f"or stop it: orchestrate deploy cancel {number}",
        ],
        details={"deployment": number},
    )


def under_way(
    session: Session, environment: EnvironmentRow, holder: DeploymentRow
) -> EnvironmentBusy:
    """What is said to whoever wants to roll back while a deployment runs: to stop it is the way
    back, and the quicker one."""
    number = f"d{holder.seq}"
    before = revisions.get(session, holder.from_revision_id) if holder.from_revision_id else None
    back = f"puts {before.version} back" if before else "takes away what it started"
    return EnvironmentBusy(
        f"{environment.name} is taken by {describe(session, holder)}",
        why=[
            "it is under way: there is nothing to roll back yet",
            f"cancelling it {back}",
        ],
        fix=[f"orchestrate deploy cancel {number}"],
        details={"deployment": number},
    )


def describe(session: Session, row: DeploymentRow) -> str:
    """`d142, 1.4.1 -> 1.4.2, by claude for lee`."""
    to = revisions.get(session, row.to_revision_id).version
    before = revisions.get(session, row.from_revision_id).version if row.from_revision_id else "-"
    by = f"{row.actor} for {row.on_behalf_of}" if row.on_behalf_of else row.actor
    return f"d{row.seq}, {before} -> {to}, by {by}"
