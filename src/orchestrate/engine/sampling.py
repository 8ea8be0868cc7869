"""What a metric source counted of one revision lately."""

import math

from orchestrate.core.analysis.counts import Counts
from orchestrate.core.analysis.sourced import slot_length
from orchestrate.core.revision import Ref
from orchestrate.engine.site import Site


def recent(site: Site, name: str, revision: Ref, span_s: float, now: float) -> Counts | None:
    """The metric `name` of a revision in the last `span_s` seconds that are final; None when the
    source has no value at all. Raises what a source raises."""
    metrics = site.environment.strategy.analyse.metrics
    if metrics is None or site.metrics is None or name not in metrics.queries:
        return None
    slot_s = slot_length(metrics, 0.0)
    slots = max(math.floor(span_s / slot_s), 1)
    until = math.floor((now - metrics.delay_s) / slot_s) * slot_s
    since = until - slots * slot_s
    query = metrics.queries[name]
    found = [
        each
        for each in site.metrics.read(query, name, revision, since, slots, slot_s)
        if each is not None
    ]
    if not found:
        return None
    return Counts(sum(each.failed for each in found), sum(each.total for each in found))
