"""What AWS shows of a service, its tasks and their targets, read into the words of the core.

Pure: nothing here asks anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrate.core.protocols import Replica, ReplicaState
from orchestrate.core.revision import Ref

if TYPE_CHECKING:
    from types_boto3_ecs.type_defs import DeploymentTypeDef, ServiceTypeDef, TaskTypeDef

    from orchestrate.providers.aws_ecs.settings import Slot

_STARTING = frozenset("PROVISIONING PENDING ACTIVATING CREATED".split())
_STOPPING = frozenset("DEACTIVATING STOPPING DEPROVISIONING".split())
_WELL = ("healthy",)
_CRASHED = ("EssentialContainerExited", "TaskFailedToStart")
MOST_REASONS = 3


@dataclass(frozen=True)
class Target:
    """What a target group says of one address."""

    state: str
    reason: str | None = None


@dataclass(frozen=True)
class Place:
    """One slot as it was observed."""

    slot: Slot
    service: ServiceTypeDef
    tasks: tuple[TaskTypeDef, ...]
    """Running ones and those that ended lately, of any task definition."""
    targets: Mapping[str, Target]
    """By `address:port` and by `instance:port`."""
    balanced: bool
    """Its tasks are registered with a target group, whose word counts."""

    @property
    def primary(self) -> str:
        """ARN of the task definition that is wanted."""
        found = next((d for d in self.service["deployments"] if d["status"] == "PRIMARY"), None)
        return found["taskDefinition"] if found else self.service["taskDefinition"]

    def definitions(self) -> list[str]:
        """ARNs of the task definitions that are wanted or still run, the wanted one first."""
        alive = [t["taskDefinitionArn"] for t in self.tasks if t["lastStatus"] != "STOPPED"]
        others = [d["taskDefinition"] for d in self.service["deployments"] if d["desiredCount"]]
        return list(dict.fromkeys([self.primary, *others, *alive]))

    def deployment(self, arn: str) -> DeploymentTypeDef | None:
        """The newest deployment of a task definition."""
        found = [d for d in self.service["deployments"] if d["taskDefinition"] == arn]
        return found[0] if found else None

    def wanted(self, arn: str) -> int:
        """Tasks asked for of a task definition."""
        if arn == self.primary:
            return self.service["desiredCount"]
        found = self.deployment(arn)
        return found["desiredCount"] if found else 0

    def serving(self, arn: str) -> int:
        """Tasks of a task definition that take requests now."""
        return sum(
            1
            for task in self.tasks
            if task["taskDefinitionArn"] == arn
            and task.get("desiredStatus") == "RUNNING"
            and self._state(task)[0] == "running"
        )

    def replicas(self, arn: str, port: int | None) -> tuple[Replica, ...]:
        """The tasks of a task definition by age, then what is missing of them and why."""
        mine = [t for t in self.tasks if t["taskDefinitionArn"] == arn]
        alive = sorted((t for t in mine if t["lastStatus"] != "STOPPED"), key=_age)
        stopped = sorted((t for t in mine if _crashed(t)), key=_age)
        found = [self._replica(n, task, port) for n, task in enumerate(alive)]
        lasting = sum(1 for t in alive if t.get("desiredStatus") == "RUNNING")
        missing = max(self.wanted(arn) - lasting, 0)
        deployment = self.deployment(arn)
        failed = deployment.get("failedTasks", 0) if deployment else 0
        gave_up = deployment is not None and deployment.get("rolloutState") == "FAILED"
        for index in range(missing):
            found.append(_missing(len(alive) + index, stopped, failed, missing, gave_up))
        return tuple(found)

    def reasons(self, arn: str) -> list[str]:
        """Why tasks of a task definition ended, newest first, each reason once."""
        ended = [t for t in self.tasks if t["taskDefinitionArn"] == arn and _crashed(t)]
        ended.sort(key=_age, reverse=True)
        return list(dict.fromkeys(why_ended(task) for task in ended))[:MOST_REASONS]

    def _replica(self, number: int, task: TaskTypeDef, port: int | None) -> Replica:
        state, reason = self._state(task)
        started = task.get("startedAt")
        address = _address(task)
        return Replica(
            number=number,
            state=state,
            address=f"http://{address}:{port}" if port and address else None,
            started_at=started.isoformat() if started else None,
            reason=reason,
        )

    def _state(self, task: TaskTypeDef) -> tuple[ReplicaState, str | None]:
        last = task.get("lastStatus", "")
        if last in _STOPPING or task.get("desiredStatus") == "STOPPED":
            return "stopping", self._draining(task)
        if last in _STARTING:
            return "starting", last.lower()
        if last != "RUNNING":
            return "unknown", f"ECS says {last}"
        if task.get("healthStatus") == "UNHEALTHY":
            return "starting", "its container's own health check fails"
        if not self.balanced:
            return "running", None
        target = self._target(task)
        if target is None:
            return "starting", "not registered with the target group yet"
        if target.state in _WELL:
            return "running", None
        return "starting", f"target {target.state}" + (
            f": {target.reason}" if target.reason else ""
        )

    def _draining(self, task: TaskTypeDef) -> str:
        target = self._target(task)
        if target is not None and "draining" in target.state:
            return "draining: the load balancer lets its requests end"
        return "stopping"

    def _target(self, task: TaskTypeDef) -> Target | None:
        return next((self.targets[name] for name in _names(task) if name in self.targets), None)


def why_ended(task: TaskTypeDef) -> str:
    """`shop exited with code 7: Essential container in task exited`."""
    said = task.get("stoppedReason") or "no reason was given"
    for container in task.get("containers", ()):
        code, reason = container.get("exitCode"), container.get("reason")
        if code is not None and code != 0:
            more = f" ({reason})" if reason else ""
            return f"{container.get('name')} exited with code {code}{more}: {said}"
        if reason:
            return f"{container.get('name')}: {reason}: {said}"
    return said


def shares_of(places: Sequence[tuple[Ref, int]]) -> dict[str, int]:
    """Percent by revision key from counts, largest remainder first; they sum to 100."""
    total = sum(count for _, count in places)
    if total == 0:
        return {}
    exact = [(ref.key, 100 * count / total) for ref, count in places]
    found = {key: int(part) for key, part in exact}
    for key, _ in sorted(exact, key=lambda each: each[1] - int(each[1]), reverse=True):
        if sum(found.values()) == 100:
            break
        found[key] += 1
    return found


def _missing(
    number: int, stopped: list[TaskTypeDef], failed: int, missing: int, gave_up: bool
) -> Replica:
    """A replica that is wanted and not there: what became of the last one."""
    restarts = -(-max(failed, len(stopped)) // missing)
    if not stopped:
        said = "gave up: ECS starts no more of them" if gave_up else None
        return Replica(number, "exited" if gave_up else "starting", restarts=restarts, reason=said)
    last = stopped[-1]
    codes = [c["exitCode"] for c in last.get("containers", ()) if c.get("exitCode")]
    said = why_ended(last)
    return Replica(
        number,
        "exited",
        restarts=restarts,
        exit_code=codes[0] if codes else None,
        reason=f"gave up: {said}" if gave_up else said,
    )


def _crashed(task: TaskTypeDef) -> bool:
    return task.get("lastStatus") == "STOPPED" and task.get("stopCode") in _CRASHED


def _age(task: TaskTypeDef) -> tuple[float, str]:
    made = task.get("createdAt")
    return (made.timestamp() if made else 0.0, task.get("taskArn", ""))


def _address(task: TaskTypeDef) -> str | None:
    """The private address of a task with a network interface of its own."""
    for attachment in task.get("attachments", ()):
        for detail in attachment.get("details", ()):
            if detail.get("name") == "privateIPv4Address":
                return detail.get("value")
    return None


def _names(task: TaskTypeDef) -> Iterable[str]:
    """How its target may be called: by address and, on a shared network, by port of the host."""
    address = _address(task)
    if address:
        yield address
    for container in task.get("containers", ()):
        for binding in container.get("networkBindings", ()):
            yield f":{binding.get('hostPort')}"
