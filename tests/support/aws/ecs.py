"""The operations of ECS that the front answers itself, over the services it schedules."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.aws.service import Service
from tests.support.aws.tasks import Task

Answer = dict[str, Any]


class Refused(Exception):
    """What AWS answers instead."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class Ecs:
    """`services` by name, in one cluster. A schedule of its own runs until `close`."""

    def __init__(self, world: Any, cluster: str) -> None:
        self.world, self.cluster = world, cluster
        self.services: dict[str, Service] = {}
        self.stale_reads = 0
        """How many readings after a change still show what was before it."""
        self.unlisted = 0
        """How many lists of deployments do not have the newest one yet."""
        self.page = 2
        """Deployments in one answer to a list."""
        self.hold: Callable[[Service], bool] | None = None
        """A service of which this is true is left as it is."""
        self.lock = threading.RLock()
        self._stale: dict[str, tuple[Answer, int]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._schedule)
        self._thread.start()
        self.broken: BaseException | None = None
        self.operations: Mapping[str, Callable[[Answer], Answer]] = {
            "CreateService": self.create,
            "UpdateService": self.update,
            "DescribeServices": self.describe,
            "ListTasks": self.list_tasks,
            "DescribeTasks": self.describe_tasks,
            "ListServiceDeployments": self.list_rollouts,
            "DescribeServiceDeployments": self.describe_rollouts,
            "DescribeServiceRevisions": self.describe_revisions,
            "StopServiceDeployment": self.stop_rollout,
            "TagResource": self.tag,
            "UntagResource": self.untag,
        }

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        for service in self.services.values():
            for task in service.tasks:
                task.kill()
        if self.broken is not None:
            raise self.broken

    def tasks(self) -> list[Task]:
        with self.lock:
            return [task for service in self.services.values() for task in service.tasks]

    def create(self, asked: Answer) -> Answer:
        definition = self.world.active(asked["taskDefinition"])
        made = Service(
            self.world,
            self.cluster,
            asked["serviceName"],
            asked.get("desiredCount", 0),
            {"maximumPercent": 200, "minimumHealthyPercent": 100}
            | asked.get("deploymentConfiguration", {}),
            asked.get("loadBalancers", []),
        )
        self._refuse_loose(made)
        self.services[made.name] = made
        made.deploy(definition)
        return {"service": made.described()}

    def update(self, asked: Answer) -> Answer:
        service = self._service(asked["service"])
        self._refuse_loose(service)
        before = service.described()
        definition = self.world.active(
            asked.get("taskDefinition", service.primary.revision.definition)
        )
        if "deploymentConfiguration" in asked:
            service.config.update(asked["deploymentConfiguration"])
        desired = asked.get("desiredCount", service.desired)
        changed = definition != service.primary.revision.definition
        if changed or asked.get("forceNewDeployment"):
            service.desired = desired
            service.deploy(definition)
            service.updates += 1
        elif desired != service.desired:
            service.resize(desired)
            service.updates += 1
        if self.stale_reads:
            self._stale[service.name] = (before, self.stale_reads)
        return {"service": service.described()}

    def describe(self, asked: Answer) -> Answer:
        self._cluster(asked)
        found, failures = [], []
        for name in asked["services"]:
            short = name.rpartition("/")[2]
            if short not in self.services:
                failures.append({"arn": name, "reason": "MISSING"})
                continue
            before, left = self._stale.pop(short, ({}, 0))
            if left > 1:
                self._stale[short] = (before, left - 1)
            now = self.services[short].described()
            # What is told late is what runs; tags are another store, and told at once.
            found.append({**before, "tags": now["tags"]} if left else now)
        return {"services": found, "failures": failures}

    def list_tasks(self, asked: Answer) -> Answer:
        service = self._service(asked["serviceName"])
        wanted = asked.get("desiredStatus", "RUNNING")
        return {"taskArns": [t.arn for t in service.tasks if t.desired == wanted]}

    def describe_tasks(self, asked: Answer) -> Answer:
        wanted = set(asked["tasks"])
        return {"tasks": [t.described() for t in self.tasks() if t.arn in wanted], "failures": []}

    def list_rollouts(self, asked: Answer) -> Answer:
        service = self._service(asked["service"])
        after = asked.get("createdAt", {}).get("after")
        found = [
            r.brief()
            for r in service.rollouts
            if (after is None or round(r.created.timestamp(), 3) >= float(after))
            and r.status in asked.get("status", [r.status])
        ]
        late = self.unlisted > 0
        if late:
            found = found[1:]
        # Oldest first and a few at a time: neither an order nor a page's size is promised.
        found.reverse()
        first = int(asked.get("nextToken", 0))
        after_it = first + self.page
        more = {"nextToken": str(after_it)} if after_it < len(found) else {}
        if late and not more:
            self.unlisted -= 1
        return {"serviceDeployments": found[first:after_it], **more}

    def describe_rollouts(self, asked: Answer) -> Answer:
        found = [
            r.described(s.running())
            for s in self.services.values()
            for r in s.rollouts
            if r.arn in asked["serviceDeploymentArns"]
        ]
        return {"serviceDeployments": found, "failures": []}

    def describe_revisions(self, asked: Answer) -> Answer:
        every = {
            revision.arn: revision
            for s in self.services.values()
            for r in s.rollouts
            for revision in (r.target, *r.sources)
        }
        found = [
            every[a].described(self.cluster) for a in asked["serviceRevisionArns"] if a in every
        ]
        return {"serviceRevisions": found, "failures": []}

    def stop_rollout(self, asked: Answer) -> Answer:
        for service in self.services.values():
            for rollout in service.rollouts:
                if rollout.arn == asked["serviceDeploymentArn"]:
                    if not rollout.alive:
                        raise Refused("ConflictException", "The service deployment is over.")
                    service.stop_rollout(rollout, asked.get("stopType", "ROLLBACK"))
                    return {"serviceDeploymentArn": rollout.arn}
        raise Refused("ServiceDeploymentNotFoundException", "Service deployment not found.")

    def tag(self, asked: Answer) -> Answer:
        service = self._service(asked["resourceArn"])
        service.tags |= {t["key"]: t["value"] for t in asked["tags"]}
        if len(service.tags) > 50:
            raise Refused("InvalidParameterException", "A resource can have 50 tags at most.")
        return {}

    def untag(self, asked: Answer) -> Answer:
        service = self._service(asked["resourceArn"])
        for key in asked["tagKeys"]:
            service.tags.pop(key, None)
        return {}

    def _service(self, name: str) -> Service:
        found = self.services.get(name.rpartition("/")[2])
        if found is None:
            raise Refused("ServiceNotFoundException", "Service not found.")
        return found

    def _cluster(self, asked: Answer) -> None:
        if asked.get("cluster", "default").rpartition("/")[2] != self.cluster:
            raise Refused("ClusterNotFoundException", "Cluster not found.")

    def _refuse_loose(self, service: Service) -> None:
        for group in service.groups:
            if group and not self.world.balanced(group):
                raise Refused(
                    "InvalidParameterException",
                    f"The target group with targetGroupArn {group} does not have an associated"
                    " load balancer.",
                )

    def _schedule(self) -> None:
        while not self._ended.wait(0.02):
            with self.lock:
                for service in list(self.services.values()):
                    if self.hold is not None and self.hold(service):
                        continue
                    try:
                        service.tick()
                    except (
                        BaseException
                    ) as problem:  # told by `close`: nobody waits for this thread
                        self.broken = problem
                        return
