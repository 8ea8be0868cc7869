"""How soon the analysis of a plan can see anything, and refusing one that would be in vain."""

from orchestrate.core import words
from orchestrate.core.analysis.counts import Counts
from orchestrate.core.analysis.expect import Expected, Traffic, expect
from orchestrate.core.deployment import Kind
from orchestrate.core.errors import (
    NoDataError,
    OrchestrateError,
    TemporaryError,
    VerdictOutOfReach,
)
from orchestrate.core.metrics import ERRORS
from orchestrate.core.revision import Ref
from orchestrate.core.steps import Analyse, takes
from orchestrate.engine.planning import Draft
from orchestrate.engine.sampling import recent
from orchestrate.store import deployments, revisions
from orchestrate.store.database import Session
from orchestrate.store.tables import now

FEWEST = 20
"""Requests from which there is traffic at all: a few are our own questions."""
SAMPLED_S = 600.0
"""Time over which a metric source is asked for the traffic."""
LEAST_S = 60.0
"""Time over which traffic is averaged, however short the revision has been serving."""


def expected(session: Session, draft: Draft, may_run: bool = True) -> Expected | None:
    """What can be expected of the first analysis of a plan; None for a plan that has none. Unless
    `may_run`, no command of the project is asked for the traffic."""
    first = _first(draft)
    if first is None:
        return None
    return expect(_traffic(session, draft, may_run), first.percent, first.policy)


def refuse_in_vain(draft: Draft, found: Expected | None) -> None:
    """Raises VerdictOutOfReach when no release could be proven good before the horizon, and no
    person is to be waited for. `found` is what `expected` said, before anything was held: it asks
    others, who can take long to answer."""
    first = _first(draft)
    if first is None or found is None or found.problem is None:
        return
    if first.policy.horizon_s is None or first.policy.at_horizon == "hold":
        return
    name = draft.row.name
    raise VerdictOutOfReach(
        f"the analysis in {name} could come to no verdict at {found.percent}% of the traffic",
        why=[found.problem],
        fix=[
            "a longer horizon, a greater first step or a greater margin in orchestrate.yaml",
            "or `at_horizon: hold` there, and a person promotes: orchestrate deploy promote",
            f"or without a canary: orchestrate deploy --env {name} --version "
            f"{draft.target.version} --strategy rolling",
        ],
    )


def too_long(draft: Draft, timeout_s: float) -> str | None:
    """Why a deployment that may take `timeout_s` seconds must run out of time: what it watches
    alone takes as long. None when it need not."""
    needs_s = sum(takes(step) for step in draft.plan.steps)
    if needs_s < timeout_s or needs_s == 0:
        return None
    return (
        f"what it watches takes {words.length(needs_s)} at least, and its time is "
        f"{words.length(timeout_s)}"
    )


def refuse_too_long(draft: Draft, timeout_s: float) -> None:
    """Raises VerdictOutOfReach for a plan that would be taken back, however good the release is."""
    why = too_long(draft, timeout_s)
    if why is None:
        return
    name = draft.row.name
    raise VerdictOutOfReach(
        f"{draft.target.version} would run out of time in {name}, however good it is",
        why=[why],
        fix=[
            "give it longer: --timeout, or `timeout` of the environment in orchestrate.yaml",
            "or a shorter `window` or `bake` there, or fewer steps",
        ],
    )


def _first(draft: Draft) -> Analyse | None:
    return next((step for step in draft.plan.steps if isinstance(step, Analyse)), None)


def _traffic(session: Session, draft: Draft, may_run: bool) -> Traffic | None:
    """The live revision's traffic, averaged since it began to serve."""
    live, deployment = draft.live, draft.row.live_deployment
    if live is None or deployment is None:
        return None
    metrics = draft.site.environment.strategy.analyse.metrics
    if metrics is not None and metrics.source == "command" and not may_run:
        return None
    if metrics is not None and ERRORS in metrics.queries:
        return _sampled(draft, revisions.as_revision(live).ref)
    try:
        counts = draft.site.provider.requests().get(live.key)
    except (NoDataError, TemporaryError):
        return None
    brought = deployments.get(session, deployment)
    # A revision that is back was counted the first time too.
    back = brought.kind != Kind.DEPLOY.value or brought.taken_at is None
    since = live.created_at if back else brought.taken_at
    took_s = (now() - (since or live.created_at)).total_seconds()
    if counts is None or counts.total < FEWEST:
        return None
    return Traffic(counts.total / max(took_s, LEAST_S), Counts(counts.failed, counts.total))


def _sampled(draft: Draft, live: Ref) -> Traffic | None:
    """The live revision's traffic as the metric source has it. A source that does not answer keeps
    nobody from planning: the check `metrics` says so, before anything begins."""
    try:
        counts = recent(draft.site, ERRORS, live, SAMPLED_S, now().timestamp())
    except OrchestrateError:
        return None
    if counts is None or counts.total < FEWEST:
        return None
    return Traffic(counts.total / SAMPLED_S, counts)
