"""Records for tests of the store and the engine: environments, revisions, deployments."""

from __future__ import annotations

from orchestrate.core.deployment import Kind
from orchestrate.core.environment import Environment, EnvironmentType, StrategyName
from orchestrate.core.plan import Plan, step_keys
from orchestrate.core.revision import Artifact, Ref, Revision, snapshot
from orchestrate.core.steps import Route, Share, Start, Step, Stop, Verify
from orchestrate.store import deployments, environments, revisions
from orchestrate.store.database import Session
from orchestrate.store.tables import DeploymentRow, now


def environment(name: str = "staging", app: str = "shop") -> Environment:
    return Environment(app=app, name=name, type=EnvironmentType.STAGING, provider="local")


def revision(version: str, of: Environment | None = None) -> Revision:
    """A revision whose artifact is told by its version alone."""
    artifact = Artifact(kind="directory", reference=version, digest=f"sha256:{version:0>64}")
    return snapshot(of or environment(), version, artifact)


def steps(new: Ref) -> tuple[Step, ...]:
    """Start, route, verify: each but the last with its undo."""
    return (
        Start(revision=new, replicas=1, undo=(Stop(revision=new),)),
        Route(shares=(Share(revision=new, percent=100),), undo=(Route(shares=()),)),
        Verify(revision=new, replicas=1, percent=100),
    )


def deploy(
    session: Session,
    environment_id: int,
    version: str,
    *,
    taken: bool = True,
    kind: Kind = Kind.DEPLOY,
    actor: str = "lee",
) -> int:
    """Record a deployment of `version`; returns its number."""
    row = environments.get(session, environment_id)
    target = revision(version, environments.as_environment(row))
    to = revisions.record(session, row, target, 1)
    live = revisions.live(session, row)
    plan = Plan(
        app=row.app,
        environment=row.name,
        kind=kind,
        strategy=StrategyName.BLUE_GREEN,
        from_digest=live.digest if live else None,
        to_digest=target.digest,
        old=revisions.as_revision(live).ref if live else None,
        new=target.ref,
        steps=steps(target.ref),
    )
    deployment = DeploymentRow(
        environment_id=environment_id,
        kind=kind.value,
        strategy=plan.strategy.value,
        plan_digest=plan.digest,
        plan=plan.model_dump(mode="json"),
        from_revision_id=row.live_revision_id,
        to_revision_id=to.id or 0,
        actor=actor,
        timeout_s=60,
        taken_at=now() if taken else None,
    )
    text = "asked for by a test"
    return deployments.add(session, deployment, step_keys(plan.steps), plan.steps, text)
