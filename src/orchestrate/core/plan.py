"""Plans: the ordered steps from an environment's live revision to another, with their digest."""

from collections.abc import Sequence

from orchestrate.core import rollback
from orchestrate.core.canonical import canonical, digest
from orchestrate.core.change import Change
from orchestrate.core.deployment import Kind
from orchestrate.core.environment import Environment, StrategyName
from orchestrate.core.errors import StrategyUnsupported
from orchestrate.core.migrations import Migration, MigrationPhase
from orchestrate.core.model import Model
from orchestrate.core.protocols import Capabilities, LiveState
from orchestrate.core.revision import Ref, Revision
from orchestrate.core.steps import Migrate, Step, Stop
from orchestrate.core.strategies import STRATEGIES


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
    nothing is silently downgraded.
    """
    wanted = strategy or environment.strategy.type
    _check(environment, wanted, capabilities)
    change = _change(
        environment, target, live, observed, capabilities, replicas=replicas, before=live_replicas
    )
    if already_there(target, live, observed, replicas):
        steps: tuple[Step, ...] = ()
    elif kind is Kind.ROLLBACK and wanted is not StrategyName.RECREATE:
        steps = rollback.steps(change)
    else:
        # The database first: whatever comes after it can then be undone without touching it.
        steps = (
            *migrate_steps(environment, target.version, migrations),
            *STRATEGIES[wanted](change),
        )
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
    )


def retire_plan(
    environment: Environment,
    live: Revision,
    kept: Sequence[Ref],
    migrations: Sequence[Migration] = (),
) -> Plan:
    """The plan that stops revisions which were kept for a quick rollback, and then carries out the
    migrations that take from the database what only they needed."""
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
    steps += migrate_steps(environment, live.version, migrations, "contract")
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
    running = [r for r in observed.replicas(target.key) if r.state == "running"]
    return len(running) >= replicas and observed.percent(target.key) == 100


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
    alive = [r for r in observed.replicas(target.key) if r.state == "running"]
    mine = {target.key, old.key if old else ""}
    return Change(
        new=target.ref,
        new_replicas=replicas,
        new_runs=len(alive) >= replicas,
        new_is_live=live is not None and live.digest == target.digest,
        old=old,
        old_replicas=(here[old.key].wanted if old and old.key in here else 0) or before,
        leftovers=tuple(r.revision for r in observed.running if r.revision.key not in mine),
        settings=environment.strategy,
        health=environment.health,
        native_rolling=capabilities.native_rolling,
        verify_before=environment.verify.asks_before,
    )


def keeps(plan: Plan) -> float:
    """Seconds the plan keeps the old revision running after success; 0 when it stops it."""
    return max((s.after_s for s in plan.steps if isinstance(s, Stop)), default=0.0)
