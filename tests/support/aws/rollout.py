"""Deployments of one ECS service, as ECS makes them: step by step, and back when they fail."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.support.aws.shapes import now
from tests.support.aws.tasks import ARN, Task

ALIVE = ("PENDING", "IN_PROGRESS")
BACK = ("ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS")


@dataclass
class Revision:
    """A service revision: what is deployed, and never changes."""

    service: str
    definition: str
    arn: str
    images: list[dict[str, str]]
    balancers: list[dict[str, Any]]
    created: datetime = field(default_factory=now)

    def described(self, cluster: str) -> dict[str, Any]:
        return {
            "serviceRevisionArn": self.arn,
            "serviceArn": f"{ARN}:service/{cluster}/{self.service}",
            "clusterArn": f"{ARN}:cluster/{cluster}",
            "taskDefinition": self.definition,
            "launchType": "FARGATE",
            "loadBalancers": self.balancers,
            "containerImages": self.images,
            "createdAt": self.created,
        }


@dataclass
class Deployment:
    """An entry of a service's `deployments`."""

    revision: Revision
    desired: int
    group: str | None
    status: str = "PRIMARY"
    failed: int = 0
    state: str = "IN_PROGRESS"
    reason: str = "ECS deployment in progress."
    id: str = field(default_factory=lambda: f"ecs-svc/{secrets.randbelow(10**19):019d}")
    created: datetime = field(default_factory=now)
    updated: datetime = field(default_factory=now)

    def described(self, tasks: list[Task]) -> dict[str, Any]:
        mine = [t for t in tasks if t.deployment == self.id and t.desired == "RUNNING"]
        running = sum(t.status == "RUNNING" for t in mine)
        return {
            "id": self.id,
            "status": self.status,
            "taskDefinition": self.revision.definition,
            "desiredCount": self.desired,
            "pendingCount": len(mine) - running,
            "runningCount": running,
            "failedTasks": self.failed,
            "createdAt": self.created,
            "updatedAt": self.updated,
            "launchType": "FARGATE",
            "rolloutState": self.state,
            "rolloutStateReason": self.reason,
        }


@dataclass
class Rollout:
    """A service deployment."""

    arn: str
    cluster: str
    service: str
    target: Revision
    sources: list[Revision]
    config: Mapping[str, Any]
    desired: int
    status: str = "PENDING"
    stage: str = "RECONCILE_SERVICE"
    weight: float = 0.0
    created: datetime = field(default_factory=now)
    finished: datetime | None = None
    reason: str | None = None
    back: dict[str, Any] | None = None
    tripped: bool = False
    alarms: list[str] = field(default_factory=list)
    failures: int = 0
    since: float = field(default_factory=time.monotonic)

    @property
    def strategy(self) -> str:
        return str(self.config.get("strategy", "ROLLING"))

    @property
    def alive(self) -> bool:
        return self.status in ALIVE

    @property
    def threshold(self) -> int:
        """Half of the tasks, at least 3, at most 200."""
        return min(max(3, math.ceil(self.desired / 2)), 200)

    def at(self, stage: str) -> None:
        if stage != self.stage:
            self.stage, self.since = stage, time.monotonic()

    def end(self, status: str, reason: str) -> None:
        self.status, self.reason, self.finished = status, reason, now()

    def go_back(self, to: Revision, reason: str) -> None:
        self.status, self.reason = "ROLLBACK_IN_PROGRESS", reason
        self.back = {"reason": reason, "startedAt": now(), "serviceRevisionArn": to.arn}

    def brief(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "serviceDeploymentArn": self.arn,
            "serviceArn": f"{ARN}:service/{self.cluster}/{self.service}",
            "clusterArn": f"{ARN}:cluster/{self.cluster}",
            "createdAt": self.created,
            "startedAt": self.created,
            "targetServiceRevisionArn": self.target.arn,
            "status": self.status,
        }
        if self.reason:
            found["statusReason"] = self.reason
        if self.finished:
            found["finishedAt"] = self.finished
        return found

    def described(self, running: Mapping[str, int]) -> dict[str, Any]:
        """`running` counts tasks by service revision."""
        found = self.brief()
        del found["targetServiceRevisionArn"]
        shifting = self.strategy != "ROLLING"
        found["targetServiceRevision"] = _counted(self.target, self.desired, running)
        found["sourceServiceRevisions"] = [_counted(s, self.desired, running) for s in self.sources]
        if shifting:
            found["targetServiceRevision"]["requestedProductionTrafficWeight"] = self.weight
            found["lifecycleStage"] = self.stage
        found["deploymentConfiguration"] = dict(self.config)
        breaker = self.config.get("deploymentCircuitBreaker", {})
        found["deploymentCircuitBreaker"] = {
            "status": "TRIGGERED"
            if self.tripped
            else ("MONITORING" if breaker.get("enable") else "DISABLED"),
            "failureCount": self.failures,
            "threshold": self.threshold,
        }
        watched = self.config.get("alarms", {})
        if watched:
            found["alarms"] = {
                "status": "TRIGGERED" if self.alarms else "MONITORING",
                "alarmNames": watched.get("alarmNames", []),
                "triggeredAlarmNames": self.alarms,
            }
        if self.back:
            found["rollback"] = self.back
        return found


def _counted(revision: Revision, desired: int, running: Mapping[str, int]) -> dict[str, Any]:
    count = running.get(revision.arn, 0)
    return {
        "arn": revision.arn,
        "requestedTaskCount": desired,
        "runningTaskCount": count,
        "pendingTaskCount": max(desired - count, 0),
    }
