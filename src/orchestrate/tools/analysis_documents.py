"""What get_analysis answers: an analysis, metric by metric, bucket by bucket."""

from typing import Literal

from orchestrate.tools.documents import Counts, Document, VerdictDocument


class PointDocument(Document):
    """A metric after so many buckets."""

    bucket: int
    difference: float | None
    """New share less old share; above 0 the new one is worse."""
    lower: float | None
    upper: float | None
    evidence: float


class MetricDocument(Document):
    metric: str
    """`errors`, `latency` (answers slower than a frozen quantile of the old one's), or the name of
    one that a metric source counts."""
    new: Counts
    old: Counts
    buckets: int
    alpha: float
    """This metric's part of the chance of a false alarm."""
    difference: float | None
    lower: float | None
    upper: float | None
    """Bounds that hold at every look together."""
    evidence: float
    """Of harm: an e-value, refused from `refused_from` on while requests fail one by one."""
    refused_from: float
    proof: float
    """That it is not worse than the margin: an e-value."""
    dispersion: float | None
    baseline_agrees: bool
    refused_by: str | None
    """`sequence` or `evidence`."""
    proven: bool
    points: list[PointDocument]


class AnalysisDocument(Document):
    schema_: Literal["orchestrate.analysis.v1"] = "orchestrate.analysis.v1"
    deployment_id: str
    app: str
    environment: str
    from_version: str | None
    to_version: str
    verdict: VerdictDocument
    alpha: float
    margin: float
    slow_over_s: float | None
    metrics: list[MetricDocument]
    svg: str | None
    summary: str
    next: list[str]
