"""Asking for a deployment: the transaction that takes the environment, or waits for it."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy.exc import IntegrityError

from orchestrate.core import words
from orchestrate.core.canonical import short
from orchestrate.core.deployment import Kind
from orchestrate.core.errors import EnvironmentBusy, NothingToDo, PlanChanged, SecretMissing
from orchestrate.core.plan import Plan, retire_plan, step_keys
from orchestrate.engine.planning import Draft, redraft
from orchestrate.engine.site import site_of
from orchestrate.store import deployments, environments, revisions
from orchestrate.store.database import Session, Store
from orchestrate.store.tables import DeploymentRow, now

SERVICE = "orchestrate"
"""The actor of what the service does by itself."""


@dataclass(frozen=True)
class Request:
    """Who asks for what."""

    actor: str
    on_behalf_of: str | None = None
    reason: str | None = None
    timeout_s: float | None = None
    queue: bool = False
    force: bool = False
    quarantine: bool = False
    idempotency_key: str | None = None


def take(store: Store, draft: Draft, request: Request) -> tuple[int, bool]:
    """Record the deployment; returns its number and whether it may begin now.

    One transaction takes the environment: the database refuses the second of two at once. Raises
    NothingToDo, SecretMissing, EnvironmentBusy (unless it may wait).
    """
    _refuse_empty(draft)
    _refuse_secrets(draft)
    waits = request.queue or draft.site.environment.when_busy == "queue"
    try:
        with store.session() as session:
            return _add(session, draft, request, taken=True), True
    except IntegrityError:
        if not waits:
            raise _busy(store, draft) from None
    with store.session() as session:
        return _add(session, draft, request, taken=False), False


def replan(session: Session, home: Path, seq: int) -> None:
    """Plan a waiting deployment again now that it is its turn.

    What it was planned from has changed meanwhile; where a person must agree to the plan, a moved
    plan is refused with PlanChanged, else the new plan is recorded and said.
    """
    row = deployments.get(session, seq)
    environment = environments.get(session, row.environment_id)
    draft = redraft(session, home, environment, Plan.model_validate(row.plan), row.forced)
    if draft.plan.digest == row.plan_digest:
        return
    _refuse_empty(draft)
    if draft.site.environment.guarded:
        raise PlanChanged(
            f"{environment.name} is not as it was when plan {short(row.plan_digest)} was made",
            why=["a deployment before it changed what is live"],
            fix=["look at the new plan: orchestrate deploy diff --env " + environment.name],
        )
    row.plan = draft.plan.model_dump(mode="json")
    before, row.plan_digest = row.plan_digest, draft.plan.digest
    row.from_revision_id = draft.live.id if draft.live else None
    session.add(row)
    deployments.replace_steps(session, seq, step_keys(draft.plan.steps), draft.plan.steps)
    text = f"planned again: {short(before)} -> {short(draft.plan.digest)}"
    deployments.tell(session, seq, "deploy", "planned", text)


def retire(store: Store, home: Path, environment_id: int) -> int | None:
    """Ask to stop the revision that was kept for a rollback; None when there is nothing to stop,
    or somebody else holds the environment (then it comes again)."""
    with store.session() as session:
        row = environments.get(session, environment_id)
        live = revisions.live(session, row)
        site = site_of(row, home)
        kept = [r.revision for r in site.provider.observe().running]
        kept = [ref for ref in kept if live is not None and ref.key != live.key]
        if live is None or not kept:
            row.kept_until = row.kept_revision_id = None
            session.add(row)
            return None
        plan = retire_plan(site.environment, revisions.as_revision(live), kept)
        target = revisions.as_revision(live)
    draft = Draft(row, site, plan, target, live.replicas, live, site.provider.observe(), None)
    try:
        with store.session() as session:
            request = Request(actor=SERVICE, reason="its time for a quick rollback is over")
            return _add(session, draft, request, taken=True)
    except IntegrityError:
        return None


def _add(session: Session, draft: Draft, request: Request, taken: bool) -> int:
    environment = environments.get(session, draft.site.id)
    if environment.live_revision_id != (draft.live.id if draft.live else None):
        raise _moved(draft)
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
        reason=request.reason,
        idempotency_key=request.idempotency_key,
        forced=request.force,
        quarantine=request.quarantine,
        timeout_s=timeout_s,
        taken_at=now() if taken else None,
        deadline_at=now() + timedelta(seconds=timeout_s) if taken else None,
        undoes=environment.live_deployment if draft.plan.kind is Kind.ROLLBACK else None,
    )
    text = f"{_moves(draft)} {draft.plan.strategy.value} plan {short(draft.plan.digest)}"
    return deployments.add(session, row, step_keys(draft.plan.steps), draft.plan.steps, text)


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


def _refuse_secrets(draft: Draft) -> None:
    names = draft.site.environment.secrets
    if names and draft.plan.kind is Kind.DEPLOY:
        raise SecretMissing(
            f"{draft.row.name} has no secret {names[0]}, and it names it",
            why=[f"named: {', '.join(names)}", "this version keeps no secrets yet"],
            fix=["take `secrets` out of the environment to deploy without them"],
        )


def _moved(draft: Draft) -> PlanChanged:
    return PlanChanged(
        f"{draft.row.name} changed while it was being planned",
        why=["another deployment ended in between; nothing was changed by this one"],
        fix=["do it again"],
    )


def _busy(store: Store, draft: Draft) -> EnvironmentBusy:
    with store.session() as session:
        holder = deployments.running(session, draft.site.id)
        said = describe(session, holder) if holder else "a deployment that has just ended"
    name, version = draft.row.name, draft.target.version
    number = f"d{holder.seq}" if holder else ""
    return EnvironmentBusy(
        f"{name} is taken by {said}",
        why=["one deployment at a time"],
        fix=[
            f"wait for it: orchestrate deploy --env {name} --version {version} --queue",
            f"or stop it: orchestrate deploy cancel {number}",
        ],
        details={"deployment": number},
    )


def describe(session: Session, row: DeploymentRow) -> str:
    """`d142, 1.4.1 -> 1.4.2, by claude for lee`."""
    to = revisions.get(session, row.to_revision_id).version
    before = revisions.get(session, row.from_revision_id).version if row.from_revision_id else "-"
    by = f"{row.actor} for {row.on_behalf_of}" if row.on_behalf_of else row.actor
    return f"d{row.seq}, {before} -> {to}, by {by}"
