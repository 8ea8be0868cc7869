"""An environment on ECS for tests: an account with a cluster, two slots behind a rule, and images
of the small application. It is a Platform for the contract suite."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import JsonValue

from orchestrate.core.environment import Environment, EnvironmentType, HealthGate
from orchestrate.core.notification import Notification
from orchestrate.core.protocols import Progress, Write
from orchestrate.core.revision import Revision, snapshot
from orchestrate.core.steps import Share
from orchestrate.providers.aws_ecs import AwsEcsProvider
from tests.support.aws.front import CLUSTER, REGION, Front
from tests.support.aws.service import Service
from tests.support.aws.tasks import PORT
from tests.support.local import APP, Answer, ask
from tests.support.platform import Ability, Failing, How
from tests.support.secrets import GivenSecrets, versions
from tests.support.waiting import eventually

REPOSITORY = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/shop"
GROUP = "/ecs/shop"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "a key of nobody"}
TEMPLATE: dict[str, JsonValue] = {
    "networkMode": "awsvpc",
    "requiresCompatibilities": ["FARGATE"],
    "cpu": "256",
    "memory": "512",
    "executionRoleArn": "arn:aws:iam::123456789012:role/shop-execution",
    "containerDefinitions": [
        {
            "name": "shop",
            "image": f"{REPOSITORY}:0.0.0",
            "essential": True,
            "portMappings": [{"containerPort": PORT}],
            "environment": [{"name": "COLOUR", "value": "green"}],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": GROUP,
                    "awslogs-region": REGION,
                    "awslogs-stream-prefix": "shop",
                },
            },
        }
    ],
}


def in_task(text: str) -> str:
    """The application as it must be in a task: on the address of the task's own network."""
    return text.replace('"127.0.0.1"', 'os.environ["HOST"]')


class Account:
    """An AWS account as somebody set it up: see docs/providers/aws_ecs.md."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self.elb = front.client("elbv2")
        front.client("ecs").create_cluster(clusterName=CLUSTER)
        front.client("logs").create_log_group(logGroupName=GROUP)
        front.client("ecr").create_repository(repositoryName="shop")
        self.groups = self._groups()
        self.rule = self._rules()
        front.rule_arn = self.rule
        self.definition = self.register("shop", "0.0.0")

    def push(self, version: str, text: str = APP, failing: bool = False) -> str:
        """Put a version of the application into the registry; its digest."""
        program = in_task(text.replace("{version}", version).replace("{failing}", str(failing)))
        config = hashlib.sha256(program.encode()).hexdigest()
        kind = "application/vnd.docker"
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{kind}.distribution.manifest.v2+json",
            "config": {
                "mediaType": f"{kind}.container.image.v1+json",
                "size": 1,
                "digest": f"sha256:{config}",
            },
            "layers": [
                {
                    "mediaType": f"{kind}.image.rootfs.diff.tar.gzip",
                    "size": len(program),
                    "digest": f"sha256:{config}",
                }
            ],
        }
        known = next((d for d, text in self.front.images.items() if text == program), None)
        if known is not None:
            return known
        answer = self.front.client("ecr").put_image(
            repositoryName="shop", imageManifest=json.dumps(manifest), imageTag=version
        )
        digest = str(answer["image"]["imageId"]["imageDigest"])
        self.front.images[digest] = program
        return digest

    def register(self, family: str, version: str, **more: Any) -> str:
        """A task definition as somebody made it by hand; its ARN."""
        answer = self.front.client("ecs").register_task_definition(
            family=family, **{**TEMPLATE, **more}
        )
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def service(self, name: str, group: str | None, desired: int = 0, **more: Any) -> None:
        """A service with the task definition of the account."""
        balancer = {"targetGroupArn": group, "containerName": "shop", "containerPort": PORT}
        with self.front.ecs.lock:
            self.front.ecs.create(
                {
                    "serviceName": name,
                    "taskDefinition": self.definition,
                    "desiredCount": desired,
                    "loadBalancers": [{**balancer, **more}] if group else [],
                }
            )

    def _groups(self) -> list[str]:
        ec2 = self.front.client("ec2")
        vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
        made = [
            self.elb.create_target_group(
                Name=name, Protocol="HTTP", Port=PORT, VpcId=vpc, TargetType="ip"
            )
            for name in ("shop-blue", "shop-green")
        ]
        return [m["TargetGroups"][0]["TargetGroupArn"] for m in made]

    def _rules(self) -> str:
        """The rule whose weights are set, and another that keeps both groups in use."""
        ec2 = self.front.client("ec2")
        subnets = [s["SubnetId"] for s in ec2.describe_subnets()["Subnets"]][:2]
        balancer = self.elb.create_load_balancer(Name="shop", Subnets=subnets)["LoadBalancers"][0]
        nothing = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
        listener = self.elb.create_listener(
            LoadBalancerArn=balancer["LoadBalancerArn"],
            Protocol="HTTP",
            Port=80,
            DefaultActions=[nothing],
        )["Listeners"][0]["ListenerArn"]
        both = [{"TargetGroupArn": group, "Weight": 1} for group in self.groups]
        self.elb.create_rule(
            ListenerArn=listener,
            Priority=50000,
            Conditions=[{"Field": "path-pattern", "Values": ["/.orchestrate/in-use"]}],
            Actions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": both}}],
        )
        made = self.elb.create_rule(
            ListenerArn=listener,
            Priority=1,
            Conditions=[{"Field": "path-pattern", "Values": ["/*"]}],
            Actions=[nothing],
        )
        return str(made["Rules"][0]["RuleArn"])


@dataclass
class Ecs:
    """An environment with two slots in an account of its own: a Platform."""

    home: Path
    root: Path
    front: Front = field(default_factory=Front)
    name: str = "dev"
    config: dict[str, JsonValue] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    notifications: tuple[Notification, ...] = ()
    health: HealthGate = field(default_factory=lambda: HealthGate(interval_s=0.1))
    number: int = 0

    cannot: ClassVar[Mapping[Ability, str]] = {
        "first_replicas": "a target group takes requests with all of its targets",
        "serves_fallback": "a load balancer sends nothing to a group whose weight is 0",
        "orders_replicas": "ECS itself chooses which tasks end",
        "counts_codes": "a load balancer counts answers by the first digit of their status",
        "open_connections": "a load balancer counts no connections of one target",
    }

    def __post_init__(self) -> None:
        self.surroundings = pytest.MonkeyPatch()
        self.surroundings.setenv("ORCHESTRATE_ALLOW_OUTBOUND", self.front.allowed)
        self.account = Account(self.front)
        self.make_services()
        self.provider = self.another()

    def make_services(self) -> None:
        for name, group in zip(("shop-blue", "shop-green"), self.account.groups, strict=True):
            self.account.service(name, group)

    @property
    def environment(self) -> Environment:
        return Environment(
            app="shop",
            name=self.name,
            type=EnvironmentType.DEV,
            provider="aws_ecs",
            url=self.front.balancer.url,
            variables=self.variables,
            secrets=(*KEYS, *self.secrets),
            notifications=self.notifications,
            health=self.health,
            config={k: v for k, v in self.settings.items() if v is not None},
        )

    @property
    def settings(self) -> dict[str, JsonValue]:
        """Those with None are left out."""
        return {
            "root": str(self.root),
            "cluster": CLUSTER,
            "region": REGION,
            "image": f"{REPOSITORY}:{{version}}",
            "task_definition": TEMPLATE,
            "replicas": 2,
            "ask_tasks": True,
            "look_every": "50ms",
            "endpoint_url": self.front.url,
            **self.place,
            **self.config,
        }

    @property
    def place(self) -> dict[str, JsonValue]:
        return {"traffic": self.traffic}

    @property
    def traffic(self) -> JsonValue:
        names = ("shop-blue", "shop-green")
        slots: list[JsonValue] = [
            {"service": name, "target_group": group}
            for name, group in zip(names, self.account.groups, strict=True)
        ]
        return {"rule": self.account.rule, "slots": slots}

    def another(self) -> AwsEcsProvider:
        return AwsEcsProvider(
            self.environment, str(self.home), GivenSecrets(**KEYS, **self.secrets)
        )

    def release(self, version: str, text: str = APP, *, failing: bool = False) -> Revision:
        self.account.push(version, text, failing)
        return self.pinned(version)

    def pinned(self, version: str) -> Revision:
        found = self.provider.resolve(version)
        return snapshot(self.environment, version, found, versions(self.environment))

    def write(self, key: str | None = None) -> Write:
        self.number += 1
        return Write(self.number, key or f"d1/step-{self.number}/op", "lease-1")

    def up(self, revision: Revision, replicas: int = 2) -> Revision:
        self.provider.start(revision, replicas, self.write())

        def healthy() -> bool:
            found = self.provider.observe().replicas(revision.key)
            return sum(r.state == "running" for r in found) >= replicas

        eventually(healthy)
        return revision

    def route(self, *parts: tuple[Revision, int], fallback: Revision | None = None) -> None:
        shares = [Share(revision=revision.ref, percent=percent) for revision, percent in parts]
        self.provider.route(shares, fallback.ref if fallback else None, self.write())

    def live(self, version: str = "1.0.0", replicas: int = 2) -> Revision:
        revision = self.up(self.release(version), replicas)
        self.route((revision, 100))
        return revision

    def ask(self, path: str = "/") -> Answer:
        return ask(self.front.balancer.url, path)

    def served(self) -> set[str]:
        answers = [self.ask() for _ in range(20)]
        return {answer.version for answer in answers if answer.version is not None}

    def copies(self, revision: Revision) -> list[str]:
        definition = self.provider.definitions.find(revision.key)
        mine = [t for t in self.front.ecs.tasks() if t.definition == definition]
        up = [t for t in mine if t.desired == "RUNNING" and t.alive]
        return [t.id for t in sorted(up, key=lambda t: t.created)]

    def effects(self, revision: Revision) -> list[str]:
        definition = self.provider.definitions.find(revision.key)
        mine = [t for t in self.front.ecs.tasks() if t.definition == definition]
        return ["started" for _ in mine] + ["ended" for t in mine if not t.alive]

    def changes(self) -> int:
        return self.front.calls["ModifyRule"]

    @contextmanager
    def failing(self, call: int, how: How) -> Iterator[Failing]:
        # With small pages every deployment would be another call, and the last never fail.
        self.front.ecs.page = 100
        with self.front.failing(call, how) as broken:
            yield broken

    def end(self) -> None:
        self.surroundings.undo()
        self.front.close()


@dataclass
class One(Ecs):
    """An environment with one service, which ECS changes by itself."""

    def make_services(self) -> None:
        """It runs something that was not deployed by us."""
        self.account.definition = self.account.register("shop", "0.9.0", **self.found())
        self.account.service(
            "shop",
            self.account.groups[0],
            desired=2,
            advancedConfiguration={
                "alternateTargetGroupArn": self.account.groups[1],
                "productionListenerRule": self.account.rule,
                "roleArn": "arn:aws:iam::123456789012:role/ecs-balancing",
            },
        )
        eventually(lambda: self.service.rollout is None)

    def found(self) -> dict[str, Any]:
        digest = self.account.push("0.9.0")
        containers = json.loads(json.dumps(TEMPLATE["containerDefinitions"]))
        containers[0]["image"] = f"{REPOSITORY}@{digest}"
        return {"containerDefinitions": containers}

    @property
    def place(self) -> dict[str, JsonValue]:
        return {"service": "shop"}

    @property
    def service(self) -> Service:
        return self.front.ecs.services["shop"]

    def roll(self, revision: Revision, replicas: int = 2) -> Revision:
        self.provider.roll(revision, replicas, self.write())
        return revision

    def rolled(self, revision: Revision, replicas: int = 2) -> Progress:
        """The last word of ECS on a revision."""
        found: list[Progress] = []

        def done() -> bool:
            found[:] = [self.provider.progress(revision, replicas, 0.0, {})]
            return found[0].done

        eventually(done, every_s=0.05)
        return found[0]
