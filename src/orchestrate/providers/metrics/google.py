"""Google Cloud Monitoring: deltas of a filter by its HTTP API (`projects.timeSeries.list`).

A query is a filter, such as `metric.type="run.googleapis.com/request_count" AND
resource.labels.revision_name="shop-{{revision}}"`.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from pydantic import JsonValue

from orchestrate.core.analysis.counts import Counts
from orchestrate.core.errors import MetricSourceRefused, MetricsUnavailable
from orchestrate.core.metrics import MetricQuery
from orchestrate.core.revision import Ref
from orchestrate.providers.metrics.asking import Asking, Json, Numbers, counts, summed, told
from orchestrate.providers.metrics.google_identity import Identity

USUAL_URL = "https://monitoring.googleapis.com"
MOST_PAGES = 50


class GoogleMonitoring:
    """One project's metrics, as one environment asks for them."""

    def __init__(self, asking: Asking) -> None:
        self._asking = asking
        self._identity = Identity(asking)
        project = quote(asking.metrics.project or "", safe="")
        base = (asking.metrics.url or USUAL_URL).rstrip("/")
        self._url = f"{base}/v3/projects/{project}/timeSeries"

    def read(
        self, query: MetricQuery, name: str, revision: Ref, since: float, slots: int, slot_s: float
    ) -> Sequence[Counts | None]:
        """See core.protocols.MetricSource."""
        total = self._points(query.total or "", revision, since, slots, slot_s)
        other = self._points(query.other or "", revision, since, slots, slot_s)
        return counts(total, other, query)

    def _points(self, text: str, revision: Ref, since: float, slots: int, slot_s: float) -> Numbers:
        question = {
            "filter": self._asking.filled(text, revision),
            "interval.startTime": _moment(since),
            "interval.endTime": _moment(since + slots * slot_s),
            "aggregation.alignmentPeriod": f"{slot_s:g}s",
            "aggregation.perSeriesAligner": "ALIGN_DELTA",
            "aggregation.crossSeriesReducer": "REDUCE_SUM",
        }
        points: list[tuple[float, float]] = []
        for _ in range(MOST_PAGES):
            answer = self._page(question)
            if answer.get("executionErrors"):
                raise MetricsUnavailable(
                    "google gave only a part of an answer",
                    why=told({"errors": answer["executionErrors"]}),
                )
            series = answer.get("timeSeries")
            for each in series if isinstance(series, list) else []:
                points += _pairs(each, slot_s)
            token = answer.get("nextPageToken")
            if not token:
                return summed(points, since, slots, slot_s)
            question["pageToken"] = str(token)
        raise MetricsUnavailable("google gave an answer without an end")

    def _page(self, question: dict[str, str]) -> Json:
        url = f"{self._url}?{urlencode(question)}"
        try:
            return self._asking.ask("GET", url, self._identity.headers())
        except MetricSourceRefused:
            self._identity.forget()
            raise


def _pairs(series: JsonValue, slot_s: float) -> list[tuple[float, float]]:
    """Each point by the time at which its span begins: a delta's span ends at its end time."""
    try:
        assert isinstance(series, dict)
        points = series.get("points", [])
        assert isinstance(points, list)
        return [_pair(each, slot_s) for each in points]
    except (AssertionError, KeyError, TypeError, ValueError) as problem:
        raise MetricsUnavailable("google gave an answer that cannot be read") from problem


def _pair(point: JsonValue, slot_s: float) -> tuple[float, float]:
    assert isinstance(point, dict)
    interval, value = point["interval"], point["value"]
    assert isinstance(interval, dict) and isinstance(value, dict)
    number = value["int64Value"] if "int64Value" in value else value["doubleValue"]
    end = datetime.fromisoformat(str(interval["endTime"]).replace("Z", "+00:00"))
    return end.timestamp() - slot_s, float(str(number))


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
