"""Secrets, roles, refusals and lost answers, against moto and the front."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrate.core.errors import (
    FencedOut,
    OrchestrateError,
    ProviderUnavailable,
    RateLimited,
    TemporaryError,
)
from orchestrate.core.notification import Notification, Webhook
from orchestrate.core.protocols import Write
from orchestrate.core.steps import Share
from tests.support.aws.app import Ecs
from tests.support.secrets import planted
from tests.support.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

PLANTED = "planted-value-of-a-secret"


@pytest.fixture
def with_secret(ecs: Ecs) -> Ecs:
    ecs.secrets = {"TOKEN": PLANTED}
    ecs.provider = ecs.another()
    return ecs


class TestSecrets:
    def test_are_parameters_that_the_task_definition_refers_to(self, with_secret: Ecs) -> None:
        ecs = with_secret
        pinned = ecs.pinned("1.0.0").model_copy(update={"secret_versions": {"TOKEN": "1"}})
        ecs.provider.start(pinned, 1, ecs.write())
        definition = ecs.provider.definitions.find(pinned.key)
        assert definition is not None
        described = ecs.front.definition(definition)
        (container,) = described["containerDefinitions"]
        assert container["secrets"] == [
            {"name": "TOKEN", "valueFrom": "/orchestrate/shop/dev/TOKEN/1"}
        ]
        found = ecs.front.client("ssm").get_parameter(
            Name="/orchestrate/shop/dev/TOKEN/1", WithDecryption=True
        )["Parameter"]
        assert (found["Value"], found["Type"]) == (PLANTED, "SecureString")

    def test_are_nowhere_in_plain_but_in_the_one_call_that_writes_them(
        self, with_secret: Ecs
    ) -> None:
        ecs = with_secret
        ecs.provider.start(ecs.pinned("1.0.0"), 1, ecs.write())
        everything = json.dumps(
            [ecs.front.definition(d.revision.definition) for d in _deployments(ecs)], default=str
        )
        everything += json.dumps([s.tags for s in ecs.front.ecs.services.values()])
        everything += repr(ecs.provider.observe()) + repr(ecs.provider.settings)
        assert PLANTED not in everything
        assert "a key of nobody" not in everything

    def test_of_the_provider_are_given_to_no_task(self, ecs: Ecs) -> None:
        ecs.live("1.0.0", 1)
        given = ecs.ask().body["env"]
        assert isinstance(given, dict)
        assert not [name for name in given if name.startswith("AWS_")]
        assert ecs.front.calls["PutParameter"] == 0

    def test_of_this_program_are_given_to_no_task_whatever_a_revision_pins(self, ecs: Ecs) -> None:
        ecs.secrets = {"TOKEN": PLANTED, "REG_USER": "shop", "REG_PASS": "pa55w0rd"}
        ecs.secrets |= {"OPS_HOOK": "https://ops.example.com/1"}
        ecs.config = {"registry": {"username": "REG_USER", "password": "REG_PASS"}}
        ecs.notifications = (Notification(name="ops", sink=Webhook(url_secret="OPS_HOOK")),)
        ecs.provider = ecs.another()
        pins = planted(ecs.environment)
        assert {"REG_PASS", "OPS_HOOK", "AWS_SECRET_ACCESS_KEY"} < pins.keys()
        revision = ecs.pinned("1.0.0").model_copy(update={"secret_versions": pins})
        assert list(ecs.provider.parameters.ensure(revision)) == ["TOKEN"]
        assert ecs.front.calls["PutParameter"] == 1

    def test_that_a_revision_does_not_pin_are_not_given_to_it(self, with_secret: Ecs) -> None:
        ecs = with_secret
        without = ecs.pinned("1.0.0").model_copy(update={"secret_versions": {}})
        assert ecs.provider.parameters.ensure(without) == {}

    def test_are_written_once(self, with_secret: Ecs) -> None:
        ecs = with_secret
        revision, write = ecs.pinned("1.0.0"), ecs.write()
        ecs.provider.start(revision, 1, write)
        ecs.another().start(revision, 1, write)
        assert ecs.front.calls["PutParameter"] == 1
        assert ecs.front.calls["RegisterTaskDefinition"] == 1

    def test_that_are_gone_keep_a_revision_from_being_restored(self, with_secret: Ecs) -> None:
        ecs = with_secret
        revision = ecs.pinned("1.0.0")
        ecs.provider.parameters.ensure(revision)
        name = "/orchestrate/shop/dev/TOKEN/1"
        assert ecs.provider.parameters.lost(revision) == []
        ecs.front.client("ssm").delete_parameter(Name=name)
        assert ecs.provider.parameters.lost(revision) == [f"parameter {name} is gone"]


class TestRestorable:
    def test_not_without_its_task_definition(self, ecs: Ecs) -> None:
        revision = ecs.pinned("1.0.0")
        definition = ecs.provider.definitions.ensure(revision, None)
        assert ecs.provider.restorable(revision).ok
        ecs.front.client("ecs").deregister_task_definition(taskDefinition=definition)
        found = ecs.another().restorable(revision)
        assert not found.ok
        assert found.lost == (f"task definition shop-dev-{revision.key} is not active",)

    def test_not_without_its_image(self, ecs: Ecs) -> None:
        revision = ecs.pinned("1.0.0")
        ecs.provider.definitions.ensure(revision, None)
        ecs.front.client("ecr").batch_delete_image(
            repositoryName="shop", imageIds=[{"imageDigest": revision.artifact.digest}]
        )
        found = ecs.provider.restorable(revision)
        assert not found.ok
        assert "is not at its registry any more" in found.lost[0]


class TestRole:
    def test_is_taken_on_and_used(self, ecs: Ecs) -> None:
        role = "arn:aws:iam::123456789012:role/deployer"
        ecs.config = {"role_arn": role, "external_id": "of ours"}
        (identity, *_) = ecs.another().probe()
        assert "assumed-role/deployer/orchestrate" in identity.text
        ecs.another().probe()
        assert ecs.front.calls["AssumeRole"] == 1, "shared until it ends"


class TestRefusals:
    def test_throttling_is_asked_again_and_then_told_with_a_delay(self, ecs: Ecs) -> None:
        ecs.front.fail("DescribeServices", "ThrottlingException", 1)
        ecs.provider.observe()
        ecs.front.fail("DescribeServices", "ThrottlingException", 9)
        with pytest.raises(RateLimited) as raised:
            ecs.provider.observe()
        assert raised.value.retryable and raised.value.retry_after_s == 5.0

    @pytest.mark.parametrize(
        ("code", "status", "kind", "said"),
        [
            ("AccessDeniedException", 400, ProviderUnavailable, "may not call UpdateService"),
            ("ExpiredTokenException", 400, ProviderUnavailable, "does not know these credentials"),
            ("ServerException", 500, TemporaryError, "is not able to"),
            ("UpdateInProgressException", 400, TemporaryError, "is not able to"),
            ("InvalidParameterException", 400, OrchestrateError, "AWS refused"),
        ],
    )
    def test_of_a_write_are_what_they_are(
        self, ecs: Ecs, code: str, status: int, kind: type[OrchestrateError], said: str
    ) -> None:
        ecs.front.fail("UpdateService", code, 9, status)
        with pytest.raises(kind, match=said) as raised:
            ecs.provider.start(ecs.pinned("1.0.0"), 1, ecs.write())
        assert raised.value.retryable is (kind is TemporaryError)

    def test_a_probe_tells_only_who_it_is_not(self, ecs: Ecs) -> None:
        ecs.front.fail("GetCallerIdentity", "InvalidClientTokenId", 9, 403)
        (only,) = ecs.provider.probe()
        assert (only.ok, only.code) == (False, "provider_unavailable")

    def test_a_service_that_is_not_there_is_told_with_where_it_was_looked_for(
        self, ecs: Ecs
    ) -> None:
        ecs.front.ecs.services.pop("shop-green")
        with pytest.raises(ProviderUnavailable) as raised:
            ecs.provider.observe()
        said = "there is no service shop-green in cluster shop, region eu-west-1"
        assert raised.value.message == said

    def test_a_target_group_that_nobody_uses_is_found_before_ecs_refuses_it(self, ecs: Ecs) -> None:
        elb = ecs.front.client("elbv2")
        (group,) = elb.describe_target_groups(TargetGroupArns=[ecs.account.groups[1]])[
            "TargetGroups"
        ]
        (loose,) = elb.create_target_group(
            Name="loose", Protocol="HTTP", Port=8080, VpcId=group["VpcId"], TargetType="ip"
        )["TargetGroups"]
        slots = ecs.traffic["slots"]  # type: ignore[index,call-overload]
        slots[1]["target_group"] = loose["TargetGroupArn"]
        ecs.config = {"traffic": {"rule": ecs.account.rule, "slots": slots}}
        said = [f.text for f in ecs.another().probe() if not f.ok]
        assert any(text.startswith("no load balancer uses") for text in said)
        assert any("does not register its tasks" in text for text in said)

    def test_a_target_group_that_is_not_there_is_told_by_its_name(self, ecs: Ecs) -> None:
        slots = ecs.traffic["slots"]  # type: ignore[index,call-overload]
        gone = slots[1]["target_group"] = f"{slots[1]['target_group']}0"
        ecs.config = {"traffic": {"rule": ecs.account.rule, "slots": slots}}
        (bad,) = [f for f in ecs.another().probe() if not f.ok]
        assert (bad.name, bad.code) == ("traffic", "provider_unavailable")
        assert gone in bad.text and "correct its ARN" in str(bad.fix)


class TestFence:
    def test_is_kept_at_aws_for_writers_of_other_machines(self, ecs: Ecs, tmp_path: Any) -> None:
        live = ecs.live("1.0.0", 1)
        late = Write(ecs.number - 1, "other/step/op", "lease-0")
        ecs.home = tmp_path / "another machine"
        elsewhere = ecs.another()
        with pytest.raises(FencedOut):
            elsewhere.route([], None, late)
        with pytest.raises(FencedOut):
            elsewhere.start(ecs.pinned("1.1.0"), 1, late)
        assert ecs.served() == {live.version}

    def test_keeps_number_lease_and_key_and_no_old_ones(self, ecs: Ecs) -> None:
        live = ecs.live("1.0.0", 1)
        for _ in range(3):
            ecs.provider.scale(live.ref, 1, ecs.write("d7/2/stop"))
        tags = ecs.front.ecs.services["shop-blue"].tags
        written = {k: v for k, v in tags.items() if k.startswith("orchestrate:write")}
        assert written == {f"orchestrate:write-{ecs.number}": "lease-1 d7/2/stop"}

    def test_a_late_writer_does_not_hide_a_newer_one(self, ecs: Ecs) -> None:
        live = ecs.live("1.0.0", 1)
        late = ecs.write()
        newer = ecs.write()
        passed = ecs.provider.tagging.put

        def between(arn: str, tags: Any, gone: list[str]) -> None:
            passed(arn, tags, gone)
            ecs.provider.tagging.put = passed  # type: ignore[method-assign]
            ecs.another().tagging.put(arn, {f"orchestrate:write-{newer.number}": "lease-2 x"}, [])

        ecs.provider.tagging.put = between  # type: ignore[method-assign]
        with pytest.raises(FencedOut):
            ecs.provider.route([], None, late)
        assert ecs.served() == {live.version}


class TestRoute:
    def test_is_refused_while_no_target_is_healthy(self, ecs: Ecs) -> None:
        old = ecs.live("1.0.0", 1)
        bad = ecs.release("1.3.0", failing=True)
        ecs.provider.start(bad, 1, ecs.write())
        with pytest.raises(OrchestrateError, match=r"1\.3\.0 has no healthy target"):
            ecs.provider.route([Share(revision=bad.ref, percent=100)], None, ecs.write())
        assert ecs.served() == {old.version}

    def test_returns_only_once_the_rule_is_read_as_it_was_written(self, ecs: Ecs) -> None:
        ecs.live("1.0.0")
        new = ecs.up(ecs.pinned("1.1.0"))
        ecs.front.stale_rules, changed = 5, ecs.changes()
        read = ecs.front.calls["DescribeRules"]
        ecs.route((new, 100))
        assert ecs.front.calls["DescribeRules"] - read > 5
        assert ecs.changes() == changed + 1
        assert ecs.another().observe().percent(new.key) == 100

    def test_whose_weights_are_not_shown_in_time_is_not_told_as_done(self, ecs: Ecs) -> None:
        ecs.live("1.0.0")
        new, write = ecs.up(ecs.pinned("1.1.0")), ecs.write()
        assert ecs.provider.rule is not None
        ecs.provider.rule.read_back_s = 0.5
        ecs.front.stale_rules = 1_000_000
        shares = [Share(revision=new.ref, percent=100)]
        with pytest.raises(TemporaryError, match="does not show the new weights") as raised:
            ecs.provider.route(shares, None, write)
        assert raised.value.retry_after_s
        ecs.front.stale_rules = 2
        ecs.another().route(shares, None, write)
        assert ecs.provider.observe().percent(new.key) == 100
        assert ecs.served() == {"1.1.0"}

    def test_a_third_revision_takes_the_place_of_one_without_traffic(self, ecs: Ecs) -> None:
        old = ecs.live("1.0.0", 1)
        new = ecs.live("1.1.0", 1)
        third = ecs.up(ecs.release("1.4.0"), 1)
        running = {r.revision.key for r in ecs.provider.observe().running if r.wanted}
        assert running == {new.key, third.key}
        assert old.key not in running

    def test_nothing_is_started_while_both_slots_have_traffic(self, ecs: Ecs) -> None:
        old, new = ecs.live("1.0.0", 1), ecs.up(ecs.pinned("1.1.0"), 1)
        ecs.route((old, 50), (new, 50))
        with pytest.raises(OrchestrateError, match="has no place to be started"):
            ecs.provider.start(ecs.release("1.4.0"), 1, ecs.write())


def _deployments(ecs: Ecs) -> list[Any]:
    return [d for s in ecs.front.ecs.services.values() for d in s.deployments]


class TestDismantling:
    def names(self, ecs: Ecs) -> set[str]:
        pages = ecs.front.client("ssm").get_paginator("describe_parameters").paginate()
        return {each["Name"] for page in pages for each in page["Parameters"]}

    def test_leaves_nothing_running_and_no_secret(self, with_secret: Ecs) -> None:
        ecs = with_secret
        ecs.secrets |= {f"TOKEN_{at}": PLANTED for at in range(12)}
        ecs.provider = ecs.another()
        ecs.front.client("ssm").put_parameter(
            Name="/orchestrate/shop/develop/TOKEN/1", Value="x", Type="SecureString"
        )
        ecs.live("1.0.0", 1)
        ecs.up(ecs.pinned("1.1.0"), 1)
        assert len(self.names(ecs)) == 14
        ecs.another().dismantle()
        eventually(lambda: not ecs.provider.observe().running)
        assert ecs.served() == set()
        assert self.names(ecs) == {"/orchestrate/shop/develop/TOKEN/1"}, "of another environment"

    def test_lets_another_of_its_name_have_secrets_of_its_own(self, with_secret: Ecs) -> None:
        ecs = with_secret
        ecs.live("1.0.0", 1)
        ecs.another().dismantle()
        ecs.secrets = {"TOKEN": "the-value-of-another"}
        ecs.provider, ecs.number = ecs.another(), ecs.provider.observe().write
        ecs.provider.start(ecs.pinned("1.0.0"), 1, ecs.write())
        (found,) = ecs.front.client("ssm").get_parameters(
            Names=["/orchestrate/shop/dev/TOKEN/1"], WithDecryption=True
        )["Parameters"]
        assert found["Value"] == "the-value-of-another"
