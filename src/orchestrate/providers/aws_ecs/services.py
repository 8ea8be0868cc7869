"""The services of an environment: reading them whole, and changing one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from orchestrate.core.errors import ProviderUnavailable
from orchestrate.providers.aws_ecs.account import Account
from orchestrate.providers.aws_ecs.errors import Absent, told
from orchestrate.providers.aws_ecs.seen import Place, Target
from orchestrate.providers.aws_ecs.settings import Settings, Slot

if TYPE_CHECKING:
    from types_boto3_ecs.literals import DesiredStatusType
    from types_boto3_ecs.type_defs import (
        DeploymentConfigurationTypeDef,
        ListTasksRequestTypeDef,
        ServiceTypeDef,
        TaskTypeDef,
        UpdateServiceRequestTypeDef,
    )

MOST_TASKS = 100
"""Tasks in one question, by ECS's own limit."""


class Services:
    """The services in the slots of one environment."""

    def __init__(self, account: Account, settings: Settings) -> None:
        self._account = account
        self._settings = settings

    def described(self) -> list[tuple[Slot, ServiceTypeDef]]:
        """Each slot with its service. Raises ProviderUnavailable when one is not there."""
        names = [slot.service for slot in self._settings.slots]
        try:
            with told("the services were not looked at"):
                answer = self._account.ecs.describe_services(
                    cluster=self._settings.cluster, services=names, include=["TAGS"]
                )
        except Absent as problem:
            raise _absent(f"there is no cluster {self._settings.cluster}", problem) from problem
        found = {s["serviceName"]: s for s in answer["services"] if s["status"] == "ACTIVE"}
        for name in names:
            if name not in found:
                where = f"in cluster {self._settings.cluster}, region {self._account.region}"
                raise _absent(f"there is no service {name} {where}", None)
        return [(slot, found[slot.service]) for slot in self._settings.slots]

    def places(self) -> list[Place]:
        """Every slot with its tasks and targets."""
        return [self._place(slot, service) for slot, service in self.described()]

    def update(
        self,
        service: str,
        definition: str,
        desired: int | None,
        anew: bool = False,
        configuration: DeploymentConfigurationTypeDef | None = None,
    ) -> None:
        """Have a service run a task definition; `desired` None leaves the number of tasks alone.
        `anew` begins a deployment even where nothing is changed."""
        asked: UpdateServiceRequestTypeDef = {
            "cluster": self._settings.cluster,
            "service": service,
            "taskDefinition": definition,
        }
        if desired is not None:
            asked["desiredCount"] = desired
        if configuration is not None:
            asked["deploymentConfiguration"] = configuration
        if anew:
            asked["forceNewDeployment"] = True
        with told(f"service {service} was not changed"):
            self._account.ecs.update_service(**asked)

    def resize(self, service: str, desired: int) -> None:
        """Have a service run so many tasks."""
        with told(f"service {service} was not resized"):
            self._account.ecs.update_service(
                cluster=self._settings.cluster, service=service, desiredCount=desired
            )

    def autoscaled(self) -> dict[str, tuple[int, int]]:
        """Least and most tasks of each service whose number is Application Auto Scaling's."""
        cluster = self._settings.cluster.rpartition("/")[2]
        ids = {f"service/{cluster}/{s.service}": s.service for s in self._settings.slots}
        with told("Application Auto Scaling was not asked"):
            answer = self._account.autoscaling.describe_scalable_targets(
                ServiceNamespace="ecs",
                ResourceIds=list(ids),
                ScalableDimension="ecs:service:DesiredCount",
            )
        return {
            ids[t["ResourceId"]]: (t["MinCapacity"], t["MaxCapacity"])
            for t in answer["ScalableTargets"]
            if t["ResourceId"] in ids
        }

    def _place(self, slot: Slot, service: ServiceTypeDef) -> Place:
        groups = self.groups(slot, service)
        targets: dict[str, Target] = {}
        for group in groups:
            targets |= self._targets(group)
        return Place(
            slot=slot,
            service=service,
            tasks=tuple(self._tasks(slot.service)),
            targets=targets,
            balanced=bool(groups),
        )

    def groups(self, slot: Slot, service: ServiceTypeDef) -> list[str]:
        """Target groups that its tasks are registered with."""
        if slot.target_group:
            return [slot.target_group]
        found: list[str] = []
        for balancer in service.get("loadBalancers", ()):
            more = balancer.get("advancedConfiguration", {}).get("alternateTargetGroupArn")
            found += [arn for arn in (balancer.get("targetGroupArn"), more) if arn]
        return found

    def _tasks(self, service: str) -> Iterable[TaskTypeDef]:
        arns: list[str] = []
        arns += self._listed(service, "RUNNING")
        arns += self._listed(service, "STOPPED")
        arns = list(dict.fromkeys(arns))
        for first in range(0, len(arns), MOST_TASKS):
            with told("the tasks were not looked at"):
                found = self._account.ecs.describe_tasks(
                    cluster=self._settings.cluster, tasks=arns[first : first + MOST_TASKS]
                )
            yield from found["tasks"]

    def _listed(self, service: str, status: DesiredStatusType) -> Iterable[str]:
        asked: ListTasksRequestTypeDef = {
            "cluster": self._settings.cluster,
            "serviceName": service,
            "desiredStatus": status,
        }
        while True:
            with told("the tasks were not listed"):
                answer = self._account.ecs.list_tasks(**asked)
            yield from answer["taskArns"]
            if "nextToken" not in answer:
                return
            asked["nextToken"] = answer["nextToken"]

    def _targets(self, group: str) -> dict[str, Target]:
        try:
            with told("the targets were not looked at"):
                answer = self._account.elbv2.describe_target_health(TargetGroupArn=group)
        except Absent as problem:
            raise _absent(f"there is no target group {group}", problem) from problem
        found: dict[str, Target] = {}
        for each in answer["TargetHealthDescriptions"]:
            target, health = each.get("Target"), each.get("TargetHealth", {})
            if target is None:
                continue
            seen = Target(str(health.get("State", "")), health.get("Reason"))
            # A target in a network of its own is known by its address, one on a host by its port.
            name = target["Id"] if not target["Id"].startswith("i-") else f":{target.get('Port')}"
            if name in found and found[name].state != "healthy":
                continue  # the same port on another host: the worse of the two is believed
            found[name] = seen
        return found


def _absent(message: str, problem: Exception | None) -> ProviderUnavailable:
    return ProviderUnavailable(
        message,
        why=[str(problem)] if problem and str(problem) else (),
        fix=["make it (docs/providers/aws_ecs.md, Setting up), or correct its name in config"],
    )
