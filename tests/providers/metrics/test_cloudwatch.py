"""CloudWatch: sums from moto over HTTP; what moto cannot do, from a front whose every question and
answer botocore checks against the service's own description."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.validate import validate_parameters
from moto.server import ThreadedMotoServer

from orchestrate.core.analysis.counts import Counts
from orchestrate.core.environment import Environment, EnvironmentType
from orchestrate.core.errors import (
    MetricsInvalid,
    MetricSourceRefused,
    MetricsUnavailable,
    RateLimited,
)
from orchestrate.core.metrics import Metrics
from orchestrate.core.protocols import MetricSource
from orchestrate.providers.metrics.asking import Asking
from orchestrate.providers.metrics.cloudwatch import CloudWatch
from orchestrate.providers.outbound import Outbound
from orchestrate.providers.outbound.allowed import Allowed
from tests.support.asking import NEW, OLD, read, source
from tests.support.secrets import GivenSecrets

pytestmark = pytest.mark.system

SINCE = 1_800_000_000.0 // 60 * 60
GROUP = "TargetGroup=targetgroup/shop-{{revision}}/0123456789abcdef"
QUERY = {
    "total": f"AWS/ApplicationELB RequestCount Sum {GROUP} LoadBalancer=app/shop/1",
    "bad": f"AWS/ApplicationELB HTTPCode_Target_5XX_Count Sum {GROUP} LoadBalancer=app/shop/1",
}
SLOW = {
    "total": f"AWS/ApplicationELB TargetResponseTime SampleCount {GROUP}",
    "bad": f"AWS/ApplicationELB TargetResponseTime TC(0.5:) {GROUP}",
}
KEYS = {"ACCESS_KEY_ID": "AKIAPLANTED", "SECRET_ACCESS_KEY": "planted-secret"}


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def asked(moto: str, monkeypatch: pytest.MonkeyPatch) -> MetricSource:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", moto)
    metrics = {"source": "cloudwatch", "region": "eu-central-1"}
    return source(metrics, {"errors": QUERY}, **KEYS)


def put(moto: str, name: str, key: str, slot: int, value: float) -> None:
    client = boto3.client(
        "cloudwatch",
        region_name="eu-central-1",
        endpoint_url=moto,
        aws_access_key_id="x",
        aws_secret_access_key="y",
    )
    dimensions = [
        {"Name": "TargetGroup", "Value": f"targetgroup/shop-{key}/0123456789abcdef"},
        {"Name": "LoadBalancer", "Value": "app/shop/1"},
    ]
    moment = datetime.fromtimestamp(SINCE + 60 * slot + 5, UTC)
    client.put_metric_data(
        Namespace="AWS/ApplicationELB",
        MetricData=[
            {"MetricName": name, "Dimensions": dimensions, "Timestamp": moment, "Value": value}
        ],
    )


def test_sums_of_each_target_group_by_slot(moto: str, asked: MetricSource) -> None:
    for value in (40, 60):
        put(moto, "RequestCount", NEW.key, 0, value)
    put(moto, "RequestCount", NEW.key, 2, 9)
    put(moto, "HTTPCode_Target_5XX_Count", NEW.key, 0, 3)
    put(moto, "RequestCount", OLD.key, 0, 900)
    assert read(asked, QUERY, SINCE, 3) == [Counts(3, 100), None, Counts(0, 9)]
    assert read(asked, QUERY, SINCE, 3, revision=OLD) == [Counts(0, 900), None, None]


class Front:
    """GetMetricData of a region, between botocore's checks of the question and of the answer."""

    def __init__(self) -> None:
        self.client = boto3.client(
            "cloudwatch",
            region_name="eu-central-1",
            aws_access_key_id="x",
            aws_secret_access_key="y",
        )
        self.model = self.client.meta.service_model.operation_model("GetMetricData")
        self.client.meta.events.register("provide-client-params.cloudwatch", self._remember)
        self.client.meta.events.register("before-call.cloudwatch.GetMetricData", self._answer)
        self.questions: list[dict[str, object]] = []
        self.answers: list[tuple[int, dict[str, object]]] = []

    def source(self) -> CloudWatch:
        metrics = Metrics.model_validate({"source": "cloudwatch", "queries": {"errors": QUERY}})
        environment = Environment(
            app="shop", name="prod", type=EnvironmentType.STAGING, provider="aws_ecs"
        )
        asking = Asking(metrics, environment, GivenSecrets(), Outbound(Allowed()))
        return CloudWatch(asking, self.client)

    def says(self, *results: dict[str, object], token: str | None = None) -> None:
        document: dict[str, object] = {"MetricDataResults": list(results)}
        self.answers.append((200, {**document, **({"NextToken": token} if token else {})}))

    def fails(self, status: int, code: str) -> None:
        self.answers.append((status, {"Error": {"Code": code, "Message": "no"}}))

    def _remember(self, params: dict[str, object], **_: object) -> None:
        self.questions.append(dict(params))

    def _answer(self, **_: object) -> tuple[AWSResponse, dict[str, object]]:
        status, document = self.answers.pop(0)
        if status == 200:
            assert self.model.output_shape is not None
            validate_parameters(document, self.model.output_shape)
        raw = AWSResponse("https://monitoring.eu-central-1.amazonaws.com", status, {}, None)
        return raw, {**document, "ResponseMetadata": {"HTTPStatusCode": status}}


def result(
    identity: str, values: dict[int, float], state: str = "Complete", label: str = "x"
) -> dict[str, object]:
    return {
        "Id": identity,
        "Label": label,
        "Timestamps": [datetime.fromtimestamp(SINCE + 60 * n, UTC) for n in values],
        "Values": list(values.values()),
        "StatusCode": state,
    }


def test_slow_answers_are_counted_by_a_trimmed_count() -> None:
    front = Front()
    front.says(result("total", {0: 200, 1: 100}), result("other", {0: 12}))
    assert read(front.source(), SLOW, SINCE, 2) == [Counts(12, 200), Counts(0, 100)]
    (question,) = front.questions
    (_, slow) = question["MetricDataQueries"]  # type: ignore[misc]
    assert slow["MetricStat"]["Stat"] == "TC(0.5:)" and slow["MetricStat"]["Period"] == 60


def test_metric_math_adds_its_series_up() -> None:
    front = Front()
    query = {
        "total": "=SEARCH('{AWS/ECS,TaskSet} RequestCount {{revision}}', 'Sum')",
        "good": "=SEARCH('{AWS/ECS,TaskSet} Fine {{revision}}', 'Sum')",
    }
    front.says(
        result("total", {0: 60}, label="a"),
        result("total", {0: 40}, label="b"),
        result("other", {0: 97}),
    )
    assert read(front.source(), query, SINCE, 1) == [Counts(3, 100)]
    (question,) = front.questions
    first = question["MetricDataQueries"][0]  # type: ignore[index]
    assert first["Expression"] == f"SEARCH('{{AWS/ECS,TaskSet}} RequestCount {NEW.key}', 'Sum')"
    assert first["Period"] == 60


def test_pages_are_read_to_the_end() -> None:
    front = Front()
    front.says(result("total", {0: 60}, "PartialData"), token="next")
    front.says(result("total", {1: 40}), result("other", {1: 1}))
    assert read(front.source(), QUERY, SINCE, 2) == [Counts(0, 60), Counts(1, 40)]
    assert front.questions[1]["NextToken"] == "next"


@pytest.mark.trap(51)
@pytest.mark.parametrize("state", ["PartialData", "InternalError"])
def test_a_part_of_an_answer_is_no_answer(state: str) -> None:
    front = Front()
    front.says(result("total", {0: 60}, state), result("other", {}))
    with pytest.raises(MetricsUnavailable) as partial:
        read(front.source(), QUERY, SINCE, 1)
    assert partial.value.why == (state,)


@pytest.mark.trap(47)
def test_a_late_point_is_there_when_it_is_asked_for_later() -> None:
    front = Front()
    front.says(result("total", {0: 60}), result("other", {0: 1}))
    front.says(result("total", {0: 60, 1: 55}), result("other", {0: 1}))
    asked = front.source()
    assert read(asked, QUERY, SINCE, 2) == [Counts(1, 60), None]
    assert read(asked, QUERY, SINCE, 2) == [Counts(1, 60), Counts(0, 55)]


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "Throttling", RateLimited),
        (500, "InternalServiceError", MetricsUnavailable),
        (403, "AccessDenied", MetricSourceRefused),
        (400, "InvalidParameterValue", MetricSourceRefused),
    ],
)
def test_failures_are_told_apart(status: int, code: str, kind: type[Exception]) -> None:
    front = Front()
    front.fails(status, code)
    with pytest.raises(kind):
        read(front.source(), QUERY, SINCE, 1)


@pytest.mark.parametrize("text", ["AWS/ECS RequestCount Sum", "AWS/ECS RequestCount Sum A=", "x"])
def test_a_query_without_a_dimension_would_count_everything_and_is_refused(text: str) -> None:
    with pytest.raises(MetricsInvalid):
        read(Front().source(), {"total": text, "bad": text}, SINCE, 1)


def test_nobody_there_is_worth_another_question(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", f"http://127.0.0.1:{port}")
        metrics = {"source": "cloudwatch", "region": "eu-central-1", "timeout_s": 2}
        with pytest.raises(MetricsUnavailable):
            read(source(metrics, {"errors": QUERY}, **KEYS), QUERY, SINCE, 1)


def test_nobody_s_identity_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/none")
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/none")
    with pytest.raises(MetricSourceRefused) as refused:
        read(source({"source": "cloudwatch", "region": "x"}, {"errors": QUERY}), QUERY, SINCE, 1)
    assert re.search("access_key_id", refused.value.fix[0])
