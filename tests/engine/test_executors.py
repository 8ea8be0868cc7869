"""How each kind of step is carried out and judged, on a platform that shows what a test says."""

from __future__ import annotations

import pytest

from orchestrate.core.errors import (
    AnalysisAbort,
    EdgeFailed,
    ExitedAtOnce,
    StepFailed,
    Unhealthy,
    VerificationFailed,
)
from orchestrate.core.protocols import Replica, ReplicaState, RequestCounts
from orchestrate.core.steps import (
    Analyse,
    AwaitHealthy,
    Bake,
    Drain,
    Route,
    Share,
    Start,
    Stop,
    Switch,
    Verify,
)
from orchestrate.engine.executors.look import Look, paced
from tests.engine.watching import NEW, OLD, POLICY, answering, platform, running, watch
from tests.support.pretended import Pretended
from tests.support.servers import Server, serving

__all__ = ["answering", "platform"]


class TestAwaitHealthy:
    STEP = AwaitHealthy(revision=NEW, replicas=1, within_s=10)

    @pytest.mark.trap(38)
    def test_wants_good_answers_in_a_row(self, platform: Pretended, answering: Server) -> None:
        platform.replicas_of["new"] = [running(0, answering.url)]
        waiting = watch(platform, self.STEP)
        assert not waiting.look().done
        answering.healthy = False
        assert not waiting.look(0.5).done
        answering.healthy = True
        assert not waiting.look(0.5).done, "the row began again"
        done = waiting.look(0.5)
        assert (done.done, done.text) == (True, "1 of 1 healthy")

    @pytest.mark.trap(40)
    def test_wants_the_right_version(self, platform: Pretended) -> None:
        with serving("1") as other:
            platform.replicas_of["new"] = [running(0, other.url)]
            assert "X-Version is 1, expected 2" in watch(platform, self.STEP).look().text

    def test_takes_the_platforms_word_where_there_is_no_address(self, platform: Pretended) -> None:
        platform.replicas_of["new"] = [running(0)]
        assert watch(platform, self.STEP).look().done

    def test_ends_when_its_time_is_over_with_the_last_words(
        self, platform: Pretended, answering: Server
    ) -> None:
        answering.healthy = False
        platform.replicas_of["new"] = [running(0, answering.url)]
        platform.lines = ("no database",)
        waiting = watch(platform, self.STEP)
        waiting.look()
        assert not waiting.look(4).done
        with pytest.raises(Unhealthy) as raised:
            for _ in range(3):
                waiting.look(4)
        assert "answered 503, expected 200" in raised.value.why[0]
        assert "untrusted | no database" in raised.value.why
        assert raised.value.fix

    def test_tells_what_went_wrong_even_where_the_log_cannot_be_read(
        self, platform: Pretended, answering: Server
    ) -> None:
        answering.healthy = False
        platform.replicas_of["new"] = [running(0, answering.url)]
        platform.unreadable = True
        waiting = watch(platform, self.STEP)
        with pytest.raises(Unhealthy) as raised:
            for _ in range(5):
                waiting.look(4)
        assert "its log could not be read: no log today" in raised.value.why

    def test_does_not_count_time_in_which_nobody_looked(
        self, platform: Pretended, answering: Server
    ) -> None:
        answering.healthy = False
        platform.replicas_of["new"] = [running(0, answering.url)]
        waiting = watch(platform, self.STEP)
        waiting.look()
        assert not waiting.look(3600).done, "the service was down for an hour"

    @pytest.mark.trap(44)
    def test_waits_for_no_more_than_an_autoscaler_wants(self, platform: Pretended) -> None:
        platform.replicas_of["new"] = [running(0)]
        step = AwaitHealthy(revision=NEW, replicas=3, within_s=10)
        assert watch(platform, step).look().text.startswith("1 of 3 healthy")
        platform.autoscaled = True
        found = watch(platform, step).look()
        assert (found.done, found.text) == (True, "1 of 1 healthy")
        everything = Verify(revision=NEW, replicas=3, percent=0)
        assert watch(platform, everything).look().text.startswith("1 of 1 replicas run")

    def test_gives_up_on_a_replica_that_keeps_ending(self, platform: Pretended) -> None:
        gone: ReplicaState = "exited"
        platform.replicas_of["new"] = [Replica(0, gone, restarts=3, exit_code=7)]
        with pytest.raises(ExitedAtOnce, match="exit code 7"):
            watch(platform, self.STEP).look()


class TestTraffic:
    HALF = Route(shares=(Share(revision=OLD, percent=50), Share(revision=NEW, percent=50)))

    @pytest.mark.trap(32)
    def test_is_done_once_it_is_observed(self, platform: Pretended) -> None:
        waiting = watch(platform, self.HALF)
        waiting.act()
        assert platform.asked == ["route as 7"]
        assert waiting.look().text == "50% on 2, 50% on 1"

    @pytest.mark.trap(33)
    def test_that_is_not_as_asked_is_an_error(self, platform: Pretended) -> None:
        platform.deaf = True
        for step in (self.HALF, Switch(to=NEW)):
            waiting = watch(platform, step)
            waiting.act()
            with pytest.raises(EdgeFailed):
                waiting.look()


class TestDrain:
    STEP = Drain(revision=OLD, beyond=1, within_s=5)

    @pytest.mark.trap(36)
    def test_waits_for_open_connections_of_the_leaving_replicas(self, platform: Pretended) -> None:
        platform.replicas_of["old"] = [running(0, connections=9), running(1, connections=2)]
        waiting = watch(platform, self.STEP)
        assert waiting.look().text == "2 open"
        platform.replicas_of["old"][1] = running(1, connections=0)
        assert waiting.look(1).text == "no connection is open"

    def test_does_not_wait_for_ever(self, platform: Pretended) -> None:
        platform.replicas_of["old"] = [running(0), running(1, connections=2)]
        waiting = watch(platform, self.STEP)
        assert not waiting.look().done
        assert not waiting.look(4).done
        assert waiting.look(4).text == "2 still open after 5s"

    def test_waits_a_little_where_the_platform_counts_nothing(self, platform: Pretended) -> None:
        platform.replicas_of["old"] = [running(0), running(1)]
        waiting = watch(platform, self.STEP)
        assert not waiting.look().done
        assert not waiting.look(4).done
        found = waiting.look(4)
        assert found.done
        assert found.text.startswith("the platform counts no connections; what it stops may finish")


def test_a_platform_is_not_asked_more_often_than_it_likes() -> None:
    assert paced(Look(False, "", again_s=0.1), 3.0).again_s == 3.0
    assert paced(Look(False, "", again_s=5.0), 3.0).again_s == 5.0


class TestStartAndStop:
    def test_ask_for_what_the_step_says(self, platform: Pretended) -> None:
        watch(platform, Start(revision=NEW, replicas=3)).act()
        watch(platform, Stop(revision=OLD)).act()
        watch(platform, Stop(revision=OLD, keep=1)).act()
        watch(platform, Stop(revision=OLD, after_s=60)).act()
        assert platform.asked == ["start 3 of 2 as 7", "stop 1 as 7", "scale 1 to 1 as 7"]

    def test_a_stop_is_done_when_the_processes_are_gone(self, platform: Pretended) -> None:
        platform.replicas_of["old"] = [running(0)]
        waiting = watch(platform, Stop(revision=OLD))
        assert waiting.look().text == "1 stopping"
        platform.replicas_of["old"] = [Replica(0, "exited")]
        assert waiting.look(1).done

    def test_a_stop_that_never_ends_is_an_error(self, platform: Pretended) -> None:
        platform.replicas_of["old"] = [running(0)]
        waiting = watch(platform, Stop(revision=OLD))
        with pytest.raises(StepFailed, match="did not stop"):
            for _ in range(100):
                waiting.look(4)


class TestVerify:
    STEP = Verify(revision=NEW, replicas=1, percent=100)

    def test_asks_every_replica_and_the_front_door(
        self, platform: Pretended, answering: Server
    ) -> None:
        platform.replicas_of["new"] = [running(0, answering.url)]
        platform.shares = (Share(revision=NEW, percent=100),)
        platform.address = answering.url
        assert watch(platform, self.STEP).look().text == (
            "1 of 1 replicas and the front door answer 2"
        )

    @pytest.mark.trap(40)
    def test_fails_after_a_while_when_another_version_answers_at_the_door(
        self, platform: Pretended, answering: Server
    ) -> None:
        platform.replicas_of["new"] = [running(0, answering.url)]
        platform.shares = (Share(revision=NEW, percent=100),)
        with serving("1") as door:
            platform.address = door.url
            waiting = watch(platform, self.STEP)
            assert not waiting.look().done, "one wrong answer is not a wrong release"
            with pytest.raises(VerificationFailed) as raised:
                for _ in range(4):
                    waiting.look(4)
        assert "front door" in raised.value.why[0]


class TestAnalyse:
    STEP = Analyse(revision=NEW, baseline=OLD, percent=10, policy=POLICY)

    def test_counts_from_the_first_look_on(self, platform: Pretended) -> None:
        platform.counts = {"new": RequestCounts(total=100, failed=100)}
        waiting = watch(platform, self.STEP)
        assert waiting.look().text.startswith("hold")
        platform.counts = {
            "new": RequestCounts(total=130, failed=100),
            "old": RequestCounts(total=270),
        }
        found = [waiting.look(5).text for _ in range(13)]
        assert found[-1] == "promote: failed 0.00% of 30, limit 5%"

    def test_without_requests_holds_and_says_so(self, platform: Pretended) -> None:
        waiting = watch(platform, self.STEP)
        found = [waiting.look(5).text for _ in range(20)]
        assert found[-1] == "hold: no data: answered 0 of at least 20 requests"

    def test_aborts_at_once_with_both_counts(self, platform: Pretended) -> None:
        waiting = watch(platform, self.STEP)
        waiting.look()
        platform.counts = {
            "new": RequestCounts(total=40, failed=24),
            "old": RequestCounts(total=360, failed=1),
        }
        with pytest.raises(AnalysisAbort) as raised:
            waiting.look(1)
        assert "2 failed 60.00% of 40" in raised.value.message
        assert "1 failed 0.28% of 360" in raised.value.message

    @pytest.mark.parametrize(
        ("routed", "said"), [(10, "10% are routed to it"), (50, "promote: failed 0.00% of 1,000")]
    )
    def test_judges_by_the_share_that_is_routed_and_not_the_one_that_was_asked_for(
        self, platform: Pretended, routed: int, said: str
    ) -> None:
        """One of two replicas is half of the traffic, whatever the step says."""
        platform.shares = (
            Share(revision=OLD, percent=100 - routed),
            Share(revision=NEW, percent=routed),
        )
        waiting = watch(platform, self.STEP)
        waiting.look()
        platform.counts = {"new": RequestCounts(total=1000), "old": RequestCounts(total=1000)}
        assert said in [waiting.look(5).text for _ in range(13)][-1]

    @pytest.mark.trap(38)
    def test_refuses_a_version_whose_replicas_keep_ending(self, platform: Pretended) -> None:
        platform.replicas_of["new"] = [running(0, restarts=0)]
        waiting = watch(platform, self.STEP)
        waiting.look()
        platform.replicas_of["new"] = [running(0, restarts=3)]
        with pytest.raises(Unhealthy, match="keeps ending"):
            waiting.look(1)


def test_a_version_that_nobody_reaches_because_it_is_sick_is_refused(
    platform: Pretended, answering: Server
) -> None:
    platform.replicas_of["new"] = [running(0, answering.url)]
    waiting = watch(platform, TestAnalyse.STEP)
    for _ in range(20):
        assert "no data" in waiting.look(5).text or waiting.time < 1070
    answering.healthy = False
    with pytest.raises(Unhealthy, match="is not healthy any more"):
        for _ in range(3):
            waiting.look(5)


def test_a_bake_needs_no_requests_but_refuses_failures(platform: Pretended) -> None:
    step = Bake(revision=NEW, baseline=OLD, for_s=10, policy=POLICY)
    waiting = watch(platform, step)
    assert not waiting.look().done
    assert any(waiting.look(3).done for _ in range(4))
    failing = watch(platform, step)
    failing.look()
    with pytest.raises(AnalysisAbort) as raised:
        for look in range(1, 5):
            platform.counts = {"new": RequestCounts(total=50 * look, failed=10 * look)}
            failing.look(2)
    assert "failed 20.00% of" in raised.value.message


class TestTolerance:
    STEP = Route(
        shares=(Share(revision=OLD, percent=90), Share(revision=NEW, percent=10)),
    )

    def test_of_the_platform_is_taken_and_what_was_reached_is_told(
        self, platform: Pretended
    ) -> None:
        platform.shares = (Share(revision=OLD, percent=80), Share(revision=NEW, percent=20))
        platform.tolerance = 10
        found = watch(platform, self.STEP).look()
        assert found.done and found.text == "20% on 2, 80% on 1; asked for 10% and 90%"

    def test_is_none_where_the_platform_says_nothing(self, platform: Pretended) -> None:
        platform.shares = (Share(revision=OLD, percent=89), Share(revision=NEW, percent=11))
        with pytest.raises(EdgeFailed, match="not divided as asked"):
            watch(platform, self.STEP).look()

    def test_is_not_for_another_revision(self, platform: Pretended) -> None:
        platform.shares = (Share(revision=OLD, percent=100),)
        platform.tolerance = 10
        with pytest.raises(EdgeFailed):
            watch(platform, self.STEP).look()


class TestUncounted:
    def test_connections_are_waited_for_a_little_and_it_is_said(self, platform: Pretended) -> None:
        platform.replicas_of["old"] = [running(0)]
        draining = watch(platform, Drain(revision=OLD, within_s=30))
        assert not draining.look().done
        draining.look(3)
        found = draining.look(3)
        assert found.done and found.text.endswith("5s were waited")


class TestFewerReplicas:
    STEP = Bake(revision=NEW, baseline=OLD, for_s=600, policy=POLICY)

    def test_under_traffic_end_the_release_when_they_stay_away(self, platform: Pretended) -> None:
        platform.replicas_of["new"] = [running(0), running(1)]
        baking = watch(platform, self.STEP)
        baking.look()
        platform.replicas_of["new"] = [running(0), Replica(1, "starting")]
        baking.look(5)
        with pytest.raises(Unhealthy, match="lost replicas under traffic"):
            for _ in range(10):
                baking.look(5)

    def test_that_come_back_are_forgiven(self, platform: Pretended) -> None:
        platform.replicas_of["new"] = [running(0), running(1)]
        baking = watch(platform, self.STEP)
        baking.look()
        for _ in range(10):
            platform.replicas_of["new"] = [running(0), Replica(1, "starting")]
            baking.look(5)
            platform.replicas_of["new"] = [running(0), running(1)]
            baking.look(5)
