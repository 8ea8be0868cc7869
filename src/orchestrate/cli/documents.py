"""The service's documents as this client reads them: the fields it uses, by their JSON names.

Only for the type checker; at run time a document is what `json` made of it. A test holds them to
the documents of the service.
"""

from typing import Literal, NotRequired, TypedDict

from orchestrate.cli.setup_documents import ConfiguredNotification as ConfiguredNotification
from orchestrate.cli.setup_documents import MasterKeyRotated as MasterKeyRotated
from orchestrate.cli.setup_documents import Migration as Migration
from orchestrate.cli.setup_documents import Migrations as Migrations
from orchestrate.cli.setup_documents import Notification as Notification
from orchestrate.cli.setup_documents import NotificationList as NotificationList
from orchestrate.cli.setup_documents import Secret as Secret
from orchestrate.cli.setup_documents import SecretList as SecretList
from orchestrate.cli.setup_documents import SecretRemoved as SecretRemoved
from orchestrate.cli.setup_documents import SecretSet as SecretSet


class Actor(TypedDict):
    actor: str
    on_behalf_of: str | None


class Error(TypedDict):
    code: str
    message: str
    why: list[str]
    fix: list[str]
    untrusted_lines: NotRequired[list[str]]
    """Of a deployment's error: the last lines its version logged."""


class Step(TypedDict):
    key: str
    kind: str
    state: str
    title: str
    text: str | None
    started_at: str | None
    duration_s: float | None


class Serving(TypedDict):
    version: str | None
    observed_at: str
    weights_percent: dict[str, int]


class Counts(TypedDict):
    failed: int
    total: int


class Verdict(TypedDict):
    outcome: str
    metric: str
    new: Counts
    old: Counts
    limit_ratio: float
    reason: str
    state: str | None
    watched_s: float | None
    horizon_s: float | None


class AnalysisPoint(TypedDict):
    bucket: int
    difference: float | None
    lower: float | None
    upper: float | None


class Metric(TypedDict):
    metric: str
    new: Counts
    old: Counts
    buckets: int
    difference: float | None
    lower: float | None
    upper: float | None
    evidence: float
    refused_from: float
    proof: float
    dispersion: float | None
    baseline_agrees: bool
    points: list[AnalysisPoint]


class Analysis(TypedDict):
    deployment_id: str
    from_version: str | None
    to_version: str
    verdict: Verdict
    alpha: float
    margin: float
    slow_over_s: float | None
    metrics: list[Metric]
    svg: str | None
    summary: str


class Verified(TypedDict):
    name: str
    result: str
    text: str
    fix: str | None
    percent: int
    duration_s: float
    untrusted_lines: list[str]


class Requests(TypedDict):
    total: int
    lost: int
    failed_by_new: int
    seen_by_new: int


class ApprovalBrief(TypedDict):
    id: str
    state: str
    has: int
    needs: int
    roles: list[str]
    approvers: int
    expires_at: str
    waiting_since: str
    by: list[str]
    break_glass: str | None
    url: str | None
    command: str


class Deployment(TypedDict):
    id: str
    kind: str
    app: str
    environment: str
    phase: str
    terminal: bool
    paused: bool
    result: str | None
    summary: str
    from_version: str | None
    to_version: str
    to_revision: str
    serving: Serving | None
    strategy: str
    plan_digest: str
    requested_by: Actor
    reason: str | None
    created_at: str
    started_at: str | None
    ended_at: str | None
    deadline_at: str | None
    duration_s: float | None
    approval: ApprovalBrief | None
    steps: list[Step]
    verdict: Verdict | None
    checks: list[Verified]
    remains: list[str]
    requests: Requests | None
    undoes: str | None
    undone_by: str | None
    quarantined: bool
    error: Error | None
    url: str
    next: list[str]


class DeploymentRow(TypedDict):
    id: str
    kind: str
    app: str
    environment: str
    phase: str
    from_version: str | None
    to_version: str
    requested_by: Actor
    created_at: str
    duration_s: float | None
    why: str


class DeploymentList(TypedDict):
    items: list[DeploymentRow]
    next_cursor: str | None


class Event(TypedDict):
    seq: int
    at: str
    step: str
    state: str
    duration_s: float | None
    text: str


class Follow(TypedDict):
    deployment: Deployment
    events: list[Event]
    after: int


class PlanChange(TypedDict):
    sign: str
    what: str
    name: str
    before: str | None
    after: str | None


class PlanStep(TypedDict):
    key: str
    kind: str
    title: str


class RollbackTarget(TypedDict):
    version: str
    revision: str
    restorable: bool
    running: bool
    lost: list[str]
    secrets: int
    secrets_readable: int


class Rise(TypedDict):
    times: float
    after_s: float | None


class Expected(TypedDict):
    percent: int
    sees: list[Rise]
    promote_s: float | None
    horizon_s: float | None
    problem: str | None


class Plan(TypedDict):
    digest: str
    app: str
    environment: str
    kind: str
    strategy: str
    from_version: str | None
    from_revision: str | None
    to_version: str
    to_revision: str | None
    nothing_to_do: bool
    changes: list[PlanChange]
    steps: list[PlanStep]
    rollback: RollbackTarget | None
    remains: list[str]
    needs_confirmation: bool
    needs_approval: bool
    window: str | None
    on_close: str | None
    at_least_s: float
    analysis: Expected | None
    expires_at: str
    summary: str
    next: list[str]


class Evidence(TypedDict):
    about: str
    source: str
    at: str
    reused: bool


class Check(TypedDict):
    name: str
    result: str
    text: str
    fix: str | None
    duration_s: float
    evidence: NotRequired[Evidence | None]


class Validation(TypedDict):
    app: str
    environment: str
    version: str | None
    ready: bool
    pending: bool
    commit: str | None
    artifact: str | None
    checks: list[Check]
    summary: str
    next: list[str]


class Live(TypedDict):
    version: str
    revision: str
    deployment_id: str
    since: str
    by: Actor


class Traffic(TypedDict):
    total: int
    failed: int
    by_version: dict[str, Counts]


class Running(TypedDict):
    id: str
    kind: str
    phase: str
    paused: bool
    from_version: str | None
    to_version: str
    step: str | None
    text: str | None
    since: str
    by: Actor


class Window(TypedDict):
    open: bool
    changes_at: str | None
    zone: str
    text: str
    rules: str
    on_close: str


class Environment(TypedDict):
    app: str
    name: str
    type: str
    provider: str
    url: str | None
    address: str | None
    strategy: str
    live: Live | None
    health: str
    health_text: str
    observed_at: str
    weights_percent: dict[str, int]
    traffic: Traffic | None
    running: Running | None
    queued: list[Running]
    waiting_approvals: list[ApprovalBrief]
    rollback_target: RollbackTarget | None
    kept_until: str | None
    drift: list[str]
    quarantined: list[str]
    requires_approval: bool
    window: Window | None
    guarded: bool
    settings: dict[str, object] | None
    summary: str
    next: list[str]


class OverviewRow(TypedDict):
    app: str
    name: str
    type: str
    live: Live | None
    health: str
    weights_percent: dict[str, int]
    now: Running | None


class Overview(TypedDict):
    items: list[OverviewRow]
    summary: str
    next: list[str]


class Logs(TypedDict):
    app: str
    environment: str
    deployment_id: str | None
    version: str
    untrusted_lines: list[str]
    truncated: bool
    next: list[str]


class FieldChange(TypedDict):
    field: str
    before: object
    after: object


class EnvironmentChange(TypedDict):
    app: str
    name: str
    action: Literal["create", "change", "unchanged"]
    changes: list[FieldChange]


class EnvironmentChanges(TypedDict):
    applied: bool
    items: list[EnvironmentChange]


class DeletedEnvironment(TypedDict):
    app: str
    name: str
    archived: bool


class Service(TypedDict):
    version: str
    pid: int
    home: str
    store: str
    running: int
    idle_exit_s: float | None


class Doctor(TypedDict):
    ok: bool
    checks: list[Check]
