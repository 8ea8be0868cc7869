"""plan_deployment: what would happen. Nothing is changed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from pydantic import Field, JsonValue

from orchestrate.core import words
from orchestrate.core.analysis.expect import Expected
from orchestrate.core.canonical import short
from orchestrate.core.deployment import Kind
from orchestrate.core.environment import StrategyName
from orchestrate.core.errors import InvalidInput
from orchestrate.core.identity import Role
from orchestrate.core.plan import Plan, step_keys
from orchestrate.core.protocols import Restorable
from orchestrate.core.revision import Revision
from orchestrate.core.secret_rules import shown
from orchestrate.core.steps import Route, Step, takes
from orchestrate.core.windows import brief, refusal
from orchestrate.engine.approving import needed
from orchestrate.engine.expecting import expected, too_long
from orchestrate.engine.planning import Draft, draft_deployment, draft_rollback, remains_of
from orchestrate.engine.site import site_of
from orchestrate.store import environments, plans, revisions
from orchestrate.store.database import Session
from orchestrate.store.tables import EnvironmentRow, PlanRow, RevisionRow, now
from orchestrate.tools.analysis import expected_document
from orchestrate.tools.documents import (
    PlanChange,
    PlanDocument,
    PlanStep,
    RollbackTarget,
    Sign,
)
from orchestrate.tools.operation import Arguments, Context


class PlanDeployment(Arguments):
    environment: str = Field(description="Environment name, or app/name")
    version: str | None = Field(
        default=None, description="Such as 1.4.2; a rollback's default is the last verified one"
    )
    strategy: StrategyName | None = Field(default=None, description="Default: the environment's")
    kind: Literal[Kind.DEPLOY, Kind.ROLLBACK] = Field(
        default=Kind.DEPLOY, description="deploy or rollback"
    )
    force: bool = Field(default=False, description="Plan a quarantined revision all the same")


class ShowPlan(Arguments):
    plan: str = Field(description="Plan digest, or its first 8 characters or more")


def plan_deployment(context: Context, given: PlanDeployment) -> PlanDocument:
    """Work out the exact steps of a deployment (or kind rollback), what differs, and the way
    back, under a digest. Nothing is changed until start_deployment, though the commands that list
    migrations run, where there are any. Show the plan to the person.
    """
    service = context.service
    with service.store.session() as session:
        row = environments.find(session, given.environment)
        if given.kind is Kind.ROLLBACK:
            draft = draft_rollback(session, service.place, row, given.version, given.force)
        elif given.version is None:
            raise InvalidInput("version is missing", fix=["name the version to deploy"])
        else:
            draft = draft_deployment(
                session, service.place, row, given.version, given.strategy, given.force
            )
        kept = plans.keep(session, row, draft.plan, draft.target, given.strategy)
        return plan_document(session, context, draft, kept)


def show_plan(context: Context, given: ShowPlan) -> PlanDocument:
    """A plan that was made before."""
    with context.service.store.session() as session:
        kept = plans.find(session, given.plan)
        row = environments.get(session, kept.environment_id)
        plan = Plan.model_validate(kept.body)
        target = Revision.model_validate(kept.target)
        live = revisions.live(session, row)
        site = site_of(row, context.service.place)
        observed = site.provider.observe()
        before = live.version if live else None
        draft = Draft(row, site, plan, target, 0, live, observed, None, remains_of(plan, before))
        return plan_document(session, context, draft, kept)


def plan_document(session: Session, context: Context, draft: Draft, kept: PlanRow) -> PlanDocument:
    plan, row = draft.plan, draft.row
    keys, divides = step_keys(plan.steps), draft.site.provider.capabilities.divides
    before = revisions.as_revision(draft.live) if draft.live else None
    to = revisions.by_key(session, row.id or 0, draft.target.key)
    name, version = row.name, draft.target.version
    from_version = draft.live.version if draft.live else None
    moves = f"{from_version or 'nothing'} -> {version}"
    summary = f"plan {short(plan.digest)}: {name} {moves}, {plan.strategy.value}"
    people = needed(session, row, plan, forced=False)
    seen = expected(session, draft, may_run=context.caller.principal.may(Role.DEPLOYER))
    if not plan.steps:
        number = f" (r{draft.live.id})" if draft.live else ""
        summary = f"{name} already serves {version} with this config{number}. Nothing to do."
    return PlanDocument(
        digest=plan.digest,
        app=row.app,
        environment=name,
        kind=plan.kind,
        strategy=plan.strategy,
        from_version=from_version,
        from_revision=f"r{draft.live.id}" if draft.live else None,
        to_version=version,
        to_revision=f"r{to.id}" if to else None,
        nothing_to_do=not plan.steps,
        changes=compare(before, draft.target),
        steps=[
            PlanStep(key=key, kind=step.kind, title=_title(step, divides))
            for key, step in zip(keys, plan.steps, strict=True)
        ],
        rollback=_way_back(session, context, draft),
        remains=list(draft.remains),
        needs_confirmation=(draft.site.environment.guarded and not people)
        or bool(draft.restorable and draft.restorable.lost),
        needs_approval=people,
        window=_window(draft),
        on_close=plan.on_close,
        at_least_s=sum(takes(step) for step in plan.steps),
        analysis=expected_document(_foreseen(seen, draft)) if seen else None,
        expires_at=kept.expires_at,
        summary=summary,
        next=[] if not plan.steps else [f"start_deployment(plan={short(plan.digest)!r})"],
    )


def _foreseen(seen: Expected, draft: Draft) -> Expected:
    """With what its own time forbids, where nothing else does."""
    late = too_long(draft, draft.site.environment.timeout_s)
    return seen if seen.problem or not late else replace(seen, problem=late)


def _window(draft: Draft) -> str | None:
    """Whether it may begin now; a rollback is never kept out."""
    if draft.plan.on_close is None:
        return None
    calendar = draft.site.environment.calendar
    needs_s = sum(takes(step) for step in draft.plan.steps)
    return refusal(calendar, now(), needs_s) or brief(calendar, now())


def compare(before: Revision | None, after: Revision) -> list[PlanChange]:
    """What differs between two revisions, value by value; one `=` line when nothing does."""
    if before is None:
        first = PlanChange(sign="+", what="version", name="", before=None, after=after.version)
        return [first, *_compare_secrets({}, after.secret_versions)]
    found: list[PlanChange] = []
    if before.version != after.version:
        found.append(_change("version", "", before.version, after.version))
    if before.artifact.digest != after.artifact.digest:
        name = after.artifact.kind
        found.append(
            _change("artifact", name, short(before.artifact.digest), short(after.artifact.digest))
        )
    found += _compare_maps("variable", dict(before.variables), dict(after.variables))
    found += _compare_secrets(before.secret_versions, after.secret_versions)
    found += _compare_maps("config", before.config, after.config)
    found += _compare_maps(
        "health", before.health.model_dump(mode="json"), after.health.model_dump(mode="json")
    )
    return found or [PlanChange(sign="=", what="revision", name="", before=None, after=None)]


def _compare_secrets(before: dict[str, str], after: dict[str, str]) -> list[PlanChange]:
    """Names and versions; values are never shown."""
    return _compare_maps(
        "secret",
        {name: shown(version) for name, version in before.items()},
        {name: shown(version) for name, version in after.items()},
    )


def _compare_maps(
    what: str, before: Mapping[str, JsonValue], after: Mapping[str, JsonValue]
) -> list[PlanChange]:
    names = sorted(before.keys() | after.keys())
    return [
        _change(
            what,
            name,
            _shown(before[name]) if name in before else None,
            _shown(after[name]) if name in after else None,
        )
        for name in names
        if before.get(name, ...) != after.get(name, ...)
    ]


def _change(what: str, name: str, before: str | None, after: str | None) -> PlanChange:
    sign: Sign = "+" if before is None else "-" if after is None else "~"
    return PlanChange(sign=sign, what=what, name=name, before=before, after=after)


def _shown(value: JsonValue) -> str:
    return value if isinstance(value, str) else str(value)


def _title(step: Step, divides: str) -> str:
    """A step in words; where the traffic is divided, by what."""
    title = words.step_title(step.model_dump(mode="json"))
    parts = [s for s in step.shares if s.percent] if isinstance(step, Route) else []
    return f"{title}, {divides}" if divides and len(parts) > 1 else title


def _way_back(session: Session, context: Context, draft: Draft) -> RollbackTarget | None:
    """After the change the live revision is what a rollback returns to."""
    if draft.live is None or draft.live.digest == draft.target.digest:
        return None
    return target_document(context, draft.row, draft.live)


def target_document(context: Context, row: EnvironmentRow, revision: RevisionRow) -> RollbackTarget:
    """A revision as a rollback target."""
    found = _restorable(context, row, revision)
    return RollbackTarget(
        version=revision.version,
        revision=f"r{revision.id}",
        restorable=found.ok,
        running=found.running,
        lost=list(found.lost),
        secrets=found.secrets,
        secrets_readable=found.readable,
    )


def _restorable(context: Context, row: EnvironmentRow, revision: RevisionRow) -> Restorable:
    restored = revisions.as_revision(revision)
    return site_of(row, context.service.place, restored).restorable(restored)
