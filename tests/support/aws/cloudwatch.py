"""The load balancer's metrics as CloudWatch has them: sums by minute, and counts within bounds."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from tests.support.aws.balancer import Request

_WITHIN = re.compile(r"TC\((\d*\.?\d*):(\d*\.?\d*)\)")


def metric_data(asked: dict[str, Any], requests: Sequence[Request]) -> dict[str, Any]:
    """The answer of GetMetricData."""
    first, last = float(asked["StartTime"]), float(asked["EndTime"])
    seen = [r for r in list(requests) if first <= r.at < last]
    return {
        "MetricDataResults": [_result(query, seen) for query in asked["MetricDataQueries"]],
        "Messages": [],
    }


def _result(query: dict[str, Any], requests: Iterable[Request]) -> dict[str, Any]:
    stat = query["MetricStat"]
    given = {d["Name"]: d["Value"] for d in stat["Metric"]["Dimensions"]}
    group = given["TargetGroup"]
    assert "LoadBalancer" in given, "a target group's metrics are kept with its load balancer"
    by_period: dict[int, float] = defaultdict(float)
    for request in requests:
        if request.group.endswith(group):
            value = _counted(stat["Metric"]["MetricName"], stat["Stat"], request)
            if value:
                by_period[int(request.at // stat["Period"] * stat["Period"])] += value
    return {
        "Id": query["Id"],
        "Label": f"{stat['Metric']['MetricName']} {stat['Stat']}",
        "Timestamps": sorted(by_period),
        "Values": [by_period[at] for at in sorted(by_period)],
        "StatusCode": "Complete",
    }


def _counted(metric: str, stat: str, request: Request) -> float:
    within = _WITHIN.fullmatch(stat)
    if metric == "TargetResponseTime" and within:
        low, high = float(within[1] or 0), float(within[2] or "inf")
        return float(request.status is not None and low <= request.took_s <= high)
    assert stat == "Sum", f"no such statistic here: {stat} of {metric}"
    if metric == "RequestCount":
        return 1.0
    if metric == "TargetConnectionErrorCount":
        return float(request.status is None)
    found = re.fullmatch(r"HTTPCode_Target_(\d)XX_Count", metric)
    assert found, f"no such metric here: {metric}"
    return float(request.status is not None and request.status // 100 == int(found[1]))
