"""Datadog and Google Cloud Monitoring: counts, what is late, what is partial, what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrate.core.analysis.counts import Counts
from orchestrate.core.errors import (
    MetricsInvalid,
    MetricSourceRefused,
    MetricsUnavailable,
    RateLimited,
)
from orchestrate.core.protocols import MetricSource
from orchestrate.core.revision import Ref
from tests.support.asking import NEW, OLD, read, source
from tests.support.datadog import API_KEY, APP_KEY, Datadog, datadog
from tests.support.google import Google, google
from tests.support.hosted import Reply

pytestmark = pytest.mark.system

SINCE = 1_800_000_000.0
HITS = {
    "total": "sum:shop.hits{version:{{version}}}.as_count()",
    "bad": "sum:shop.errors{version:{{version}}}.as_count()",
}
RUN = (
    'metric.type="run.googleapis.com/request_count" '
    'AND resource.labels.revision_name="{{revision}}"'
)
REQUESTS = {"total": RUN, "bad": f'{RUN} AND metric.labels.response_code_class="5xx"'}


@pytest.fixture
def dog() -> Iterator[Datadog]:
    with datadog() as found:
        yield found


@pytest.fixture
def cloud() -> Iterator[Google]:
    with google() as found:
        yield found


def of(dog: Datadog, api_key: str = API_KEY) -> MetricSource:
    metrics = {"source": "datadog", "url": dog.server.url, "resolution_s": 60}
    return source(metrics, {"errors": HITS}, API_KEY=api_key, APP_KEY=APP_KEY)


def of_google(cloud: Google) -> MetricSource:
    metrics = {"source": "google", "url": cloud.server.url, "project": "shop-1"}
    return source(metrics, {"errors": REQUESTS}, CREDENTIALS=cloud.account())


def filled(query: dict[str, str], key: str, ref: Ref) -> str:
    return query[key].replace("{{version}}", ref.version).replace("{{revision}}", ref.key)


class TestDatadog:
    def test_counts_each_version_by_slot(self, dog: Datadog) -> None:
        dog.points[filled(HITS, "total", NEW)] = [(SINCE, 100), (SINCE + 60, 90), (SINCE + 120, 7)]
        dog.points[filled(HITS, "bad", NEW)] = [(SINCE + 60, 3)]
        dog.points[filled(HITS, "total", OLD)] = [(SINCE, 900)]
        assert read(of(dog), HITS, SINCE, 2) == [Counts(0, 100), Counts(3, 90)]
        assert read(of(dog), HITS, SINCE, 2, revision=OLD) == [Counts(0, 900), None]

    def test_keys_that_are_not_taken_are_named_and_not_shown(self, dog: Datadog) -> None:
        with pytest.raises(MetricSourceRefused) as refused:
            read(of(dog, "planted-wrong"), HITS, SINCE, 2)
        assert "does not let us in" in refused.value.message
        assert "planted" not in str(refused.value.as_dict())

    def test_a_limit_says_when_to_ask_again(self, dog: Datadog) -> None:
        limit = {"X-RateLimit-Limit": "300", "X-RateLimit-Reset": "17"}
        dog.server.next_replies = [Reply(429, {"errors": ["Too many requests"]}, limit)]
        with pytest.raises(RateLimited) as limited:
            read(of(dog), HITS, SINCE, 2)
        assert limited.value.retry_after_s == 17

    @pytest.mark.trap(51)
    def test_a_part_of_an_answer_is_no_answer(self, dog: Datadog) -> None:
        dog.points[filled(HITS, "total", NEW)] = [(SINCE, 100)]
        dog.fails = "Query timed out"
        with pytest.raises(MetricsUnavailable) as partial:
            read(of(dog), HITS, SINCE, 1)
        assert partial.value.retryable and "Query timed out" in partial.value.why[0]

    def test_coarser_counts_than_asked_for_are_refused(self, dog: Datadog) -> None:
        dog.points[filled(HITS, "total", NEW)] = [(SINCE, 100)]
        dog.interval_s = 300
        with pytest.raises(MetricsUnavailable, match="longer spans"):
            read(of(dog), HITS, SINCE, 5)

    def test_what_is_no_json_is_no_answer(self, dog: Datadog) -> None:
        dog.server.next_replies = [Reply(200, b"<html>maintenance</html>"), Reply(502, b"bad")]
        for _ in range(2):
            with pytest.raises(MetricsUnavailable):
                read(of(dog), HITS, SINCE, 1)

    @pytest.mark.trap(45)
    def test_an_empty_answer_is_no_data_and_no_zero(self, dog: Datadog) -> None:
        assert read(of(dog), HITS, SINCE, 2) == [None, None]

    @pytest.mark.trap(47)
    def test_more_errors_than_requests_are_an_answer_that_is_not_complete(
        self, dog: Datadog
    ) -> None:
        dog.points[filled(HITS, "total", NEW)] = [(SINCE, 10)]
        dog.points[filled(HITS, "bad", NEW)] = [(SINCE, 25)]
        assert read(of(dog), HITS, SINCE, 1) == [None]

    @pytest.mark.trap(53)
    @pytest.mark.parametrize("version", ["", "*", "1.0,version:2.0", "a b"])
    def test_a_label_that_would_match_more_is_never_asked(self, dog: Datadog, version: str) -> None:
        with pytest.raises(MetricsInvalid):
            read(of(dog), HITS, SINCE, 1, revision=Ref(key="k1", version=version))
        assert dog.server.asked == []


class TestGoogle:
    def test_counts_each_revision_by_slot_over_pages(self, cloud: Google) -> None:
        cloud.page = 2
        cloud.points[filled(REQUESTS, "total", NEW)] = [(SINCE + 60 * n, 10 + n) for n in range(5)]
        cloud.points[filled(REQUESTS, "bad", NEW)] = [(SINCE + 120, 4)]
        found = read(of_google(cloud), REQUESTS, SINCE, 4)
        assert found == [Counts(0, 10), Counts(0, 11), Counts(4, 12), Counts(0, 13)]

    def test_one_token_serves_many_questions_and_is_renewed_when_refused(
        self, cloud: Google
    ) -> None:
        asked = of_google(cloud)
        cloud.points[filled(REQUESTS, "total", NEW)] = [(SINCE, 10)]
        for _ in range(3):
            read(asked, REQUESTS, SINCE, 1)
        assert cloud.tokens == 1
        cloud.tokens = 7  # revoked: another one is in force
        with pytest.raises(MetricSourceRefused):
            read(asked, REQUESTS, SINCE, 1)
        assert read(asked, REQUESTS, SINCE, 1) == [Counts(0, 10)]

    @pytest.mark.trap(51)
    def test_execution_errors_are_a_part_of_an_answer_and_none(self, cloud: Google) -> None:
        cloud.points[filled(REQUESTS, "total", NEW)] = [(SINCE, 10)]
        cloud.fails = "a zone did not answer"
        with pytest.raises(MetricsUnavailable) as partial:
            read(of_google(cloud), REQUESTS, SINCE, 1)
        assert "a zone did not answer" in partial.value.why[0]

    def test_what_it_does_not_take_is_told_in_its_words(self, cloud: Google) -> None:
        with pytest.raises(MetricSourceRefused) as refused:
            read(of_google(cloud), REQUESTS, SINCE, 1, slot_s=30)
        assert any("at least 60s" in each for each in refused.value.why)

    def test_a_limit_says_when_to_ask_again(self, cloud: Google) -> None:
        asked = of_google(cloud)
        read(asked, REQUESTS, SINCE, 1)
        error = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Quota"}}
        cloud.server.next_replies = [Reply(429, error, {"Retry-After": "9"})]
        with pytest.raises(RateLimited) as limited:
            read(asked, REQUESTS, SINCE, 1)
        assert limited.value.retry_after_s == 9

    @pytest.mark.parametrize("key", ["no json", '{"type": "authorized_user"}'])
    def test_a_secret_that_is_no_key_is_refused_and_not_shown(
        self, cloud: Google, key: str
    ) -> None:
        metrics = {"source": "google", "url": cloud.server.url, "project": "shop-1"}
        asked = source(metrics, {"errors": REQUESTS}, CREDENTIALS=key)
        with pytest.raises(MetricSourceRefused) as refused:
            read(asked, REQUESTS, SINCE, 1)
        assert key not in str(refused.value.as_dict())
