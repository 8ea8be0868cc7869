"""Validating: everything the checks are asked about, and the evidence that is kept of it."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from orchestrate.core.check import CheckResult
from orchestrate.core.deployment import Kind
from orchestrate.core.durations import spoken
from orchestrate.core.environment import Environment, StrategyName
from orchestrate.core.plan import Plan
from orchestrate.core.revision import Revision
from orchestrate.core.steps import takes
from orchestrate.core.windows import Exemption
from orchestrate.engine.checks.age import AHEAD
from orchestrate.engine.checks.subject import Recall, Subject, Target
from orchestrate.engine.site import Place, learn, secrets_of, site_of
from orchestrate.store import evidence, revisions
from orchestrate.store.database import Session
from orchestrate.store.tables import EnvironmentRow

_SEEN = " (seen "


def subject_of(
    session: Session,
    place: Place,
    row: EnvironmentRow,
    *,
    version: str | None = None,
    plan: Plan | None = None,
    revision: Revision | None = None,
    busy: str | None = None,
    exemption: Exemption | None = None,
    asks_exemption: bool = False,
    stop: threading.Event | None = None,
    may_run: bool = True,
) -> Subject:
    """What the checks need to know of a change of this environment.

    With the `plan` and the `revision` it leads to, the questions are about just these; without
    them about what `version` is now. Raises what the provider raises for a config it cannot use.
    """
    site = site_of(row, place)
    environment = site.environment
    learn(environment, place)
    return Subject(
        site=site,
        home=place.home,
        kind=plan.kind if plan else Kind.DEPLOY,
        strategy=plan.strategy if plan else None,
        version=revision.version if revision else version,
        pinned=revision.artifact if revision else None,
        busy=busy,
        target=_target(session, place, row),
        needs_s=sum(takes(step) for step in plan.steps) if plan else at_least(environment),
        exemption=exemption,
        asks_exemption=asks_exemption,
        secrets=secrets_of(environment, place),
        recall=_recall(place, site.id, environment),
        stop=stop or threading.Event(),
        may_run=may_run,
    )


def keep(
    session: Session,
    subject: Subject,
    results: Sequence[CheckResult],
    deployment: int | None = None,
) -> None:
    """Record what was looked at, with the deployment it was for."""
    evidence.record(session, subject.site.id, results, subject.checks.digest, deployment)


def at_least(environment: Environment) -> float:
    """Seconds that a deployment takes at least, as the strategy of the environment is set."""
    strategy = environment.strategy
    watched = 0.0
    if strategy.type is StrategyName.CANARY:
        watched = strategy.analyse.window_s * sum(1 for each in strategy.steps if each < 100)
    bakes = strategy.type is not StrategyName.RECREATE
    return watched + (strategy.bake_s if bakes else 0.0)


def _target(session: Session, place: Place, row: EnvironmentRow) -> Target | None:
    """After the change the live revision is what a rollback returns to."""
    live = revisions.live(session, row)
    if live is None:
        return None
    restored = revisions.as_revision(live)
    site = site_of(row, place, restored)
    return Target(
        name=f"r{live.id}",
        revision=restored,
        restorable=site.provider.restorable(restored),
        secrets=secrets_of(site.environment, place),
    )


def _recall(place: Place, environment_id: int, environment: Environment) -> Recall:
    """Evidence that is fresh. What is dated ahead of the clock is none: a clock that is set back
    makes nothing young again."""

    settings = environment.checks.digest
    age = timedelta(seconds=environment.checks.max_age_s)

    def recall(name: str, about: str) -> CheckResult | None:
        now = datetime.now(UTC)
        with place.store.session() as session:
            found = evidence.fresh(
                session, environment_id, name, about, settings, now - age, now + AHEAD
            )
        return None if found is None else _dated(found, now)

    return recall


def _dated(found: CheckResult, now: datetime) -> CheckResult:
    """What is used again says when it was looked at."""
    assert found.evidence is not None
    ago = spoken(max((now - found.evidence.at).total_seconds(), 1.0))
    text = f"{found.text.partition(_SEEN)[0]}{_SEEN}{ago} ago)"
    return replace(found, text=text, duration_s=0.0)
