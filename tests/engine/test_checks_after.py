"""The checks after a change, each on a server that answers what a test says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from pydantic import JsonValue

from orchestrate.core.errors import NoDataError
from orchestrate.core.protocols import Capabilities, Replica, RequestCounts
from orchestrate.core.revision import Ref, Revision
from orchestrate.core.verification import (
    Endpoint,
    LogRules,
    RequestRules,
    SmokeRequest,
    Verification,
    VersionRule,
)
from orchestrate.engine.checks import endpoints, logs, restarts, smoke, traffic, version
from orchestrate.engine.checks.after import AFTER, After, ask
from orchestrate.engine.checks.observed import Found, Logged, Observed, passed
from tests.engine.observing import NEW, NOT_YET, door, observed, platform, result
from tests.support.door import Door
from tests.support.pretended import Pretended
from tests.support.records import revision

__all__ = ["door", "platform"]

NOTHING = Logged(0, {})
"""What a revision without a single line of log was recorded with."""


class TestVersion:
    def test_is_asked_of_every_replica_and_the_front_door(self, platform: Pretended) -> None:
        assert result(version.check(observed(platform), {})) == (
            "pass",
            "1 of 1 replicas and the front door answer 2.0.0",
        )

    def test_says_whom_it_was_asked(self, platform: Pretended) -> None:
        """A replica without an address is taken by the platform's word."""
        url, silent = platform.address, Replica(1, "running")
        platform.replicas_of["new"] = [Replica(0, "running", url), silent]

        def said(**more: object) -> str:
            return result(version.check(observed(platform, replicas=2, **more), {}))[1]

        assert said() == "1 of 2 replicas and the front door answer 2.0.0; 2 of 2 replicas run"
        platform.replicas_of["new"] = [Replica(0, "running"), silent]
        assert said() == "the front door answers 2.0.0; 2 of 2 replicas run"
        word = "2 of 2 replicas run, by the platform's word: none has an address to ask"
        assert said(percent=0) == word
        platform.address = None
        assert said() == word

    @pytest.mark.trap(40)
    def test_is_wrong_where_the_platform_runs_another_image(self, platform: Pretended) -> None:
        url = platform.address
        platform.replicas_of["new"] = [Replica(0, "running", url, artifact="sha256:" + "0" * 64)]
        found = version.check(observed(platform, watched_s=60), {})
        assert result(found)[0] == "fail"
        assert "the platform runs sha256:000000000000, expected" in result(found)[1]

    def test_is_told_by_the_platform_where_it_can(self, platform: Pretended) -> None:
        digest = revision("2.0.0").artifact.digest
        platform.replicas_of["new"] = [Replica(0, "running", platform.address, artifact=digest)]
        assert "all run sha256:" in result(version.check(observed(platform), {}))[1]

    @pytest.mark.parametrize(
        ("rule", "said"),
        [
            (VersionRule(value="$.build.version"), "$.build.version is 1.9.0, expected 2.0.0"),
            (VersionRule(value="$.release"), "$.release is nothing, expected 2.0.0"),
            (VersionRule(header="X-Build"), "X-Build is 1.9.0, expected 2.0.0"),
        ],
    )
    def test_may_be_told_in_json_or_another_header(
        self, platform: Pretended, door: Door, rule: VersionRule, said: str
    ) -> None:
        verify = Verification(version=rule)
        door.says("GET /version", {"build": {"version": "1.9.0"}}, X_Build="1.9.0")
        first = version.check(observed(platform, verify), {})
        assert first.result is None, "one wrong answer is not a wrong version"
        assert said in first.text
        found = version.check(observed(platform, verify, watched_s=60), {})
        assert result(found)[0] == "fail"
        door.says(
            "GET /version", {"build": {"version": "2.0.0"}, "release": "2.0.0"}, X_Build="2.0.0"
        )
        assert result(version.check(observed(platform, verify), {}))[0] == "pass"


class TestRestarts:
    @pytest.mark.trap(38)
    def test_count_even_when_it_is_well_now(self, platform: Pretended) -> None:
        platform.replicas_of["new"] = [Replica(0, "running", restarts=3, exit_code=137)]
        found = restarts.check(observed(platform), {})
        assert result(found) == ("fail", "replica 0 was restarted 3 times, last with exit code 137")

    def test_of_one_that_has_been_running_for_long_count_from_now(
        self, platform: Pretended
    ) -> None:
        platform.replicas_of["new"] = [Replica(0, "running", restarts=3)]
        assert result(restarts.check(observed(platform, fresh=False), {}))[0] == "pass"

    def test_may_be_forbidden(self, platform: Pretended) -> None:
        platform.replicas_of["new"] = [Replica(0, "running", restarts=1)]
        verify = Verification(restarts=0)
        assert result(restarts.check(observed(platform, verify), {}))[0] == "fail"


class TestEndpoints:
    VERIFY = Verification(endpoints=(Endpoint(path="/ready", good=3, bad=2, of=4),), patience_s=5)

    def look(self, platform: Pretended, answers: str, door: Door) -> Found:
        """After these answers, `+` good and `-` bad, to both replica and front door."""
        memory: dict[str, JsonValue] = {}
        found = passed("endpoints", "never asked")
        for number, mark in enumerate(answers):
            door.says("GET /ready", status=200 if mark == "+" else 503)
            found = endpoints.check(observed(platform, self.VERIFY, watched_s=number * 0.5), memory)
            memory = found.memory
            if found.result is not None:
                assert number == len(answers) - 1, "decided early"
        return found

    @pytest.mark.trap(38)
    def test_one_good_answer_is_not_health(self, platform: Pretended, door: Door) -> None:
        assert self.look(platform, "+", door).result is None
        assert result(self.look(platform, "+++", door)) == ("pass", "2 healthy")

    def test_one_bad_answer_is_not_sickness(self, platform: Pretended, door: Door) -> None:
        assert result(self.look(platform, "+-++", door))[0] == "pass"

    def test_bad_answers_say_which_url_and_status(self, platform: Pretended, door: Door) -> None:
        state, text = result(self.look(platform, "--", door))
        assert state == "fail"
        assert f"GET {door.url}/ready answered 503, expected 200" in text

    @pytest.mark.trap(38)
    def test_one_that_flaps_never_becomes_healthy(self, platform: Pretended, door: Door) -> None:
        verify = Verification(
            endpoints=(Endpoint(path="/ready", good=4, bad=4, of=5),), patience_s=2
        )
        memory: dict[str, JsonValue] = {}
        for number in range(40):
            door.says("GET /ready", status=200 if number % 2 else 503)
            subject = observed(platform, verify, watched_s=number * 0.5)
            found = endpoints.check(subject, memory)
            memory = found.memory
            if found.result is not None:
                break
        assert result(found)[0] == "fail"
        assert "for 4.5s" in result(found)[1]


class TestSmoke:
    def run(self, platform: Pretended, *requests: SmokeRequest, **more: object) -> Found:
        return smoke.check(observed(platform, Verification(smoke=requests), **more), {})

    def test_carries_what_one_answer_held_to_the_next_request(
        self, platform: Pretended, door: Door
    ) -> None:
        door.says("POST /carts", {"id": 7}, 201, ETag="w7")
        door.says("GET /carts/7", {"items": [{"name": "tea"}], "by": "2.0.0"})
        found = self.run(
            platform,
            _request("POST", "/carts", {"status": 201}, body={"item": "{version}"}).model_copy(
                update={"capture": {"cart": "$.id", "tag": "header:ETag"}}
            ),
            _request(
                "GET", "/carts/{cart}", {"values": {"$.items[0].name": "tea", "by": "{version}"}}
            ),
        )
        assert result(found) == ("pass", "2 requests at the front door as expected")
        assert ("POST /carts", '{"item": "2.0.0"}') in door.asked

    @pytest.mark.parametrize(
        ("expect", "said"),
        [
            ({"status": 201}, "answered 200, expected 201"),
            (
                {"headers": {"Content-Type": "text/*"}},
                "Content-Type is image/png, expected text/*",
            ),
            ({"headers": {"X-None": "*"}}, "X-None is not there, expected *"),
            ({"values": {"$.n": 2}}, "$.n is 1, expected 2"),
            ({"values": {"$.n": True}}, "$.n is 1, expected true"),
            ({"values": {"$.none": None}}, "there is no $.none"),
            ({"contains": "coffee"}, "does not hold 'coffee'"),
            ({"within_s": 0.000001}, "expected at most 1e-06s"),
        ],
    )
    def test_says_which_url_and_what_was_wrong(
        self, platform: Pretended, door: Door, expect: dict[str, object], said: str
    ) -> None:
        door.says("GET /", {"n": 1}, Content_Type="image/png")
        request = _request("GET", "/", expect)
        early = self.run(platform, request)
        assert early.result is None, "one wrong answer is not a bad release"
        state, text = result(self.run(platform, request, watched_s=60))
        assert state == "fail"
        assert f"GET {door.url}/" in text and said in text

    def test_does_not_follow_where_it_is_sent(self, platform: Pretended, door: Door) -> None:
        door.says("GET /", status=302, Location="http://169.254.169.254/")
        state, text = result(self.run(platform, _request("GET", "/", {}), watched_s=60))
        assert (state, "answered 302, expected 200" in text) == ("fail", True)

    def test_that_cannot_reach_anybody_says_so(self, platform: Pretended) -> None:
        platform.address = "http://127.0.0.1:9"
        state, text = result(self.run(platform, _request("GET", "/", {}), watched_s=60))
        assert (state, "GET http://127.0.0.1:9/" in text) == ("fail", True)

    def test_before_traffic_asks_a_replica(self, platform: Pretended, door: Door) -> None:
        platform.address, platform.shares = None, ()
        door.says("GET /", "tea")
        found = self.run(platform, _request("GET", "/", {"contains": "tea"}), percent=0)
        assert result(found) == ("pass", "1 request at the replica 0 as expected")

    def test_is_asked_with_traffic_where_no_replica_can_be_asked_before(
        self, platform: Pretended, door: Door
    ) -> None:
        platform.replicas_of["new"] = [Replica(0, "running")]
        door.says("GET /", "tea")
        request = _request("GET", "/", {"contains": "tea"})
        assert result(self.run(platform, request, percent=0)) == NOT_YET
        assert door.asked == []
        assert result(self.run(platform, request))[0] == "pass"


class TestRequests:
    VERIFY = Verification(
        requests=RequestRules(window_s=10, min_requests=20, max_error_ratio=0.05, max_latency_s=0.3)
    )

    def look(self, platform: Pretended, counts: RequestCounts, at_s: float) -> Found:
        platform.counts = {"new": RequestCounts(total=1000, failed=900)}
        first = traffic.check(observed(platform, self.VERIFY), {})
        platform.counts = {"new": counts}
        return traffic.check(observed(platform, self.VERIFY, watched_s=at_s), first.memory)

    def test_count_from_the_switch_on(self, platform: Pretended) -> None:
        buckets = {0.1: 95, 0.3: 97, float("inf"): 100}
        found = self.look(platform, RequestCounts(1100, 901, latency_buckets=buckets), 10)
        assert result(found) == ("pass", "1 of 100 requests failed; 3 of 100 took longer than 0.3s")

    def test_far_too_many_failures_end_it_at_once(self, platform: Pretended) -> None:
        found = self.look(platform, RequestCounts(1040, 930), 1)
        assert result(found) == ("fail", "30 of 40 requests failed, at most 5% may")

    def test_a_few_failures_by_accident_do_not(self, platform: Pretended) -> None:
        assert self.look(platform, RequestCounts(1020, 902), 1).result is None

    def test_answers_that_are_too_slow_fail(self, platform: Pretended) -> None:
        buckets = {0.1: 50, 0.3: 60, 1.2: 100, float("inf"): 100}
        found = self.look(platform, RequestCounts(1100, 900, latency_buckets=buckets), 10)
        assert result(found)[0] == "fail"
        assert "40 of 100 took longer than 0.3s, at most 5% may" in result(found)[1]

    def test_a_limit_between_two_bounds_is_not_the_lower_one(self, platform: Pretended) -> None:
        buckets = {0.25: 900, 0.5: 960, float("inf"): 960}
        found = self.look(platform, RequestCounts(1960, 900, latency_buckets=buckets), 10)
        assert result(found)[0] == "pass", "6% took longer than 0.25s, the limit is 0.3s"
        buckets = {0.25: 700, 0.5: 960, float("inf"): 960}
        found = self.look(platform, RequestCounts(1960, 900, latency_buckets=buckets), 10)
        assert "208 of 960 took longer than 0.3s" in result(found)[1]

    def test_a_few_slow_answers_of_few_are_an_accident(self, platform: Pretended) -> None:
        for slow, said in ((2, "pass"), (5, "fail")):
            buckets = {0.3: 20 - slow, 10.0: 20 - slow, float("inf"): 20}
            found = self.look(platform, RequestCounts(1020, 900, latency_buckets=buckets), 10)
            assert result(found)[0] == said
            assert json.dumps(found.evidence, allow_nan=False), "as every database takes it"

    @pytest.mark.trap(45)
    def test_too_few_are_neither_pass_nor_fail(self, platform: Pretended) -> None:
        found = self.look(platform, RequestCounts(1003, 900), 60)
        assert (found.result, found.text) == (None, "hold: no data: 3 of 20 requests")

    @pytest.mark.trap(51)
    def test_counters_that_cannot_be_read_are_no_pass(self, platform: Pretended) -> None:
        class Silent(Pretended):
            def requests(self) -> Mapping[str, RequestCounts]:
                raise NoDataError("the edge does not answer")

        silent = Silent(platform.replicas_of, platform.shares, address=platform.address)
        found = traffic.check(observed(silent, self.VERIFY, watched_s=60), {})
        assert found.result is None and found.text.startswith("hold: no data")

    def test_that_the_platform_does_not_count_are_an_error(self, platform: Pretended) -> None:
        class Blind(Pretended):
            capabilities = Capabilities(strategies=frozenset())

        blind = Blind(platform.replicas_of, platform.shares, address=platform.address)
        assert result(traffic.check(observed(blind, self.VERIFY), {}))[0] == "error"


class TestLogs:
    def run(
        self, new: list[str], old: list[str], beginning: Logged | None = NOTHING, **rules: object
    ) -> Found:
        class Logging(Pretended):
            def logs(self, revision: Ref, tail: int, grep: str | None = None):  # type: ignore[no-untyped-def]
                self.lines = tuple(new if revision == NEW else old)
                return super().logs(revision, tail, grep)

        verify = Verification(logs=LogRules.model_validate(rules))
        return logs.check(replace(observed(Logging(), verify), beginning=beginning), {})

    def test_a_new_kind_of_error_fails(self) -> None:
        new = [f"ERROR cart {n} of 'lee' is gone" for n in range(5)] + ["served"] * 50
        found = self.run(new, ["served"] * 50)
        assert result(found)[0] == "fail"
        assert found.lines == ("untrusted | ERROR cart # of # is gone",)

    def test_what_the_old_one_logs_as_often_does_not(self) -> None:
        lines = ["error: no route to host 10.0.0.7"] * 20 + ["served"] * 80
        assert result(self.run(lines, lines))[0] == "pass"

    def test_what_the_old_one_logged_at_its_own_start_does_not(self) -> None:
        start = ["error: cannot reach cache 10.0.0.7"] * 3
        new, old = start + ["served"] * 250, ["served"] * 500
        assert result(self.run(new, old))[0] == "fail"
        known = Logged(253, {"error: cannot reach cache #.#.#.#": 3})
        assert result(self.run(new, old, known))[0] == "pass"

    def test_what_stands_at_the_start_alone_is_not_compared_with_what_nobody_recorded(self) -> None:
        start = ["error: cannot reach cache 10.0.0.7"] * 3
        assert result(self.run(start + ["served"] * 250, ["served"] * 500, None))[0] == "pass"
        cut = Logged(500, {}, whole=False)
        assert result(self.run(start + ["served"] * 250, ["served"] * 500, cut))[0] == "pass"
        late = ["served"] * 250 + start
        assert result(self.run(late, ["served"] * 500, None))[0] == "fail"

    def test_a_log_that_went_with_the_old_one_is_no_log_without_errors(self) -> None:
        new = ["error: no route to host"] * 5
        found = self.run(new, [], None)
        assert result(found)[0] == "skipped"
        assert "nothing of the old one's log is left" in result(found)[1]
        assert result(self.run(new, [], NOTHING))[0] == "fail"

    def test_far_more_of_the_same_kind_does(self) -> None:
        new = ["error: timed out after 30 ms"] * 60 + ["served"] * 40
        old = ["error: timed out after 29 ms"] * 5 + ["served"] * 95
        assert result(self.run(new, old))[0] == "fail"

    def test_words_are_whole_and_what_is_allowed_is_no_error(self) -> None:
        lines = ["errors: none", "no terrors here"] * 5 + ["ERROR deprecated option"] * 5
        assert result(self.run(lines, [], allow=("deprecated",)))[0] == "pass"

    def test_a_pattern_may_have_gaps(self) -> None:
        lines = ["payment 7 was declined by bank"] * 5
        assert result(self.run(lines, [], patterns=("payment*declined",)))[0] == "fail"

    def test_a_line_made_to_be_slow_is_not(self) -> None:
        lines = ['error "' + "a'" * 100_000] * 200
        found = self.run(lines, [], patterns=("a*a*a*a*a*b", "error"))
        assert found.result is not None


def _request(method: str, path: str, expect: object, body: JsonValue = None) -> SmokeRequest:
    given = {"name": path, "method": method, "path": path, "expect": expect, "body": body}
    return SmokeRequest.model_validate(given)


class TestTogether:
    def test_each_is_asked_in_order_and_remembered(self, platform: Pretended, door: Door) -> None:
        door.says("GET /", "tea")
        verify = Verification(smoke=(_request("GET", "/", {"contains": "tea"}),))
        asked = ask(observed(platform, verify), {})
        assert ([r["name"] for r in asked.results], asked.done) == (["version", "restarts"], False)
        asked = ask(observed(platform, verify), asked.memory)
        names = [r["name"] for r in asked.results]
        assert (names, asked.done) == (["version", "restarts", "smoke", "restarts since"], True)

    def test_one_that_ran_before_and_ends_while_it_is_asked_is_seen(
        self, platform: Pretended, door: Door
    ) -> None:
        door.says("GET /", "tea")
        verify = Verification(smoke=(_request("GET", "/", {"contains": "tea"}),))
        platform.replicas_of["new"] = [Replica(0, "running", door.url, restarts=9)]
        asked = ask(observed(platform, verify, fresh=False), {})
        platform.replicas_of["new"] = [Replica(0, "running", door.url, restarts=12)]
        asked = ask(observed(platform, verify, fresh=False), asked.memory)
        assert asked.failed is not None
        assert asked.failed["name"] == "restarts since"
        assert asked.failed["text"] == "replica 0 was restarted 3 times"

    def test_one_that_raises_is_an_error_and_never_a_pass(self, platform: Pretended) -> None:
        def broken(subject: Observed, memory: Mapping[str, JsonValue]) -> Found:
            from orchestrate.core.errors import StepFailed

            raise StepFailed("the log cannot be read", fix=["look at the disk"])

        asked = ask(observed(platform), {}, (After("version", broken, always=True),))
        assert asked.failed is not None
        assert (asked.failed["result"], asked.failed["text"]) == ("error", "the log cannot be read")

    def test_without_settings_only_version_and_restarts_are_asked(
        self, platform: Pretended
    ) -> None:
        asked = ask(observed(platform), {})
        assert [r["name"] for r in asked.results] == ["version", "restarts"]
        assert len(AFTER) == 8


def test_a_revision_without_such_settings_keeps_the_name_it_had() -> None:
    found: Revision = revision("2.0.0")
    asked = found.model_copy(update={"verify": Verification(restarts=0)})
    assert found.digest != asked.digest
    assert "verify" in found.model_dump()
