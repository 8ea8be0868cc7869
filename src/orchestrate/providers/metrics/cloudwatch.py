"""Amazon CloudWatch: sums by GetMetricData.

A query is `NAMESPACE METRIC STATISTIC Dimension=Value ...`, such as `AWS/ApplicationELB
RequestCount Sum TargetGroup=targetgroup/shop-{{revision}}/0123456789abcdef`, or an expression after
`=`: metric math with SEARCH, or a Metrics Insights SELECT. `TC(0.5:)` counts the values above 0.5.
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrate.core.analysis.counts import Counts
from orchestrate.core.errors import (
    MetricsInvalid,
    MetricSourceRefused,
    MetricsUnavailable,
    RateLimited,
)
from orchestrate.core.metrics import MetricQuery
from orchestrate.core.revision import Ref
from orchestrate.core.untrusted import clean
from orchestrate.providers.metrics.asking import Asking, Numbers, counts, summed

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_cloudwatch.type_defs import (
        GetMetricDataInputTypeDef,
        MetricDataQueryTypeDef,
        MetricDataResultTypeDef,
    )

MOST_PAGES = 50
_KEYS = ("access_key_id", "secret_access_key", "session_token")
_BUSY = frozenset({"Throttling", "ThrottlingException", "LimitExceeded", "RequestLimitExceeded"})
_IDS = ("total", "other")


class CloudWatch:
    """One region's metrics, as one environment asks for them.

    Without secrets for access keys boto3 looks for credentials as usual: environment, shared
    files, the machine's role.
    """

    def __init__(self, asking: Asking, client: "CloudWatchClient | None" = None) -> None:
        self._asking = asking
        self._client = client

    def read(
        self, query: MetricQuery, name: str, revision: Ref, since: float, slots: int, slot_s: float
    ) -> Sequence[Counts | None]:
        """See core.protocols.MetricSource."""
        texts = (query.total or "", query.other or "")
        filled = [self._asking.filled(text, revision) for text in texts]
        questions = [_question(i, text, slot_s) for i, text in zip(_IDS, filled, strict=True)]
        found = self._asked(questions, since, since + slots * slot_s)
        total, other = (self._numbers(found, each, since, slots, slot_s) for each in _IDS)
        return counts(total, other, query)

    def _asked(
        self, questions: "list[MetricDataQueryTypeDef]", since: float, until: float
    ) -> "list[MetricDataResultTypeDef]":
        from botocore.exceptions import BotoCoreError, ClientError

        found: list[MetricDataResultTypeDef] = []
        asked: GetMetricDataInputTypeDef = {
            "MetricDataQueries": questions,
            "StartTime": datetime.fromtimestamp(since, UTC),
            "EndTime": datetime.fromtimestamp(until, UTC),
            "ScanBy": "TimestampAscending",
        }
        try:
            client = self._connected()
            for _ in range(MOST_PAGES):
                answer = client.get_metric_data(**asked)
                found += answer["MetricDataResults"]
                if not answer.get("NextToken"):
                    return found
                asked["NextToken"] = answer["NextToken"]
        except ClientError as problem:
            self._client = None  # its keys may have been changed since
            raise _told(problem.response) from problem
        except BotoCoreError as problem:
            raise _unreached(problem) from problem
        raise MetricsUnavailable("cloudwatch gave an answer without an end")

    def _numbers(
        self,
        found: "list[MetricDataResultTypeDef]",
        identity: str,
        since: float,
        slots: int,
        slot_s: float,
    ) -> Numbers:
        points: list[tuple[float, float]] = []
        last: dict[str, str] = {}
        for each in found:
            if each.get("Id") != identity:
                continue
            # Several series of one SEARCH differ by label; of pages the last one says the state.
            last[each.get("Label", "")] = each.get("StatusCode", "Complete")
            moments = [moment.timestamp() for moment in each.get("Timestamps", [])]
            points += zip(moments, each.get("Values", []), strict=True)
        if any(state == "Forbidden" for state in last.values()):
            raise MetricSourceRefused("cloudwatch does not let us read this metric")
        if any(state != "Complete" for state in last.values()):
            raise MetricsUnavailable(
                "cloudwatch gave only a part of an answer", why=sorted(set(last.values()))
            )
        return summed(points, since, slots, slot_s)

    def _connected(self) -> "CloudWatchClient":
        present = self._client  # looked at once: another thread that was refused takes it away
        if present is not None:
            return present
        import boto3
        from botocore.config import Config

        timeout = self._asking.metrics.timeout_s
        secrets = [self._asking.secret(key) for key in _KEYS]
        key, word, token = (each.reveal() if each else None for each in secrets)
        made = boto3.session.Session().client(
            "cloudwatch",
            region_name=self._asking.metrics.region,
            aws_access_key_id=key,
            aws_secret_access_key=word,
            aws_session_token=token,
            config=Config(
                connect_timeout=timeout, read_timeout=timeout, retries={"total_max_attempts": 2}
            ),
        )
        self._client = made
        return made


def _question(identity: str, text: str, slot_s: float) -> "MetricDataQueryTypeDef":
    period = math.ceil(slot_s)
    if text.startswith("="):
        expression = text[1:].strip()
        return {"Id": identity, "Expression": expression, "Period": period, "ReturnData": True}
    words = text.split()
    pairs = [word.partition("=") for word in words[3:]]
    if len(words) < 4 or any(not name or not value for name, _, value in pairs):
        raise MetricsInvalid(
            "a query of cloudwatch is not well formed",
            why=[
                "it is: NAMESPACE METRIC STATISTIC Dimension=Value ..., with a dimension at least"
            ],
            fix=["such as AWS/ApplicationELB RequestCount Sum TargetGroup=..."],
        )
    return {
        "Id": identity,
        "MetricStat": {
            "Metric": {
                "Namespace": words[0],
                "MetricName": words[1],
                "Dimensions": [{"Name": name, "Value": value} for name, _, value in pairs],
            },
            "Period": period,
            "Stat": words[2],
        },
        "ReturnData": True,
    }


def _told(response: object) -> Exception:
    assert isinstance(response, dict)
    error = response.get("Error", {})
    code, text = str(error.get("Code")), clean(str(error.get("Message", "")))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    why = [code, f"untrusted | {text}"]
    if code in _BUSY or status == 429:
        return RateLimited("cloudwatch asks to be asked less often", why=why, retry_after_s=30.0)
    if status >= 500:
        return MetricsUnavailable("cloudwatch gave no answer", why=why, retry_after_s=5.0)
    return MetricSourceRefused(
        "cloudwatch does not take the question",
        why=why,
        fix=["the identity needs cloudwatch:GetMetricData; look at metrics.queries too"],
    )


def _unreached(problem: Exception) -> Exception:
    from botocore.exceptions import NoCredentialsError, NoRegionError, PartialCredentialsError

    if isinstance(problem, NoCredentialsError | PartialCredentialsError | NoRegionError):
        return MetricSourceRefused(
            "cloudwatch cannot be asked as nobody, or nowhere",
            why=[type(problem).__name__],
            fix=["metrics: {region: ..., secrets: {access_key_id: NAME, secret_access_key: NAME}}"],
        )
    return MetricsUnavailable(
        "cloudwatch gave no answer", why=[type(problem).__name__], retry_after_s=5.0
    )
