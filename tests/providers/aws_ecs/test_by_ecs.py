"""One service, changed by ECS itself: followed by the deployment's own id, told as it ended."""

from __future__ import annotations

import re

import pytest

from orchestrate.core.errors import EdgeFailed, StepFailed, Unhealthy
from orchestrate.core.protocols import Progress
from orchestrate.core.revision import Revision
from tests.support.aws.app import One
from tests.support.aws.rollout import BACK
from tests.support.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def failure(one: One, revision: Revision) -> StepFailed:
    """What following a revision ends with."""

    def raised() -> StepFailed | None:
        try:
            assert not one.provider.progress(revision, 2, 0.0, {}).done, "it was told as a success"
        except StepFailed as error:
            return error
        return None

    found = eventually(raised, every_s=0.05)
    assert found is not None
    return found


def told(one: One, revision: Revision, word: str) -> Progress:
    """The first answer with a word."""

    def found() -> Progress | None:
        said = one.provider.progress(revision, 2, 0.0, {})
        return said if word in said.text else None

    answer = eventually(found, every_s=0.01)
    assert answer is not None
    return answer


class TestRolling:
    def test_replaces_what_runs_and_names_its_deployment(self, one: One) -> None:
        revision = one.roll(one.pinned("1.0.0"))
        said = one.rolled(revision)
        (newest, _) = one.service.rollouts
        assert newest.arn.rpartition("/")[2] in said.text
        assert one.served() == {"1.0.0"}
        seen = one.provider.observe()
        assert [r.revision for r in seen.running] == [revision.ref]
        assert seen.percent(revision.key) == 100

    def test_pins_the_image_by_its_digest(self, one: One) -> None:
        revision = one.roll(one.pinned("1.0.0"))
        one.rolled(revision)
        images = one.service.rollouts[0].target.images
        assert [i["imageDigest"] for i in images] == [revision.artifact.digest]

    def test_asks_for_a_circuit_breaker_that_rolls_back(self, one: One) -> None:
        one.rolled(one.roll(one.pinned("1.0.0")))
        assert one.service.config["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
        assert one.service.config["strategy"] == "ROLLING"

    def test_of_the_same_write_again_begins_no_second_deployment(self, one: One) -> None:
        revision, write = one.pinned("1.0.0"), one.write()
        one.provider.roll(revision, 2, write)
        one.another().roll(revision, 2, write)
        one.rolled(revision)
        one.another().roll(revision, 2, write)
        assert len(one.service.rollouts) == 2, "the first was there before us"

    def test_is_not_done_while_an_old_answer_is_read(self, one: One) -> None:
        first = one.roll(one.pinned("1.0.0"))
        one.rolled(first)
        one.front.ecs.stale_reads = 6
        second = one.roll(one.pinned("1.1.0"))
        said = one.provider.progress(second, 2, 0.0, {})
        assert not said.done
        one.rolled(second)
        assert one.served() == {"1.1.0"}


class TestCircuitBreaker:
    def test_of_ecs_is_told_with_the_reasons_of_the_tasks(self, one: One) -> None:
        one.rolled(one.roll(one.pinned("1.0.0")))
        bad = one.roll(one.pinned("1.2.0"))
        error = failure(one, bad)
        assert isinstance(error, Unhealthy)
        assert error.message == "ECS took 1.2.0 back by itself"
        said = "\n".join(error.why)
        assert "ROLLBACK" in said
        assert re.search(r"circuit breaker tripped: \d tasks failed, 3 are allowed", said)
        assert "shop exited with code 7" in said

    def test_that_has_rolled_back_is_no_success_however_steady_the_service_is(
        self, one: One
    ) -> None:
        one.rolled(one.roll(one.pinned("1.0.0")))
        bad = one.roll(one.pinned("1.2.0"))
        eventually(lambda: one.service.rollouts[0].status == "ROLLBACK_SUCCESSFUL")
        eventually(lambda: one.service.primary.state == "COMPLETED")
        error = failure(one, bad)
        assert "ROLLBACK_SUCCESSFUL" in error.why[0]
        assert one.served() == {"1.0.0"}

    def test_leads_back_by_itself_and_is_not_asked_twice(self, one: One) -> None:
        good = one.roll(one.pinned("1.0.0"))
        one.rolled(good)
        one.front.ecs.hold = lambda service: service.rollouts[0].status in BACK
        failure(one, one.roll(one.pinned("1.2.0")))
        updates = one.front.calls["UpdateService"]
        one.roll(good)
        assert "ECS goes back to 1.0.0" in one.provider.progress(good, 2, 0.0, {}).text
        one.front.ecs.hold = None
        assert "ECS went back to 1.0.0" in one.rolled(good).text
        assert one.front.calls["UpdateService"] == updates
        assert one.front.calls["StopServiceDeployment"] == 0
        assert one.served() == {"1.0.0"}
        assert one.provider.observe().percent(good.key) == 100

    def test_without_anything_to_go_back_to_leaves_what_was_found(self, one: One) -> None:
        bad = one.roll(one.pinned("1.2.0"))
        failure(one, bad)
        one.provider.stop(bad.ref, one.write())
        eventually(lambda: one.served() == {"0.9.0"})
        assert one.provider.observe().shares == ()

    def test_an_image_that_cannot_be_pulled_is_named(self, one: One) -> None:
        one.rolled(one.roll(one.pinned("1.0.0")))
        revision = one.pinned("1.1.0")
        program = one.front.images[revision.artifact.digest]
        one.front.images.pop(revision.artifact.digest)
        error = failure(one, one.roll(revision))
        assert any("CannotPullContainerError" in why for why in error.why)
        # The same revision again is judged by its new deployment, not by the one that failed.
        eventually(lambda: one.service.rollout is None)
        one.front.images[revision.artifact.digest] = program
        one.roll(revision)
        one.front.ecs.unlisted = 2
        assert not one.provider.progress(revision, 2, 0.0, {}).done
        one.rolled(revision)
        assert one.served() == {"1.1.0"}

    def test_an_alarm_is_named(self, one: One) -> None:
        one.config = {"deployment": {"strategy": "canary", "alarms": ["shop-errors"]}}
        one.provider = one.another()
        one.rolled(one.roll(one.pinned("1.0.0")))
        revision = one.roll(one.pinned("1.1.0"))
        told(one, revision, "production traffic shift")
        one.front.alarms.add("shop-errors")
        error = failure(one, revision)
        assert isinstance(error, Unhealthy)
        assert "alarm shop-errors was triggered" in error.why
        eventually(lambda: one.served() == {"1.0.0"})


class TestShifting:
    def test_blue_green_takes_all_at_once_and_bakes(self, one: One) -> None:
        one.config = {"deployment": {"strategy": "blue-green", "bake": "1m"}}
        one.provider = one.another()
        revision = one.roll(one.pinned("1.0.0"))
        told(one, revision, "bake time")
        one.rolled(revision)
        assert one.served() == {"1.0.0"}
        assert one.service.config["strategy"] == "BLUE_GREEN"
        assert one.service.config["bakeTimeInMinutes"] == 1

    def test_canary_lets_a_part_through_first(self, one: One) -> None:
        one.config = {"deployment": {"strategy": "canary", "percent": 20, "every": "2m"}}
        one.provider = one.another()
        one.rolled(one.roll(one.pinned("1.0.0")))
        revision = one.roll(one.pinned("1.1.0"))
        said = told(one, revision, "20% of the traffic")
        assert not said.done
        assert one.served() == {"1.0.0", "1.1.0"}
        one.rolled(revision)
        assert one.served() == {"1.1.0"}

    def test_linear_goes_up_in_steps(self, one: One) -> None:
        one.config = {"deployment": {"strategy": "linear", "percent": 50, "every": "1m"}}
        one.provider = one.another()
        one.rolled(one.roll(one.pinned("1.0.0")))
        revision = one.roll(one.pinned("1.1.0"))
        told(one, revision, "50% of the traffic")
        one.rolled(revision)
        config = one.service.config
        assert config["linearConfiguration"] == {"stepPercent": 50, "stepBakeTimeInMinutes": 1}

    def test_taken_back_in_the_middle_is_stopped_at_ecs(self, one: One) -> None:
        one.config = {"deployment": {"strategy": "canary", "every": "24h"}}
        one.provider = one.another()
        old = one.roll(one.pinned("1.0.0"))
        one.front.minute = 0.001
        one.rolled(old)
        one.front.minute = 60
        new = one.roll(one.pinned("1.1.0"))
        told(one, new, "5% of the traffic")
        one.roll(old)
        assert one.front.calls["StopServiceDeployment"] == 1
        assert "went back to 1.0.0" in one.rolled(old).text
        assert one.served() == {"1.0.0"}


class TestOthers:
    def test_deployment_after_ours_is_told(self, one: One) -> None:
        revision = one.roll(one.pinned("1.0.0"))
        one.rolled(revision)
        with one.front.ecs.lock:
            one.front.ecs.update({"service": "shop", "taskDefinition": one.account.definition})
        first = one.provider.progress(revision, 2, 5.0, {})
        assert not first.done
        with pytest.raises(StepFailed, match=r"shop runs shop:\d, not 1\.0\.0"):
            one.provider.progress(revision, 2, 40.0, first.memory)

    def test_deployment_of_the_same_is_not_taken_for_ours(self, one: One) -> None:
        one.rolled(one.roll(one.pinned("1.0.0")))
        revision = one.pinned("1.1.0")
        program = one.front.images.pop(revision.artifact.digest)
        said = one.provider.progress(one.roll(revision), 2, 0.0, {})
        eventually(lambda: one.service.rollouts[0].status == "ROLLBACK_SUCCESSFUL")
        one.front.images[revision.artifact.digest] = program
        definition = one.provider.definitions.find(revision.key)
        with one.front.ecs.lock:
            one.front.ecs.update(
                {"service": "shop", "taskDefinition": definition, "forceNewDeployment": True}
            )
        eventually(lambda: one.service.rollouts[0].status == "SUCCESSFUL")
        assert one.served() == {"1.1.0"}
        listed = one.front.calls["ListServiceDeployments"]
        for provider, memory in ((one.provider, said.memory), (one.another(), {})):
            with pytest.raises(StepFailed, match=r"1\.1\.0") as raised:
                provider.progress(revision, 2, 30.0, memory)
            assert any("ROLLBACK_SUCCESSFUL" in why for why in raised.value.why)
            asked = one.front.calls["ListServiceDeployments"] > listed
            assert asked is not bool(memory), "once it was seen, it is asked for by its ARN"

    def test_stopping_it_at_ecs_is_not_the_releases_fault(self, one: One) -> None:
        one.config = {"deployment": {"strategy": "canary", "every": "24h"}}
        one.provider = one.another()
        one.front.minute = 0.001
        one.rolled(one.roll(one.pinned("1.0.0")))
        one.front.minute = 60
        new = one.roll(one.pinned("1.1.0"))
        told(one, new, "5% of the traffic")
        with one.front.ecs.lock:
            one.service.stop_rollout(one.service.rollouts[0], "ROLLBACK")
        error = failure(one, new)
        assert type(error) is StepFailed
        assert error.message == "the deployment of 1.1.0 was stopped at ECS"

    def test_traffic_cannot_be_divided_with_one_service(self, one: One) -> None:
        revision = one.roll(one.pinned("1.0.0"))
        one.rolled(revision)
        with pytest.raises(EdgeFailed, match=r"1\.1\.0"):
            one.route((one.pinned("1.1.0"), 100))
        one.route((revision, 100))
        assert one.front.calls["ModifyRule"] == 0


class TestScaling:
    def test_by_application_auto_scaling_is_left_alone(self, one: One) -> None:
        # moto keeps scalable targets for services of its own alone.
        one.front.client("ecs").create_service(
            cluster="shop", serviceName="shop", taskDefinition="shop", desiredCount=1
        )
        one.front.client("application-autoscaling").register_scalable_target(
            ServiceNamespace="ecs",
            ResourceId="service/shop/shop",
            ScalableDimension="ecs:service:DesiredCount",
            MinCapacity=1,
            MaxCapacity=9,
            RoleARN="arn:aws:iam::123456789012:role/scaling",
        )
        one.service.resize(3)
        assert one.provider.replicas() == 1
        one.rolled(one.roll(one.pinned("1.0.0"), 1), 1)
        assert one.service.desired == 3
        assert [r.counted_by_platform for r in one.provider.observe().running] == [True]
        assert any("Auto Scaling keeps 1 to 9" in f.text for f in one.provider.probe())

    def test_by_config_is_done(self, one: One) -> None:
        assert one.provider.replicas() == 2
        one.rolled(one.roll(one.pinned("1.0.0"), 3), 3)
        assert one.service.desired == 3
        assert [r.counted_by_platform for r in one.provider.observe().running] == [False]


class TestConfigOfClusterAndService:
    @pytest.fixture
    def bare(self, one: One) -> One:
        """As in the smallest example: image and task definition are the service's own."""
        one.config = {"image": None, "task_definition": None, "replicas": None, "ask_tasks": None}
        one.provider = one.another()
        return one

    def test_is_enough(self, bare: One) -> None:
        assert [f for f in bare.provider.probe() if not f.ok] == []
        assert bare.provider.replicas() == 2
        revision = bare.roll(bare.pinned("1.0.0"))
        bare.rolled(revision)
        assert bare.served() == {"1.0.0"}

    def test_lets_go_of_variables_that_were_given_and_are_gone(self, bare: One) -> None:
        bare.variables = {"LEVEL": "debug"}
        bare.provider = bare.another()
        bare.rolled(bare.roll(bare.pinned("1.0.0")))
        assert bare.ask().body["env"]["LEVEL"] == "debug"
        bare.variables = {}
        bare.provider = bare.another()
        bare.rolled(bare.roll(bare.pinned("1.1.0")))
        given = bare.ask().body["env"]
        assert "LEVEL" not in given
        assert given["COLOUR"] == "green", "what was in the service's own stays"
