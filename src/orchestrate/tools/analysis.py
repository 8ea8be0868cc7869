"""get_analysis: what a canary's analysis saw, test by test, with the counts it rests on."""

from pydantic import Field

from orchestrate.core.analysis.collect import Evidence
from orchestrate.core.analysis.counts import Metric
from orchestrate.core.analysis.expect import Expected
from orchestrate.core.analysis.picture import svg
from orchestrate.core.analysis.readings import FAST_PART, Reading
from orchestrate.core.analysis.verdict import design, metrics, read
from orchestrate.core.environment import AnalysePolicy
from orchestrate.core.errors import InvalidInput, NotNow
from orchestrate.store import deployments, environments, revisions
from orchestrate.store.database import Session
from orchestrate.store.tables import DeploymentRow
from orchestrate.tools.analysis_documents import AnalysisDocument, MetricDocument, PointDocument
from orchestrate.tools.documents import Counts, ExpectedDocument, Rise, VerdictDocument
from orchestrate.tools.operation import Arguments, Context

MOST_POINTS = 120


class GetAnalysis(Arguments):
    environment: str | None = Field(default=None, description="Its newest analysed deployment")
    deployment: str | None = Field(default=None, description="Or this one, such as d142")
    svg: bool = Field(default=False, description="With a picture")


def get_analysis(context: Context, given: GetAnalysis) -> AnalysisDocument:
    """What the canary analysis of a deployment saw: verdict, counts of both versions, bounds and
    evidence of each test. Name an environment or a deployment.
    """
    with context.service.store.session() as session:
        row = _row(session, given)
        environment = environments.get(session, row.environment_id)
        to = revisions.get(session, row.to_revision_id)
        before = revisions.get(session, row.from_revision_id) if row.from_revision_id else None
    kept = row.verdict or {}
    evidence = Evidence.model_validate(kept.get("evidence") or {})
    policy = AnalysePolicy.model_validate(kept.get("policy") or {})
    every = {metric: list(read(evidence, policy, metric)) for metric in metrics(policy)}
    found = {metric: readings for metric, readings in every.items() if readings}
    verdict = VerdictDocument.model_validate(kept)
    title = f"{environment.name} {before.version if before else '-'} -> {to.version}"
    return AnalysisDocument(
        deployment_id=f"d{row.seq}",
        app=environment.app,
        environment=environment.name,
        from_version=before.version if before else None,
        to_version=to.version,
        verdict=verdict,
        alpha=policy.alpha,
        margin=policy.margin,
        slow_over_s=evidence.slow_over_s,
        metrics=[_metric(metric, readings, policy) for metric, readings in found.items()],
        svg=svg(found, title, verdict.reason) if given.svg else None,
        summary=f"d{row.seq} {title}: {verdict.outcome}: {verdict.reason}",
        next=[] if row.finished_at else [f"wait_deployment(deployment='d{row.seq}')"],
    )


def expected_document(expected: Expected) -> ExpectedDocument:
    return ExpectedDocument(
        percent=expected.percent,
        sees=[Rise(times=times, after_s=after_s) for times, after_s in expected.sees],
        promote_s=expected.promote_s,
        horizon_s=expected.within_s,
        problem=expected.problem,
    )


def _row(session: Session, given: GetAnalysis) -> DeploymentRow:
    if (given.deployment is None) == (given.environment is None):
        raise InvalidInput("name an environment or a deployment", fix=["name one of them"])
    if given.deployment is not None:
        row = deployments.find(session, given.deployment)
        if row.verdict is not None:
            return row
        raise NotNow(
            f"d{row.seq} has no analysis",
            why=["only a canary is analysed, from its first weight on"],
            fix=[f"orchestrate deploy status d{row.seq}"],
        )
    environment = environments.find(session, given.environment or "")
    newest = deployments.page(session, environment_id=environment.id, limit=50)
    found = next((row for row in newest if row.verdict is not None), None)
    if found is not None:
        return found
    raise NotNow(
        f"no deployment in {environment.name} was analysed",
        why=["only a canary is analysed, from its first weight on"],
        fix=[f"orchestrate deploy history --env {environment.name}"],
    )


def _metric(metric: Metric, found: list[Reading], policy: AnalysePolicy) -> MetricDocument:
    last = found[-1]
    return MetricDocument(
        metric=metric,
        new=Counts(failed=last.new.failed, total=last.new.total),
        old=Counts(failed=last.old.failed, total=last.old.total),
        buckets=last.buckets,
        alpha=design(policy, metric).alpha,
        difference=last.difference,
        lower=last.lower,
        upper=last.upper,
        evidence=last.evidence,
        refused_from=1 / (FAST_PART * design(policy, metric).alpha),
        proof=last.safe,
        dispersion=last.dispersion,
        baseline_agrees=not last.placebo,
        refused_by=last.harm,
        proven=last.proven,
        points=[
            PointDocument(
                bucket=each.buckets,
                difference=each.difference,
                lower=each.lower,
                upper=each.upper,
                evidence=each.evidence,
            )
            for each in _thinned(found)
        ],
    )


def _thinned(found: list[Reading]) -> list[Reading]:
    """At most MOST_POINTS of them, evenly, the last one among them."""
    every = -(-len(found) // MOST_POINTS)
    return found[::-1][::every][::-1]
