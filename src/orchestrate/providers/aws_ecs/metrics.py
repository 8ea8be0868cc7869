"""Requests by target group, as the load balancer counts them in CloudWatch.

It counts in whole minutes and publishes a minute or two later, so a canary's window should be
several minutes. A counter here is the sum since its revision was started: late points only add.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from orchestrate.core.errors import NoDataError, ProviderUnavailable
from orchestrate.core.protocols import RequestCounts
from orchestrate.providers.aws_ecs.account import Account
from orchestrate.providers.aws_ecs.errors import Absent, told

if TYPE_CHECKING:
    from types_boto3_cloudwatch.type_defs import (
        GetMetricDataInputTypeDef,
        MetricDataQueryTypeDef,
    )

NAMESPACE = "AWS/ApplicationELB"
TOTAL = "RequestCount"
BY_CLASS: Mapping[str, str] = {f"{n}xx": f"HTTPCode_Target_{n}XX_Count" for n in (2, 3, 4, 5)}
UNANSWERED = "TargetConnectionErrorCount"
SLOW_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds by which answers are counted."""
MINUTE_S = 60
MOST_POINTS = 1440
LONGEST = timedelta(days=14)
"""CloudWatch keeps single minutes for 15 days."""


class Metrics:
    """Counters of target groups."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._balancers: dict[str, str] = {}

    def balancers(self, groups: list[str]) -> dict[str, str]:
        """The load balancer that each target group belongs to, by ARN."""
        missing = [group for group in groups if group not in self._balancers]
        if missing:
            try:
                with told("the target groups were not looked at"):
                    answer = self._account.elbv2.describe_target_groups(TargetGroupArns=missing)
            except Absent as problem:
                raise ProviderUnavailable(
                    f"there is no target group {' or '.join(missing)}",
                    why=[str(problem)],
                    fix=["make it (docs/providers/aws_ecs.md, Setting up), or correct its ARN"],
                ) from problem
            for each in answer["TargetGroups"]:
                for balancer in each.get("LoadBalancerArns", ())[:1]:
                    self._balancers[each["TargetGroupArn"]] = balancer
        return {group: self._balancers[group] for group in groups if group in self._balancers}

    def counts(self, since: Mapping[str, datetime]) -> dict[str, RequestCounts]:
        """Requests of each target group since a time. Raises NoDataError while CloudWatch has not
        put the whole answer together."""
        balancers = self.balancers(list(since))
        found: dict[str, RequestCounts] = {}
        for group, begun in since.items():
            if group in balancers:
                found[group] = self._counted(group, balancers[group], begun)
        return found

    def _counted(self, group: str, balancer: str, begun: datetime) -> RequestCounts:
        now = datetime.now(UTC)
        start = max(begun, now - LONGEST).replace(second=0, microsecond=0)
        minutes = max(int((now - start).total_seconds()) // MINUTE_S + 2, 1)
        period = MINUTE_S * -(-minutes // MOST_POINTS)
        stats = {"total": (TOTAL, "Sum"), "lost": (UNANSWERED, "Sum")}
        stats |= {f"c{code}": (name, "Sum") for code, name in BY_CLASS.items()}
        stats |= {f"s{i}": ("TargetResponseTime", f"TC(:{s:g})") for i, s in enumerate(SLOW_S)}
        sums = self._sums(group, balancer, stats, start, now, period)
        total = sums["total"]
        codes = {code: sums[f"c{code}"] for code in BY_CLASS if sums[f"c{code}"]}
        slow = {s: sums[f"s{i}"] for i, s in enumerate(SLOW_S)}
        return RequestCounts(
            total=total,
            failed=min(total, sums["c5xx"] + sums["lost"]),
            codes=codes,
            latency_buckets={**slow, float("inf"): total} if any(slow.values()) else {},
        )

    def _sums(
        self,
        group: str,
        balancer: str,
        stats: Mapping[str, tuple[str, str]],
        start: datetime,
        now: datetime,
        period: int,
    ) -> dict[str, int]:
        queries = [_query(id_, *stat, group, balancer, period) for id_, stat in stats.items()]
        sums = dict.fromkeys(stats, 0.0)
        asked: GetMetricDataInputTypeDef = {
            "MetricDataQueries": queries,
            "StartTime": start,
            "EndTime": now + timedelta(minutes=1),
            "ScanBy": "TimestampAscending",
        }
        while True:
            with told("the requests were not counted"):
                answer = self._account.cloudwatch.get_metric_data(**asked)
            for each in answer["MetricDataResults"]:
                if each.get("StatusCode") in ("InternalError", "Forbidden"):
                    raise NoDataError("CloudWatch has no complete answer", retry_after_s=5.0)
                sums[each.get("Id", "")] += sum(each.get("Values", ()))
            if "NextToken" not in answer:
                return {name: round(value) for name, value in sums.items()}
            asked["NextToken"] = answer["NextToken"]


def _query(
    id_: str, metric: str, stat: str, group: str, balancer: str, period: int
) -> MetricDataQueryTypeDef:
    return {
        "Id": id_,
        "MetricStat": {
            "Metric": {
                "Namespace": NAMESPACE,
                "MetricName": metric,
                "Dimensions": [
                    {"Name": "TargetGroup", "Value": group.rpartition(":")[2]},
                    {"Name": "LoadBalancer", "Value": balancer.partition(":loadbalancer/")[2]},
                ],
            },
            "Period": period,
            "Stat": stat,
        },
    }
