"""get_overview and get_environment: what is live where, how it does, what may be done."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from orchestrate.core import words
from orchestrate.core.approval import State
from orchestrate.core.deployment import Phase
from orchestrate.core.environment import Environment
from orchestrate.core.errors import InvalidInput, OrchestrateError
from orchestrate.core.names import did_you_mean
from orchestrate.core.protection import rule_of
from orchestrate.core.protocols import LiveState, RequestCounts
from orchestrate.core.revision import Revision
from orchestrate.core.windows import brief, describe, standing, zone_name
from orchestrate.engine.site import Site, site_of
from orchestrate.store import approvals, deployments, environments, revisions
from orchestrate.store.database import Session
from orchestrate.store.tables import EnvironmentRow, RevisionRow, now
from orchestrate.tools import present
from orchestrate.tools.documents import (
    Actor,
    AllowedAction,
    ApprovalBrief,
    Counts,
    EnvironmentDocument,
    Health,
    Live,
    OverviewDocument,
    OverviewRow,
    RollbackTarget,
    Running,
    Traffic,
    WindowDocument,
)
from orchestrate.tools.operation import Arguments, Context
from orchestrate.tools.plans import target_document


class GetOverview(Arguments):
    app: str | None = Field(default=None, description="Only this app's environments")


class GetEnvironment(Arguments):
    environment: str = Field(description="Environment name, or app/name")
    include: list[Literal["settings"]] = Field(
        default=[], description="settings: config, variables, strategy, health gate as set"
    )


def get_overview(context: Context, given: GetOverview) -> OverviewDocument:
    """Every environment: live version, health, traffic split, running deployment. Start here."""
    with context.service.store.session() as session:
        rows = environments.every(session)
        if given.app is not None:
            rows = _of_app(rows, given.app)
        items = [_overview_row(session, context, row) for row in rows]
    if not items:
        return OverviewDocument(
            items=[],
            summary="no environment has been created yet",
            next=["orchestrate env create --file orchestrate.yaml"],
        )
    busy = sum(1 for item in items if item.now)
    ill = [item.name for item in items if item.live and item.health not in ("healthy", "unknown")]
    summary = f"{words.counted(len(items), 'environment')}, {busy} deploying"
    if ill:
        summary += f", not healthy: {', '.join(ill)}"
    return OverviewDocument(items=items, summary=summary, next=["get_environment"])


def get_environment(context: Context, given: GetEnvironment) -> EnvironmentDocument:
    """One environment as recorded and as observed now: live version, health, traffic, running
    deployment, rollback target, drift, and which actions are allowed (or why not).
    """
    with context.service.store.session() as session:
        row = environments.find(session, given.environment)
        return environment_document(session, context, row, "settings" in given.include)


def environment_document(
    session: Session, context: Context, row: EnvironmentRow, with_settings: bool
) -> EnvironmentDocument:
    settings = environments.as_environment(row)
    live_row = revisions.live(session, row)
    observed, problem, site = _observe(context, row)
    health, health_text = _health(live_row, observed, problem)
    live = _live(session, row, live_row)
    open_ones = [
        (r.taken_at is not None, present.running(session, r))
        for r in deployments.open_ones(session, row.id)
    ]
    running = next((document for taken, document in open_ones if taken), None)
    target_row = revisions.rollback_target(session, row)
    target = target_document(context, row, target_row) if target_row else None
    weights = _weights(observed)
    return EnvironmentDocument(
        app=row.app,
        name=row.name,
        type=row.type,
        provider=row.provider,
        url=row.url,
        address=observed.address if observed else None,
        strategy=settings.strategy.type,
        live=live,
        health=health,
        health_text=health_text,
        observed_at=now(),
        weights_percent=weights,
        traffic=_traffic(site, observed),
        running=running,
        queued=[document for taken, document in open_ones if not taken],
        waiting_approvals=_waiting(session, row),
        rollback_target=target,
        kept_until=row.kept_until,
        drift=_drift(settings, live_row, observed, moving=running is not None),
        quarantined=sorted({r.version for r in revisions.quarantined(session, row)}),
        requires_approval=rule_of(settings) is not None,
        window=_window(settings),
        guarded=settings.guarded,
        allowed_actions=_allowed(settings, running, target),
        settings=settings if with_settings else None,
        summary=_summary(row, live, health, health_text, running),
        next=_next(row, live, running, target),
    )


def _window(settings: Environment) -> WindowDocument | None:
    """Whether deployments may begin now, and when that changes."""
    calendar, at = settings.calendar, now()
    text = brief(calendar, at)
    if text is None:
        return None
    standing_now = standing(calendar, at)
    return WindowDocument(
        open=standing_now.open,
        changes_at=standing_now.until,
        zone=zone_name(calendar, standing_now),
        text=text,
        rules=describe(calendar),
        on_close=calendar.on_close,
    )


def _of_app(rows: Sequence[EnvironmentRow], app: str) -> list[EnvironmentRow]:
    found = [row for row in rows if row.app == app]
    if rows and not found:
        apps = sorted({row.app for row in rows})
        meant = did_you_mean(app, apps)
        raise InvalidInput(
            f"there is no app {app[:60]!r}",
            why=[f"known are {', '.join(apps[:10])}"],
            fix=[f"did you mean {meant[0]}?"] if meant else [],
        )
    return found


def _waiting(session: Session, row: EnvironmentRow) -> list[ApprovalBrief]:
    """Requests for this environment that nobody decided yet."""
    found = approvals.page(session, environment_id=row.id, state=State.WAITING)
    return [present.brief(session, each) for each in found]


def _overview_row(session: Session, context: Context, row: EnvironmentRow) -> OverviewRow:
    live_row = revisions.live(session, row)
    observed, problem, _ = _observe(context, row) if live_row else (None, None, None)
    busy = deployments.running(session, row.id or 0)
    return OverviewRow(
        app=row.app,
        name=row.name,
        type=row.type,
        live=_live(session, row, live_row),
        health=_health(live_row, observed, problem)[0],
        weights_percent=_weights(observed),
        now=present.running(session, busy) if busy else None,
    )


def _observe(
    context: Context, row: EnvironmentRow
) -> tuple[LiveState | None, str | None, Site | None]:
    """What the provider sees; why it cannot be seen."""
    try:
        site = site_of(row, context.service.place)
        return site.provider.observe(), None, site
    except OrchestrateError as error:
        return None, error.message, None


def _live(session: Session, row: EnvironmentRow, revision: RevisionRow | None) -> Live | None:
    if revision is None or row.live_deployment is None or row.live_since is None:
        return None
    by = deployments.get(session, row.live_deployment)
    return Live(
        version=revision.version,
        revision=f"r{revision.id}",
        deployment_id=f"d{row.live_deployment}",
        since=row.live_since,
        by=Actor(actor=by.actor, on_behalf_of=by.on_behalf_of),
    )


def _health(
    live: RevisionRow | None, observed: LiveState | None, problem: str | None
) -> tuple[Health, str]:
    if observed is None:
        return "unknown", problem or "nothing is live"
    if live is None:
        return "unknown", "nothing is live"
    running = [r for r in observed.replicas(live.key) if r.state == "running"]
    text = f"{len(running)} of {live.replicas} replicas run"
    if not running:
        return "down", text
    if len(running) < live.replicas:
        return "degraded", text
    if not observed.shares:
        return "down", f"{text}, but no traffic reaches them"
    return "healthy", text


def _weights(observed: LiveState | None) -> dict[str, int]:
    found: dict[str, int] = {}
    for share in observed.shares if observed else ():
        if share.percent:
            version = share.revision.version
            found[version] = found.get(version, 0) + share.percent
    return found


def _traffic(site: Site | None, observed: LiveState | None) -> Traffic | None:
    if site is None or observed is None or not site.provider.capabilities.counts_requests:
        return None
    try:
        counts = site.provider.requests()
    except OrchestrateError:
        return None  # shown as "no data"; health tells of the edge itself
    versions = {r.revision.key: r.revision.version for r in observed.running}
    by_version: dict[str, Counts] = {}
    for key, count in counts.items():
        if key in versions:
            by_version[versions[key]] = _add(by_version.get(versions[key]), count)
    return Traffic(
        total=sum(c.total for c in by_version.values()),
        failed=sum(c.failed for c in by_version.values()),
        by_version=by_version,
    )


def _add(before: Counts | None, count: RequestCounts) -> Counts:
    return Counts(
        failed=count.failed + (before.failed if before else 0),
        total=count.total + (before.total if before else 0),
    )


def _drift(
    settings: Environment, live: RevisionRow | None, observed: LiveState | None, *, moving: bool
) -> list[str]:
    """Where what is set, what is live and what is observed differ. While a deployment moves the
    traffic, that is not drift."""
    if live is None:
        return []
    found: list[str] = []
    revision: Revision = revisions.as_revision(live)
    for name in sorted(settings.variables.keys() | revision.variables.keys()):
        if settings.variables.get(name) != revision.variables.get(name):
            found.append(f"variable {name} was changed since; deploy to apply it")
    if settings.config != revision.config:
        found.append("config was changed since; deploy to apply it")
    if not moving and observed is not None and observed.shares and observed.percent(live.key) == 0:
        found.append(f"traffic is not on {live.version}, which is recorded as live")
    return found


def _allowed(
    settings: Environment, running: Running | None, target: RollbackTarget | None
) -> list[AllowedAction]:
    awaits = running is not None and running.phase is Phase.AWAITING_APPROVAL
    goes_on = "waits for approval" if awaits else "is running"
    busy = f"{running.id} {goes_on}" if running else None
    idle = busy if awaits else None if running else "nothing is running"
    paused = running is not None and running.paused
    back = None if target and target.restorable else "there is no revision to go back to"
    ending = (
        f"{running.id} is {running.phase.value.replace('_', ' ')}"
        if running and running.phase in ("rolling_back", "cancelling")
        else None
    )
    reasons = {
        "deploy": busy,
        "rollback": (None if awaits else busy) or back,
        "pause": idle or ending or ("it is paused already" if paused else None),
        "resume": idle or ending or (None if paused else "it is not paused"),
        "promote": idle or ending,
        "cancel": ("nothing is running" if running is None else None) or ending,
    }
    return [
        AllowedAction(action=action, allowed=why is None, why=why)
        for action, why in reasons.items()
    ]


def _summary(
    row: EnvironmentRow, live: Live | None, health: str, text: str, running: Running | None
) -> str:
    said = f"{row.name} serves {live.version}, {health}" if live else f"{row.name}: nothing is live"
    if live and health != "healthy":
        said += f" ({text})"
    if running:
        change = words.change(running.from_version, running.to_version)
        said += f"; {running.id} {change} is {running.phase.value.replace('_', ' ')}"
    return said


def _next(
    row: EnvironmentRow, live: Live | None, running: Running | None, target: RollbackTarget | None
) -> list[str]:
    if running:
        return [f"wait_deployment(deployment='{running.id}')"]
    found = [f"plan_deployment(environment='{row.name}', version=...)"]
    if live and target and target.restorable:
        found.append(f"rollback(environment='{row.name}')")
    return found
