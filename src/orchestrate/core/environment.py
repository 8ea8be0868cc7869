"""An environment: a named place to deploy to, and how deployments there are done."""

from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, JsonValue, model_validator

from orchestrate.core.approval import Approvals, Factor
from orchestrate.core.limits import Limits
from orchestrate.core.metrics import Metrics
from orchestrate.core.migrations import Migrations
from orchestrate.core.model import Model
from orchestrate.core.notification import Notification
from orchestrate.core.validation import Checks
from orchestrate.core.verification import Verification
from orchestrate.core.windows import Calendar


class EnvironmentType(StrEnum):
    DEV = "dev"
    STAGING = "staging"
    PRODUCTION = "production"


class StrategyName(StrEnum):
    RECREATE = "recreate"
    ROLLING = "rolling"
    BLUE_GREEN = "blue-green"
    CANARY = "canary"


class HealthGate(Model):
    """The questions a replica must answer before it gets traffic."""

    path: str = Field(default="/healthz", pattern=r"^/")
    expect_status: int = Field(default=200, ge=100, le=599)
    healthy_after: int = Field(default=2, ge=1, le=100)
    """Good answers in a row that make a replica healthy."""
    interval_s: float = Field(default=0.5, gt=0, le=60)
    timeout_s: float = Field(default=2.0, gt=0, le=60)
    start_timeout_s: float = Field(default=60.0, gt=0, le=86400)
    """Time from start to healthy; afterwards the revision counts as unhealthy."""
    version_header: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]+$")
    """Response header that must hold the version, in the health answers and at the front door."""


class AnalysePolicy(Model):
    """How long a canary is watched at a weight, and what ends it."""

    window_s: float = Field(default=60.0, ge=0, le=86400)
    min_requests: int = Field(default=20, ge=0)
    """Requests the new revision must have answered; fewer is no data, and holds."""
    max_error_ratio: float = Field(default=0.05, gt=0, le=1)
    """Share of failed (5xx) answers above which the release is refused."""
    alpha: float = Field(default=0.05, gt=0, le=0.2)
    """Chance that a release as good as the old one is ever refused; looks cost nothing."""
    margin: float = Field(default=2.0, gt=1, le=100)
    """Odds of an error, times the old one's, from which a release is never proven to be good."""
    negligible: float = Field(default=0.005, gt=0, le=1)
    """Share of failed answers that is good enough whatever the old one's is."""
    latency_quantile: float | None = Field(default=None, gt=0, lt=1)
    """Compare the share of answers slower than this quantile of the old one's; None: do not."""
    warm_up_s: float = Field(default=0.0, ge=0, le=86400)
    """Time at the start of each weight that is not compared."""
    bucket_s: float | None = Field(default=None, ge=0.5, le=600)
    """Length of what counts as one observation; None: a fifth of the window, at most 10 s."""
    horizon_s: float | None = Field(default=None, gt=0, le=604800)
    """Promote only with proof, and give up after so long at a weight; None: after the window."""
    at_horizon: Literal["rollback", "hold"] = "rollback"
    """Without a verdict at the horizon: put back what was live, or hold for a person."""
    no_data_s: float | None = Field(default=None, gt=0, le=604800)
    """No verdict, as at the horizon, after so long without data in a row, the window not counted;
    None: wait for it."""
    metrics: Metrics | None = None
    """Counts from a monitoring system, beside those of the platform."""


class Strategy(Model):
    """The strategy of an environment with its settings. Durations in seconds."""

    type: StrategyName = StrategyName.ROLLING
    steps: tuple[int, ...] = (10, 25, 50, 100)
    """Canary: traffic weights in percent, rising, the last one 100."""
    analyse: AnalysePolicy = AnalysePolicy()
    batch: int = Field(default=1, ge=1)
    """Rolling: replicas replaced at a time."""
    bake_s: float = Field(default=0.0, ge=0)
    """Time at full traffic with the old revision as fallback."""
    keep_old_s: float = Field(default=0.0, ge=0)
    """Time the old revision keeps running after success, for a rollback by switch."""
    drain_s: float = Field(default=30.0, ge=0, le=3600)
    """Longest wait for requests in flight before a replica is stopped."""


Backend = Literal["vault", "aws", "ssm", "env"]


class SecretSource(Model):
    """Where a secret is kept that is not in our own store."""

    backend: Backend
    name: str = Field(min_length=1, max_length=2048, pattern=r"^[^#@$\s]+$")
    """A path in Vault's KV store, a secret of AWS Secrets Manager, a parameter of SSM, a variable
    of the service's environment."""
    key: str | None = Field(default=None, max_length=256, pattern=r"^[^@#$\s]+$")
    """Of a secret that is an object: the member that is meant."""

    @property
    def text(self) -> str:
        """`vault:shop/api#key`."""
        return f"{self.backend}:{self.name}" + (f"#{self.key}" if self.key else "")

    def version(self, number: str) -> str:
        """The name of one version of it."""
        return f"{self.text}@{number}"


class BackendSettings(Model):
    """How the service reaches a backend. Credentials are named here, never written."""

    address: str | None = Field(default=None, pattern=r"^https?://[^\s@]+$")
    mount: str = Field(default="secret", pattern=r"^[A-Za-z0-9_./-]+$")
    namespace: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_./-]+$")
    token: str = Field(
        default="env:VAULT_TOKEN", pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:/.+)$"
    )
    """`env:NAME` of a variable of the service, or `file:/path` of a file."""
    region: str | None = Field(default=None, pattern=r"^[a-z0-9-]+$")
    profile: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_.-]+$")
    """Of the service's own AWS configuration; it can name a role to assume."""


class Environment(Model):
    """One environment of one app."""

    app: str
    name: str
    type: EnvironmentType
    provider: str
    """Canonical provider name, such as `local` or `aws_ecs`."""
    url: str | None = None
    config: dict[str, JsonValue] = Field(default_factory=dict)
    """The provider's own settings; the provider checks them."""
    strategy: Strategy = Strategy()
    health: HealthGate = HealthGate()
    verify: Verification = Verification()
    """What a new revision is asked before it counts as deployed."""
    migrations: Migrations | None = None
    variables: dict[str, str] = Field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    """Names only. Values never enter this type."""
    secret_sources: dict[str, SecretSource] = Field(default_factory=dict)
    """Those of them that are not in our own store."""
    secret_backends: dict[Literal["vault", "aws"], BackendSettings] = Field(default_factory=dict)
    requires_approval: bool = False
    """One approver must say yes, unless `approvals` says more."""
    approvals: Approvals | None = None
    timeout_s: float = Field(default=1800.0, gt=0)
    """Deadline of one deployment, waiting for its turn not counted."""
    when_busy: Literal["refuse", "queue"] = "refuse"
    limits: Limits | None = None
    checks: Checks = Checks()
    """What must be known of a version before it is deployed."""
    calendar: Calendar = Calendar()
    """When deployments may begin."""
    notifications: tuple[Notification, ...] = ()
    source: str | None = None
    """Where it was defined: `orchestrate.yaml:14`, or None for the command line."""

    @property
    def guarded(self) -> bool:
        """Whether a change needs a person's explicit yes."""
        return self.type is EnvironmentType.PRODUCTION

    @model_validator(mode="after")
    def _no_client_approves_production(self) -> Self:
        """An agent's client can answer its own questions: such an answer is no approval here."""
        if self.guarded and self.approvals and Factor.ELICITATION in self.approvals.factors:
            raise ValueError("elicitation cannot approve a change of a production environment")
        return self
