"""Making a plan from records and what is observed: the reading half of a deployment."""

from dataclasses import dataclass, replace

from orchestrate.core.deployment import Kind
from orchestrate.core.environment import StrategyName
from orchestrate.core.errors import (
    NoRollbackTarget,
    NotRestorable,
    PlanChanged,
    Quarantined,
)
from orchestrate.core.migrations import Migration, stays
from orchestrate.core.names import check_version, did_you_mean
from orchestrate.core.plan import Plan, make_plan, retire_plan
from orchestrate.core.protocols import LiveState, Restorable
from orchestrate.core.revision import Revision, snapshot
from orchestrate.core.steps import Migrate
from orchestrate.engine.migrating import outstanding
from orchestrate.engine.returning import with_losses
from orchestrate.engine.site import Place, Site, secrets_of, site_of
from orchestrate.store import revisions
from orchestrate.store.database import Session
from orchestrate.store.tables import EnvironmentRow, RevisionRow


@dataclass(frozen=True)
class Draft:
    """A plan with what it was made from."""

    row: EnvironmentRow
    site: Site
    plan: Plan
    target: Revision
    replicas: int
    live: RevisionRow | None
    observed: LiveState
    restorable: Restorable | None
    """For a rollback: what could be found of the target."""
    remains: tuple[str, ...] = ()
    """What no rollback takes back, in words."""

    @property
    def migrations(self) -> list[Migrate]:
        """The steps that migrate the database."""
        return [step for step in self.plan.steps if isinstance(step, Migrate)]


def draft_deployment(
    session: Session,
    place: Place,
    row: EnvironmentRow,
    version: str,
    strategy: StrategyName | None = None,
    force: bool = False,
) -> Draft:
    """The plan to deploy `version`.

    Raises VersionMalformed, ArtifactMissing, StrategyUnsupported, Quarantined, SecretMissing, and
    what the provider raises for a config it cannot use.
    """
    site = site_of(row, place)
    artifact = site.provider.resolve(check_version(version))
    target = snapshot(site.environment, version, artifact, site.secrets.current())
    if not force:
        _refuse_quarantined(session, row, target)
    migrations = outstanding(site.environment, secrets_of(site.environment, place), version)
    draft = _draft(session, place, row, site, Kind.DEPLOY, target, strategy, migrations=migrations)
    before = draft.live.version if draft.live else None
    return replace(draft, remains=remains_of(draft.plan, before))


def draft_rollback(
    session: Session,
    place: Place,
    row: EnvironmentRow,
    version: str | None = None,
    force: bool = False,
    digest: str | None = None,
) -> Draft:
    """The plan to return to the last verified revision, to the one of `version` that was verified
    last, or to the very one with `digest`.

    Raises NoRollbackTarget, NotRestorable, Quarantined.
    """
    named = revisions.by_digest(session, row.id or 0, digest) if digest else None
    found = named or _rollback_row(session, row, version)
    target = revisions.as_revision(found)
    if not force and found.state == "quarantined":
        _refuse_quarantined(session, row, target)
    site = site_of(row, place, target)
    restorable = site.restorable(target)
    if not restorable.ok:
        raise NotRestorable(
            f"{target.version} (r{found.id}) cannot be restored in {row.name}",
            why=list(restorable.lost) or ["its artifact is gone"],
            fix=[f"orchestrate deploy --env {row.name} --version VERSION"],
        )
    secrets = secrets_of(site.environment, place)
    restorable, remains = with_losses(session, row, found, restorable, secrets, force)
    draft = _draft(session, place, row, site, Kind.ROLLBACK, target, None, restorable)
    return replace(draft, remains=remains)


def draft_retirement(
    session: Session, place: Place, row: EnvironmentRow, contract: bool = True
) -> Draft | None:
    """The plan that ends the time of a quick rollback: it stops what was kept, and contracts the
    database unless `contract` is false. None where nothing is live. Raises MigrationFailed."""
    live = revisions.live(session, row)
    if live is None:
        return None
    site = site_of(row, place)
    observed = site.provider.observe()
    kept = [r.revision for r in observed.running if r.revision.key != live.key]
    migrations: tuple[Migration, ...] = ()
    if contract:
        secrets = secrets_of(site.environment, place)
        migrations = outstanding(site.environment, secrets, live.version)
    target = revisions.as_revision(live)
    plan = retire_plan(site.environment, target, kept, migrations)
    said = [stays(m, None) for m in migrations if m.phase == "contract"]
    return Draft(row, site, plan, target, live.replicas, live, observed, None, tuple(said))


def remains_of(plan: Plan, before: str | None) -> tuple[str, ...]:
    """What no rollback takes back of what the plan does, in words; `before` is the version that
    is live, and must work with it."""
    return tuple(
        stays(Migration(name=step.name, phase=step.phase), before)
        for step in plan.steps
        if isinstance(step, Migrate)
    )


def redraft(session: Session, place: Place, row: EnvironmentRow, plan: Plan, force: bool) -> Draft:
    """The same request, planned again as things are now."""
    version = plan.new.version if plan.new else ""
    if plan.kind is Kind.ROLLBACK:
        return draft_rollback(session, place, row, version, force, plan.to_digest)
    if plan.kind is Kind.RETIRE:
        found = draft_retirement(session, place, row, contract=plan.migrates)
        if found is None:
            raise PlanChanged(f"nothing is live in {row.name} any more", fix=["nothing is to do"])
        return found
    return draft_deployment(session, place, row, version, plan.strategy, force)


def _draft(
    session: Session,
    place: Place,
    row: EnvironmentRow,
    site: Site,
    kind: Kind,
    target: Revision,
    strategy: StrategyName | None,
    restorable: Restorable | None = None,
    migrations: tuple[Migration, ...] = (),
) -> Draft:
    live = revisions.live(session, row)
    observed = site.provider.observe()
    replicas = site.provider.replicas()
    plan = make_plan(
        site.environment,
        kind=kind,
        target=target,
        live=revisions.as_revision(live) if live else None,
        observed=observed,
        capabilities=site.provider.capabilities,
        replicas=replicas,
        live_replicas=live.replicas if live else 0,
        strategy=strategy,
        migrations=migrations,
    )
    return Draft(row, site, plan, target, replicas, live, observed, restorable)


def _rollback_row(session: Session, row: EnvironmentRow, version: str | None) -> RevisionRow:
    if version is None:
        found = revisions.rollback_target(session, row)
        if found is not None:
            return found
        raise NoRollbackTarget(
            f"{row.name} has no verified revision to go back to",
            why=["a rollback restores a revision that was verified here before the live one"],
            fix=[f"orchestrate deploy history --env {row.name}"],
        )
    found = revisions.newest_of_version(session, row, check_version(version))
    if found is not None and found.verified_at is not None:
        return found
    known = revisions.versions(session, row)
    meant = did_you_mean(version, known)
    raise NoRollbackTarget(
        f"{version} was never verified in {row.name}",
        why=[f"verified here: {', '.join(known[:8]) or 'nothing yet'}"],
        fix=[f"orchestrate deploy rollback --env {row.name} --version {meant[0]}"]
        if meant
        else [f"orchestrate deploy --env {row.name} --version {version}"],
    )


def _refuse_quarantined(session: Session, row: EnvironmentRow, target: Revision) -> None:
    bad = [r for r in revisions.quarantined(session, row) if r.digest == target.digest]
    if bad:
        raise Quarantined(
            f"{target.version} is quarantined in {row.name}",
            why=[f"r{bad[0].id} was taken back by itself, or a person said so"],
            fix=[
                "deploy a revision with a fix; a changed artifact or config is a new revision",
                f"or orchestrate deploy --env {row.name} --version {target.version}"
                ' --force --reason "..."',
            ],
        )
