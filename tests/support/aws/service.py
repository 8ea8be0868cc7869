"""One ECS service over time: its scheduler starts and stops tasks, and carries deployments out."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from tests.support.aws.rollout import BACK, Deployment, Revision, Rollout
from tests.support.aws.shapes import now
from tests.support.aws.tasks import ARN, PORT, Task


class World(Protocol):
    """What a service has around it. `pace` is the time of one transition, `minute` of a minute."""

    pace: float
    minute: float
    alarms: set[str]

    @property
    def balancer(self) -> Any: ...
    def program(self, image: str) -> str | None: ...
    def definition(self, arn: str) -> Mapping[str, Any]: ...
    def wrote(self, task: Task, line: str) -> None: ...
    def shift(self, rule: str, weights: Mapping[str, int]) -> None: ...


@dataclass
class Service:
    """`groups` are the target groups: the one in use, and with native shifting the other one."""

    world: World
    cluster: str
    name: str
    desired: int
    config: dict[str, Any]
    balancers: list[dict[str, Any]]
    tags: dict[str, str] = field(default_factory=dict)
    deployments: list[Deployment] = field(default_factory=list)
    rollouts: list[Rollout] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    completed: Revision | None = None
    created: datetime = field(default_factory=now)
    updates: int = 0
    """Changes of what is to run, or of how much."""

    def __post_init__(self) -> None:
        first = self.balancers[0] if self.balancers else {}
        self.groups = [first.get("targetGroupArn")]
        self.advanced = first.get("advancedConfiguration", {})
        if self.advanced:
            self.groups.append(self.advanced["alternateTargetGroupArn"])

    @property
    def arn(self) -> str:
        return f"{ARN}:service/{self.cluster}/{self.name}"

    @property
    def primary(self) -> Deployment:
        return self.deployments[0]

    @property
    def rollout(self) -> Rollout | None:
        """The deployment that is under way."""
        return next((r for r in self.rollouts if r.alive or r.status in BACK), None)

    def deploy(self, definition: str) -> None:
        """Begin a service deployment."""
        containers = self.world.definition(definition)["containerDefinitions"]
        images = [
            {
                "containerName": c["name"],
                "image": c["image"],
                "imageDigest": c["image"].rpartition("@")[2],
            }
            for c in containers
        ]
        name = f"{self.cluster}/{self.name}/{secrets.randbelow(10**19):019d}"
        arn = f"{ARN}:service-revision/{name}"
        revision = Revision(self.name, definition, arn, images, self.balancers)
        sources = [self.primary.revision] if self.deployments else []
        if self.rollout is not None:
            self.rollout.end("STOPPED", "A newer service deployment took its place.")
        arn = f"{ARN}:service-deployment/{self.cluster}/{self.name}/{secrets.token_urlsafe(16)}"
        rollout = Rollout(
            arn, self.cluster, self.name, revision, sources, dict(self.config), self.desired
        )
        self.rollouts.insert(0, rollout)
        self._put(revision, self._next_group(rollout))

    def resize(self, desired: int) -> None:
        self.desired = self.primary.desired = desired
        if self.rollout is not None:
            self.rollout.desired = desired

    def stop_rollout(self, rollout: Rollout, kind: str) -> None:
        if kind == "ABORT":
            rollout.end("STOPPED", "Service deployment was stopped by a user.")
            return
        self._go_back(rollout, "Service deployment rolled back because it was asked to.")

    def tick(self) -> None:
        """One look of the scheduler."""
        for task in self.tasks:
            self._advance(task)
        rollout = self.rollout
        self._count_failures(rollout)
        self._start_missing()
        if rollout is None:
            self._stop_spare(self.primary, self.desired)
            return
        if rollout.status == "PENDING":
            rollout.status = "IN_PROGRESS"
        if self._broken(rollout):
            return
        if rollout.strategy == "ROLLING" or rollout.status in BACK:
            self._roll(rollout)
        else:
            self._shift(rollout)

    def described(self) -> dict[str, Any]:
        running = [t for t in self.tasks if t.status == "RUNNING" and t.desired == "RUNNING"]
        alive = [t for t in self.tasks if t.alive and t.desired == "RUNNING"]
        found: dict[str, Any] = {
            "serviceArn": self.arn,
            "serviceName": self.name,
            "clusterArn": f"{ARN}:cluster/{self.cluster}",
            "status": "ACTIVE",
            "desiredCount": self.desired,
            "runningCount": len(running),
            "pendingCount": len(alive) - len(running),
            "launchType": "FARGATE",
            "taskDefinition": self.primary.revision.definition,
            "deploymentConfiguration": dict(self.config),
            "deployments": [d.described(self.tasks) for d in self.deployments],
            "events": [],
            "createdAt": self.created,
            "loadBalancers": self.balancers,
            "schedulingStrategy": "REPLICA",
            "deploymentController": {"type": "ECS"},
            "tags": [{"key": k, "value": v} for k, v in self.tags.items()],
        }
        if self.rollout is not None:
            found["currentServiceDeployment"] = self.rollout.arn
        return found

    def running(self) -> Mapping[str, int]:
        """Tasks that run, by service revision."""
        of = {d.id: d.revision.arn for d in self.deployments}
        up = [t for t in self.tasks if t.status == "RUNNING" and t.desired == "RUNNING"]
        return Counter(of.get(t.deployment, "") for t in up)

    # -- tasks

    def _advance(self, task: Task) -> None:
        late = time.monotonic() - task.since > self.world.pace
        match task.status:
            case "PROVISIONING" if late:
                task.status, task.since = "PENDING", time.monotonic()
            case "PENDING" if late:
                task.launch()
                if task.status == "RUNNING" and task.group:
                    self.world.balancer.register(task.group, task.address, PORT)
            case "RUNNING":
                task.watch()
                if not task.alive and task.group:
                    self.world.balancer.remove(task.group, task.address)
            case "DEACTIVATING":
                if late and (
                    not task.group or self.world.balancer.drained(task.group, task.address)
                ):
                    task.terminate()
            case "STOPPING" if task.ended():
                task.settle()

    def _of(self, deployment: Deployment) -> list[Task]:
        mine = [t for t in self.tasks if t.deployment == deployment.id]
        return [t for t in mine if t.alive and t.desired == "RUNNING"]

    def _well(self, deployment: Deployment) -> int:
        """Tasks that run and are healthy to the load balancer."""
        balancer = self.world.balancer
        up = [t for t in self._of(deployment) if t.status == "RUNNING"]
        return sum(1 for t in up if not t.group or balancer.healthy(t.group, t.address))

    def _start_missing(self) -> None:
        primary = self.primary
        if primary.state == "FAILED":
            return
        for _ in range(primary.desired - len(self._of(primary))):
            container = self.world.definition(primary.revision.definition)["containerDefinitions"][
                0
            ]
            self.tasks.append(
                Task(
                    cluster=self.cluster,
                    service=self.name,
                    definition=primary.revision.definition,
                    deployment=primary.id,
                    container=container,
                    program=self.world.program(container["image"]),
                    wrote=self.world.wrote,
                    group=primary.group,
                )
            )

    def _stop_spare(self, deployment: Deployment, keep: int) -> None:
        mine = sorted(self._of(deployment), key=lambda t: t.created)
        for task in mine[keep:]:
            if task.group:
                self.world.balancer.deregister(task.group, task.address)
            task.stop("Scaling activity initiated by deployment " + deployment.id)

    def _count_failures(self, rollout: Rollout | None) -> None:
        for deployment in self.deployments:
            crashed = [t for t in self.tasks if t.deployment == deployment.id and t.crashed]
            deployment.failed = len(crashed) if deployment.state == "IN_PROGRESS" else 0
        if rollout is not None and rollout.alive:
            rollout.failures = self.primary.failed

    # -- deployments

    def _put(self, revision: Revision, group: str | None) -> Deployment:
        for each in self.deployments:
            each.status = "ACTIVE"
        made = Deployment(revision, self.desired, group)
        self.deployments.insert(0, made)
        return made

    def _next_group(self, rollout: Rollout) -> str | None:
        if rollout.strategy == "ROLLING" or len(self.groups) < 2 or not self.deployments:
            return self.groups[0]
        return next(g for g in self.groups if g != self.primary.group)

    def _broken(self, rollout: Rollout) -> bool:
        """Whether ECS gives up now."""
        if not rollout.alive:
            return False
        breaker = rollout.config.get("deploymentCircuitBreaker", {})
        watched = rollout.config.get("alarms", {})
        ringing = sorted(self.world.alarms & set(watched.get("alarmNames", [])))
        back = False
        if breaker.get("enable") and rollout.failures >= rollout.threshold:
            rollout.tripped, back = True, bool(breaker.get("rollback"))
            reason = "tasks failed to start."
        elif watched.get("enable") and ringing:
            rollout.alarms, back = ringing, bool(watched.get("rollback"))
            reason = "alarm detected."
        else:
            return False
        self.primary.state, self.primary.reason = "FAILED", f"ECS deployment failed: {reason}"
        self.primary.failed = rollout.failures
        if back and self.completed is not None:
            self._go_back(rollout, f"Service deployment rolled back because {reason}")
        else:
            rollout.end("STOPPED", f"Service deployment stopped because {reason}")
        return True

    def _go_back(self, rollout: Rollout, reason: str) -> None:
        to = self.completed or rollout.sources[0]
        rollout.go_back(to, reason)
        self.primary.state = "FAILED"
        group = next(
            (d.group for d in self.deployments if d.revision.arn == to.arn), self.groups[0]
        )
        kept = next((d for d in self.deployments if d.revision.arn == to.arn), None)
        if kept is None:
            self._put(to, group)
            return
        self.deployments.remove(kept)
        for each in self.deployments:
            each.status = "ACTIVE"
        kept.status, kept.desired, kept.state = "PRIMARY", self.desired, "IN_PROGRESS"
        self.deployments.insert(0, kept)

    def _roll(self, rollout: Rollout) -> None:
        """All new tasks at once, an old one less for each that is healthy."""
        well = self._well(self.primary)
        self._balance({self.primary.group: 100})
        others = self.deployments[1:]
        left = max(self.desired - well, 0)
        for each in others:
            keep = 0 if each.state == "FAILED" else left
            each.desired = min(each.desired, keep)
            self._stop_spare(each, keep)
        if well >= self.desired and not any(self._of(each) for each in others):
            self._complete(rollout)

    def _shift(self, rollout: Rollout) -> None:
        """Blue-green, linear and canary: beside, then by and by, then bake, then clean up."""
        green, rest = self.primary, self.deployments[1:]
        waited = (time.monotonic() - rollout.since) / self.world.minute
        if rollout.stage in ("RECONCILE_SERVICE", "SCALE_UP"):
            rollout.at("SCALE_UP")
            if self._well(green) >= self.desired:
                rollout.at("PRODUCTION_TRAFFIC_SHIFT")
                rollout.weight = _first(rollout)
                self._split(rollout, rest)
        elif rollout.stage == "PRODUCTION_TRAFFIC_SHIFT":
            if rollout.weight >= 100:
                rollout.at("BAKE_TIME")
            elif waited >= _every(rollout):
                rollout.weight, rollout.since = _next(rollout), time.monotonic()
                self._split(rollout, rest)
        elif rollout.stage == "BAKE_TIME":
            if waited >= rollout.config.get("bakeTimeInMinutes", 0):
                rollout.at("CLEAN_UP")
        else:
            for each in rest:
                each.desired = 0
                self._stop_spare(each, 0)
            if not any(self._of(each) for each in rest):
                self._complete(rollout)

    def _split(self, rollout: Rollout, rest: list[Deployment]) -> None:
        weights = {rest[0].group: round(100 - rollout.weight)} if rest else {}
        self._balance({**weights, self.primary.group: round(rollout.weight)})

    def _balance(self, weights: Mapping[str | None, int]) -> None:
        if self.advanced:
            found = {str(group): weight for group, weight in weights.items() if group}
            self.world.shift(self.advanced["productionListenerRule"], found)

    def _complete(self, rollout: Rollout) -> None:
        back = rollout.status in BACK
        rollout.end(
            "ROLLBACK_SUCCESSFUL" if back else "SUCCESSFUL",
            rollout.reason or "Service deployment completed.",
        )
        self.primary.state, self.primary.reason = "COMPLETED", "ECS deployment completed."
        self.completed = self.primary.revision
        self.deployments = [self.primary]


def _first(rollout: Rollout) -> float:
    match rollout.strategy:
        case "CANARY":
            return float(rollout.config["canaryConfiguration"]["canaryPercent"])
        case "LINEAR":
            return float(rollout.config["linearConfiguration"]["stepPercent"])
        case _:
            return 100.0


def _next(rollout: Rollout) -> float:
    if rollout.strategy == "LINEAR":
        step = float(rollout.config["linearConfiguration"]["stepPercent"])
        return min(rollout.weight + step, 100.0)
    return 100.0


def _every(rollout: Rollout) -> float:
    if rollout.strategy == "LINEAR":
        return float(rollout.config["linearConfiguration"]["stepBakeTimeInMinutes"])
    return float(rollout.config.get("canaryConfiguration", {}).get("canaryBakeTimeInMinutes", 0))


Wrote = Callable[[Task, str], None]
