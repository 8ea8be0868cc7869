"""Metric sources driven directly: an environment's metrics, and the revisions they are asked of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrate.core.analysis.counts import Counts
from orchestrate.core.environment import Environment, EnvironmentType
from orchestrate.core.metrics import MetricQuery, Metrics
from orchestrate.core.protocols import MetricSource
from orchestrate.core.revision import Ref
from orchestrate.providers.metrics import source_of
from orchestrate.providers.outbound import Outbound
from orchestrate.providers.outbound.allowed import read as read_list
from tests.support.secrets import GivenSecrets

NEW, OLD = Ref(key="0123456789ab", version="1.1.0"), Ref(key="ba9876543210", version="1.0.0")


def source(
    metrics: Mapping[str, object],
    queries: Mapping[str, Mapping[str, object]],
    root: str | None = None,
    **secrets: str,
) -> MetricSource:
    """The source that these settings name."""
    named = {role.lower(): role for role in secrets}
    environment = Environment(
        app="shop",
        name="staging",
        type=EnvironmentType.STAGING,
        provider="kubernetes",
        config={"root": root} if root else {},
    )
    given = Metrics.model_validate({"secrets": named, **metrics, "queries": queries})
    loopback = Outbound(read_list("127.0.0.1:* localhost:*"))
    return source_of(given, environment, GivenSecrets(**secrets), loopback)


def read(
    found: MetricSource,
    query: Mapping[str, object],
    since: float,
    slots: int,
    slot_s: float = 60.0,
    revision: Ref = NEW,
    name: str = "errors",
) -> Sequence[Counts | None]:
    return found.read(MetricQuery.model_validate(query), name, revision, since, slots, slot_s)


def together(found: Sequence[Counts | None]) -> tuple[int, int]:
    """All and bad of the slots that are known."""
    known = [each for each in found if each is not None]
    return sum(each.total for each in known), sum(each.failed for each in known)
