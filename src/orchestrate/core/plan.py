"""Plans: the ordered steps from an environment's live revision to another, with their digest."""

from collections.abc import Sequence

from pydantic import Field

from orchestrate.core import rollback
from orchestrate.core.canonical import canonical, digest
from orchestrate.core.change import Change
from orchestrate.core.deployment import Kind
from orchestrate.core.environment import Environment, StrategyName
from orchestrate.core.errors import MetricsMissing, StrategyUnsupported
from orchestrate.core.metrics import ERRORS, refuse_blend, values
from orchestrate.core.migrations import Migration, MigrationPhase
from orchestrate.core.model import Model
from orchestrate.core.protocols import Capabilities, LiveState, RunningRevision
from orchestrate.core.revision import Ref, Revision
from orchestrate.core.steps import Analyse, Migrate, Step, Stop
from orchestrate.core.strategies import STRATEGIES
from orchestrate.core.validation import Checks
from orchestrate.core.windows import OnClose


class Plan(Model):
    """What one deployment will do. Equal plans have equal digests; nothing in it is a time."""

    app: str
    environment: str
    kind: Kind
    strategy: StrategyName
    from_digest: str | None
    """Digest of the live revision the plan starts from."""
    to_digest: str | None
    """Digest of the revision it ends with; None for a plan that only stops something."""
    old: Ref | None
    new: Ref | None
    steps: tuple[Step, ...]
    gates: str | None = None
    """Digest of the checks that must pass before it begins; None where only the usual ones do."""
    on_close: OnClose | None = None
    """What happens when its window closes on it; None where no window is set."""
    migrations: str | None = Field(default=None, exclude_if=lambda digest: digest is None)
    """Digest of the commands that migrate; None where it migrates nothing."""

    @property
    def migrates(self) -> bool:
        """Whether it changes the database."""
        return any(isinstance(step, Migrate) for step in self.steps)

    @property
    def text(self) -> str:
        """Canonical JSON."""
        return canonical(self.model_dump(mode="json"))

    @property
    def digest(self) -> str:
        return digest(self.model_dump(mode="json"))


def make_plan(
    environment: Environment,
    *,
    kind: Kind,
    target: Revision,
    live: Revision | None,
    observed: LiveState,
    capabilities: Capabilities,
    replicas: int,
    live_replicas: int,
    strategy: StrategyName | None = None,
    migrations: Sequence[Migration] = (),
) -> Plan:
    """The plan that takes `environment` from `live` to `target`, as things were observed, with
    those of `migrations` that expand carried out before it starts.

    Raises StrategyUnsupported, naming the alternatives, when the platform cannot do the strategy:
    nothing is silently downgraded. Raises MetricsMissing for an analysis of what nobody counts, and
    MetricsInvalid for one whose queries cannot tell the old from the new.
    """
    wanted = strategy or environment.strategy.type
    _check(environment, wanted, capabilities)
    change = _change(
        environment, target, live, observed, capabilities, replicas=replicas, before=live_replicas
    )
    native = capabilities.native.get(wanted)
    if native is not None:
        update = {"native_rolling": True, "native_how": native.how, "native_s": native.takes_s}
        change = change.model_copy(update=update)
    if already_there(target, live, observed, replicas):
        steps: tuple[Step, ...] = ()
    elif native is not None:
        steps = STRATEGIES[StrategyName.ROLLING](change)
    elif kind is Kind.ROLLBACK and not _back_as_forth(wanted, change):
        steps = rollback.steps(change)
    else:
        steps = STRATEGIES[wanted](change)
        _check_counted(environment, capabilities, change, steps)
    if steps:
        # The database first: whatever comes after it can then be undone without touching it.
        steps = (*migrate_steps(environment, target.version, migrations), *steps)
    return Plan(
        app=environment.app,
        environment=environment.name,
        kind=kind,
        strategy=wanted,
        from_digest=live.digest if live else None,
        to_digest=target.digest,
        old=change.old,
        new=target.ref,
        steps=steps,
        gates=_gates(environment, kind),
        on_close=_on_close(environment, kind),
        migrations=_commands(environment, steps),
    )


def migrations_digest(environment: Environment) -> str | None:
    """Of what `migrations` says there; None where it says nothing."""
    settings = environment.migrations
    return digest(settings.model_dump(mode="json")) if settings is not None else None


def _commands(environment: Environment, steps: Sequence[Step]) -> str | None:
    migrates = any(isinstance(step, Migrate) for step in steps)
    return migrations_digest(environment) if migrates else None


def _gates(environment: Environment, kind: Kind) -> str | None:
    asks = environment.checks != Checks() and kind is Kind.DEPLOY
    return environment.checks.digest if asks else None


def _on_close(environment: Environment, kind: Kind) -> OnClose | None:
    kept_out = not environment.calendar.empty and kind is Kind.DEPLOY
    return environment.calendar.on_close if kept_out else None


def retire_plan(
    environment: Environment,
    live: Revision,
    kept: Sequence[Ref],
    migrations: Sequence[Migration] = (),
) -> Plan:
    """The plan that stops revisions which were kept for a quick rollback, and then carries out the
    migrations that take from the database what only they needed. With such a migration it minds
    the windows as a deployment does."""
    steps: list[Step] = []
    for ref in kept:
        change = Change(
            new=live.ref,
            new_replicas=0,
            old=ref,
            settings=environment.strategy,
            health=environment.health,
        )
        steps += [step.model_copy(update={"undo": ()}) for step in change.stop_old()]
    contracts = migrate_steps(environment, live.version, migrations, "contract")
    steps += contracts
    return Plan(
        app=environment.app,
        environment=environment.name,
        kind=Kind.RETIRE,
        strategy=environment.strategy.type,
        from_digest=live.digest,
        to_digest=live.digest,
        old=live.ref,
        new=live.ref,
        steps=tuple(steps),
        on_close=_on_close(environment, Kind.DEPLOY) if contracts else None,
        migrations=_commands(environment, steps),
    )


def migrate_steps(
    environment: Environment,
    version: str,
    migrations: Sequence[Migration],
    phase: MigrationPhase = "expand",
) -> tuple[Step, ...]:
    """A step for each of `migrations` that is of `phase`, in their order."""
    settings = environment.migrations
    if settings is None:
        return ()
    return tuple(
        Migrate(name=each.name, phase=phase, version=version, within_s=settings.timeout_s)
        for each in migrations
        if each.phase == phase
    )


def already_there(
    target: Revision, live: Revision | None, observed: LiveState, replicas: int
) -> bool:
    """Whether `target` is live with all its replicas and all the traffic."""
    if live is None or live.digest != target.digest:
        return False
    return _runs(observed, target.key, replicas) and observed.percent(target.key) == 100


def _runs(observed: LiveState, key: str, replicas: int) -> bool:
    """Whether a revision runs with all its replicas; with any, where the platform counts them: a
    plan is not another one whenever an autoscaler has changed their number."""
    found = next((r for r in observed.running if r.revision.key == key), None)
    alive = sum(r.state == "running" for r in found.replicas) if found else 0
    return alive >= (1 if found and found.counted_by_platform else replicas)


def step_keys(steps: Sequence[Step]) -> tuple[str, ...]:
    """A unique, speaking key for each step: `start`, `route-10`, `analyse-10`, `stop-2`, ..."""
    found: list[str] = []
    for step in steps:
        name = _key(step)
        twins = sum(1 for key in found if key == name or key.startswith(f"{name}~"))
        found.append(f"{name}~{twins + 1}" if twins else name)
    return tuple(found)


def _key(step: Step) -> str:
    kind = step.kind.replace("_", "-")
    match step.kind:
        case "route":
            percents = [share.percent for share in step.shares]
            return f"route-{percents[-1] if percents else 0}"
        case "analyse" | "verify":
            return f"{kind}-{step.percent}"
        case "migrate":
            return f"{kind}-{step.name}"
        case _:
            return kind


def _back_as_forth(strategy: StrategyName, change: Change) -> bool:
    """Whether a rollback takes the way of a deployment: there is no room for two revisions, or the
    platform rolls back as it rolls, and nothing is running that one could switch to."""
    if strategy is StrategyName.RECREATE:
        return True
    return strategy is StrategyName.ROLLING and change.native_rolling and not change.new_runs


def _check(environment: Environment, wanted: StrategyName, capabilities: Capabilities) -> None:
    if wanted in capabilities.strategies:
        return
    able = sorted(name.value for name in capabilities.strategies)
    raise StrategyUnsupported(
        f"{environment.provider} cannot do {wanted.value}",
        why=[
            f'environment "{environment.name}" is on {environment.provider}',
            f"{environment.provider} can do: {', '.join(able)}",
        ],
        fix=[
            f"orchestrate deploy --env {environment.name} --version VERSION --strategy {name}"
            for name in able[:1]
        ]
        + [capabilities.missing[wanted] for _ in able[:1] if wanted in capabilities.missing],
    )


def _check_counted(
    environment: Environment, capabilities: Capabilities, change: Change, steps: Sequence[Step]
) -> None:
    """Refuse an analysis of what nobody counts, and one that cannot tell old from new."""
    policy = environment.strategy.analyse
    if change.old is None or not any(isinstance(step, Analyse) for step in steps):
        return
    sourced = policy.metrics is not None and ERRORS in policy.metrics.queries
    if not capabilities.counts_requests and not sourced:
        raise _uncounted(environment, "requests")
    if not capabilities.counts_requests and policy.latency_quantile is not None:
        raise _uncounted(environment, "slow answers, which latency_quantile needs")
    if policy.metrics is not None:
        new, old = (
            values(ref.version, ref.key, environment.app, environment.name)
            for ref in (change.new, change.old)
        )
        refuse_blend(policy.metrics, new, old)


def _uncounted(environment: Environment, what: str) -> MetricsMissing:
    return MetricsMissing(
        f"a canary in {environment.name} could not be analysed: nothing counts its requests",
        why=[f"{environment.provider} counts no {what}", "no data is no pass"],
        fix=[
            "name a metric source with the metric errors in orchestrate.yaml: strategy: {analyse: "
            "{metrics: {source: prometheus, ...}}}; see docs/metrics.md",
            f"or without a canary: orchestrate deploy --env {environment.name} --version VERSION "
            "--strategy rolling",
        ],
    )


def _change(
    environment: Environment,
    target: Revision,
    live: Revision | None,
    observed: LiveState,
    capabilities: Capabilities,
    *,
    replicas: int,
    before: int,
) -> Change:
    here = {r.revision.key: r for r in observed.running if r.wanted > 0}
    # A live revision of which nothing is wanted any more serves nothing and can take no traffic
    # back: the change begins from nothing.
    runs = live is not None and live.key in here
    old = live.ref if live and runs and live.digest != target.digest else None
    mine = {target.key, old.key if old else ""}
    return Change(
        new=target.ref,
        new_replicas=replicas,
        new_runs=_runs(observed, target.key, replicas),
        new_is_live=live is not None and live.digest == target.digest,
        old=old,
        old_replicas=_replicas_of(here[old.key], before) if old else before,
        leftovers=tuple(r.revision for r in observed.running if r.revision.key not in mine),
        settings=environment.strategy,
        health=environment.health,
        native_rolling=capabilities.native_rolling,
        verify_before=environment.verify.asks_before,
    )


def _replicas_of(found: RunningRevision, before: int) -> int:
    """Replicas that a revision has to have again: as they were recorded, where the platform counts
    them by now."""
    return before if found.counted_by_platform and before else found.wanted


def keeps(plan: Plan) -> float:
    """Seconds the plan keeps the old revision running after success; 0 when it stops it."""
    return max((s.after_s for s in plan.steps if isinstance(s, Stop)), default=0.0)
