"""Deployments that ECS makes by itself: finding our very own, and saying how it stands.

`judge` is pure. Ours is the first service deployment that is to end with our task definition, of
those that began after our write did; never the newest. Once seen, it is asked for by its ARN.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrate.core.errors import StepFailed, Unhealthy
from orchestrate.core.protocols import Progress
from orchestrate.providers.aws_ecs.account import Account
from orchestrate.providers.aws_ecs.errors import Absent, told
from orchestrate.providers.aws_ecs.settings import Settings

if TYPE_CHECKING:
    from types_boto3_ecs.literals import ServiceDeploymentStatusType
    from types_boto3_ecs.type_defs import (
        ListServiceDeploymentsRequestTypeDef,
        ServiceDeploymentBriefTypeDef,
        ServiceDeploymentTypeDef,
        ServiceRevisionTypeDef,
    )

ALIVE = frozenset("PENDING IN_PROGRESS".split())
BACK = frozenset("ROLLBACK_REQUESTED ROLLBACK_IN_PROGRESS".split())
LOST = BACK | frozenset("ROLLBACK_SUCCESSFUL ROLLBACK_FAILED STOP_REQUESTED STOPPED".split())
AGAIN_S = 2.0
MOST_LISTED = 100
MOST_DESCRIBED = 20
"""Deployments in one answer, by ECS's own limits."""
_revisions: dict[str, ServiceRevisionTypeDef] = {}
"""By ARN: a service revision never changes."""
_lock = threading.Lock()


class Rollouts:
    """The service deployments and service revisions of one cluster."""

    def __init__(self, account: Account, settings: Settings) -> None:
        self._account = account
        self._settings = settings

    def newest_at(self, service: str) -> datetime | None:
        """When the newest deployment of a service began, by AWS's clock."""
        return max((_made(each) for each in self._listed(service, None)), default=None)

    def ours(
        self, service: str, definition: str, since: datetime | None
    ) -> ServiceDeploymentTypeDef | None:
        """The first deployment after `since` that is to end with a task definition, or that ECS
        took back to it: a later one is somebody else's, who deployed the same again. Without
        `since` we have asked for none, and it is the newest."""
        listed = self._listed(service, since)
        if since is not None:
            listed.reverse()
        for start in range(0, len(listed), MOST_DESCRIBED):
            described = self._described(listed[start : start + MOST_DESCRIBED])
            for found in described if since is None else reversed(described):
                target = found.get("targetServiceRevision", {}).get("arn")
                back = found.get("rollback", {}).get("serviceRevisionArn")
                if definition in (self.definition(target), self.definition(back)):
                    return found
        return None

    def known(self, arn: str) -> ServiceDeploymentTypeDef | None:
        """One deployment; None when ECS keeps it no longer."""
        with told("the service's deployment was not looked at"):
            answer = self._account.ecs.describe_service_deployments(serviceDeploymentArns=[arn])
        return next(iter(answer["serviceDeployments"]), None)

    def under_way(self, service: str) -> ServiceDeploymentTypeDef | None:
        """The deployment that is not over."""
        status: list[ServiceDeploymentStatusType] = ["PENDING", "IN_PROGRESS"]
        status += ["ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS"]
        for found in self._described(self._listed(service, None, status)):
            if found.get("status") in ALIVE | BACK:
                return found
        return None

    def leads_back(self, found: ServiceDeploymentTypeDef, definition: str) -> bool:
        """Whether taking a deployment back ends with a task definition."""
        sources = [each.get("arn") for each in found.get("sourceServiceRevisions", ())]
        return any(self.definition(arn) == definition for arn in sources)

    def take_back(self, found: ServiceDeploymentTypeDef) -> None:
        """Have ECS end a deployment and restore what was before it. Once is enough."""
        if found.get("status") not in ALIVE:
            return
        try:
            with told("the deployment was not stopped"):
                self._account.ecs.stop_service_deployment(
                    serviceDeploymentArn=found["serviceDeploymentArn"], stopType="ROLLBACK"
                )
        except Absent:
            return

    def definition(self, revision: str | None) -> str | None:
        """The task definition of a service revision."""
        found = self.revision(revision) if revision else None
        return found.get("taskDefinition") if found else None

    def revision(self, arn: str) -> ServiceRevisionTypeDef | None:
        """A service revision: task definition, images by digest, network, load balancer."""
        with _lock:
            known = _revisions.get(arn)
        if known is not None:
            return known
        with told("the service revision was not looked at"):
            answer = self._account.ecs.describe_service_revisions(serviceRevisionArns=[arn])
        found = next(iter(answer["serviceRevisions"]), None)
        if found is not None:
            with _lock:
                while len(_revisions) >= 500:
                    del _revisions[next(iter(_revisions))]
                _revisions[arn] = found
        return found

    def _listed(
        self,
        service: str,
        since: datetime | None,
        status: Sequence[ServiceDeploymentStatusType] = (),
    ) -> list[ServiceDeploymentBriefTypeDef]:
        """Newest first. The API promises no order, so every page is read."""
        asked: ListServiceDeploymentsRequestTypeDef = {
            "cluster": self._settings.cluster,
            "service": service,
            "maxResults": MOST_LISTED,
        }
        if since is not None:
            asked["createdAt"] = {"after": since}
        if status:
            asked["status"] = status
        found: list[ServiceDeploymentBriefTypeDef] = []
        while True:
            with told("the service's deployments were not listed"):
                answer = self._account.ecs.list_service_deployments(**asked)
            listed = answer["serviceDeployments"]
            found += [d for d in listed if since is None or _made(d) > since]
            if "nextToken" not in answer:
                return sorted(found, key=_made, reverse=True)
            asked["nextToken"] = answer["nextToken"]

    def _described(
        self, listed: Sequence[ServiceDeploymentBriefTypeDef]
    ) -> Sequence[ServiceDeploymentTypeDef]:
        """The newest of those listed, whole."""
        if not listed:
            return ()
        arns = [each["serviceDeploymentArn"] for each in listed[:MOST_DESCRIBED]]
        with told("the service's deployments were not looked at"):
            answer = self._account.ecs.describe_service_deployments(serviceDeploymentArns=arns)
        return sorted(answer["serviceDeployments"], key=_made, reverse=True)


def judge(
    found: ServiceDeploymentTypeDef, version: str, reasons: Sequence[str], towards: bool
) -> Progress:
    """How a deployment stands. `towards`: it was begun for this version; else it goes back to it.

    Raises Unhealthy when ECS gave the version up for its tasks or alarms, StepFailed when somebody
    stopped it or going back failed.
    """
    status = found.get("status", "PENDING")
    name = found["serviceDeploymentArn"].rpartition("/")[2]
    if not towards:
        if status in ALIVE | BACK:
            return Progress(False, f"ECS goes back to {version} (deployment {name})")
        if status == "ROLLBACK_SUCCESSFUL":
            return Progress(True, f"ECS went back to {version} (deployment {name})")
        raise StepFailed(
            f"ECS did not get back to {version}",
            why=[f"deployment {name} is {status}", *_told(found)],
            fix=["look at the service's events in the ECS console"],
        )
    if status == "SUCCESSFUL":
        return Progress(True, f"deployment {name} succeeded")
    if status in LOST:
        raise _taken_back(found, version, name, reasons)
    return Progress(False, _under_way(found, name))


def _taken_back(
    found: ServiceDeploymentTypeDef, version: str, name: str, reasons: Sequence[str]
) -> StepFailed:
    tripped = found.get("deploymentCircuitBreaker", {}).get("status") == "TRIGGERED"
    alarms = found.get("alarms", {}).get("triggeredAlarmNames", [])
    status = found.get("status", "")
    by_itself = tripped or bool(alarms)
    kind = Unhealthy if by_itself or reasons else StepFailed
    if not by_itself:
        said = f"the deployment of {version} was stopped at ECS"
    elif status in ("STOPPED", "STOP_REQUESTED"):
        said = f"ECS gave {version} up by itself"
    else:
        said = f"ECS took {version} back by itself"
    fix = "find the cause in its log, then deploy what mends it: that is a new revision"
    return kind(
        said,
        why=[f"deployment {name} is {status}", *_told(found), *reasons],
        fix=[fix] if kind is Unhealthy else ["look at the service's events in the ECS console"],
    )


def _told(found: ServiceDeploymentTypeDef) -> list[str]:
    """What ECS itself says of a deployment that did not come through."""
    breaker, alarms = found.get("deploymentCircuitBreaker", {}), found.get("alarms", {})
    said = [found.get("statusReason", ""), found.get("rollback", {}).get("reason", "")]
    if breaker.get("status") == "TRIGGERED":
        count, threshold = breaker.get("failureCount", 0), breaker.get("threshold", 0)
        said.append(f"its circuit breaker tripped: {count} tasks failed, {threshold} are allowed")
    said += [f"alarm {name} was triggered" for name in alarms.get("triggeredAlarmNames", ())]
    return list(dict.fromkeys(text for text in said if text))


def _under_way(found: ServiceDeploymentTypeDef, name: str) -> str:
    target = found.get("targetServiceRevision", {})
    stage = found.get("lifecycleStage", found.get("status", "PENDING")).lower().replace("_", " ")
    text = (
        f"{stage}: {target.get('runningTaskCount', 0)} of {target.get('requestedTaskCount', 0)} run"
    )
    weight = target.get("requestedProductionTrafficWeight")
    if weight is not None:
        text += f", {weight:g}% of the traffic"
    failed = found.get("deploymentCircuitBreaker", {}).get("failureCount", 0)
    if failed:
        text += f", {failed} failed"
    waiting = [
        h for h in found.get("lifecycleHookDetails", ()) if h.get("status") == "AWAITING_ACTION"
    ]
    if waiting:
        text += f"; waits for hook {waiting[0].get('hookId')}"
    return f"{text} (deployment {name})"


def _made(each: ServiceDeploymentBriefTypeDef | ServiceDeploymentTypeDef) -> datetime:
    return each.get("createdAt") or datetime.fromtimestamp(0, UTC)
