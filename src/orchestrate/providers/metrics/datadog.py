"""Datadog: counts of a query by its HTTP API (`GET /api/v1/query`).

A query is one of Datadog's that adds up, such as `sum:trace.http.request.hits{service:shop,version:
{{version}}}.as_count()`; the rollup to the length of a slot is added here.
"""

import math
from collections.abc import Sequence
from urllib.parse import urlencode

from orchestrate.core.analysis.counts import Counts
from orchestrate.core.errors import MetricsUnavailable
from orchestrate.core.metrics import MetricQuery
from orchestrate.core.revision import Ref
from orchestrate.providers.metrics.asking import Asking, Numbers, counts, summed, told

USUAL_URL = "https://api.datadoghq.com"


class Datadog:
    """One Datadog site, as one environment asks it."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._url = f"{(asking.metrics.url or USUAL_URL).rstrip('/')}/api/v1/query"

    def read(
        self, query: MetricQuery, name: str, revision: Ref, since: float, slots: int, slot_s: float
    ) -> Sequence[Counts | None]:
        """See core.protocols.MetricSource."""
        total = self._points(query.total or "", revision, since, slots, slot_s)
        other = self._points(query.other or "", revision, since, slots, slot_s)
        return counts(total, other, query)

    def _points(self, text: str, revision: Ref, since: float, slots: int, slot_s: float) -> Numbers:
        query = f"{self._asking.filled(text, revision)}.rollup(sum, {slot_s:g})"
        # The last second belongs to the next slot.
        until = math.ceil(since + slots * slot_s) - 1
        answer = self._asking.ask(
            "GET",
            f"{self._url}?{urlencode({'from': int(since), 'to': until, 'query': query})}",
            {
                "dd-api-key": self._asking.needed("api_key"),
                "dd-application-key": self._asking.needed("app_key"),
            },
        )
        if answer.get("status") != "ok" or answer.get("error"):
            raise MetricsUnavailable("datadog gave only a part of an answer", why=told(answer))
        series = answer.get("series")
        points: list[tuple[float, float]] = []
        for each in series if isinstance(series, list) else []:
            points += _pairs(each, slot_s)
        return summed(points, since, slots, slot_s)


def _pairs(series: object, slot_s: float) -> list[tuple[float, float]]:
    """The points of a series, in seconds; one without a value is none."""
    try:
        assert isinstance(series, dict)
        interval = series.get("interval")
        found = [(at / 1000, value) for at, value in series["pointlist"] if value is not None]
    except (AssertionError, KeyError, TypeError, ValueError) as problem:
        raise MetricsUnavailable("datadog gave an answer that cannot be read") from problem
    if interval is not None and interval > slot_s:
        raise MetricsUnavailable(
            "datadog counts over longer spans than asked",
            why=[f"{interval}s instead of {slot_s:g}s"],
            fix=["a longer metrics.resolution in orchestrate.yaml"],
        )
    return [(float(at), float(value)) for at, value in found]
