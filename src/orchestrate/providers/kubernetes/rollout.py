"""How a colour comes on with a revision, and why it does not: the verdict, early failures with a
grace, and a diagnosis that is read at once, since events are kept for an hour only."""

from collections.abc import Callable, Mapping

from pydantic import JsonValue

from orchestrate.core.errors import (
    ExitedAtOnce,
    OrchestrateError,
    StepFailed,
    Unhealthy,
)
from orchestrate.core.protocols import Progress
from orchestrate.core.revision import Revision
from orchestrate.providers.kubernetes.api import Api
from orchestrate.providers.kubernetes.colors import Color, changed_since
from orchestrate.providers.kubernetes.diagnosis import (
    LINES,
    Trouble,
    explain,
    newest_set,
    pods_of,
    troubles,
)
from orchestrate.providers.kubernetes.endpoints import Endpoints
from orchestrate.providers.kubernetes.objects import (
    EVENT,
    MANAGER,
    REPLICA_SET,
    Json,
    items,
    name_of,
    note,
    number,
    owners_of,
    part,
    template_owners,
    text,
    uid_of,
)
from orchestrate.providers.kubernetes.settings import Settings
from orchestrate.providers.kubernetes.verdict import Verdict, judge

MOST_RESTARTS = 3
EARLY = {"image", "config", "crash", "quota", "refused"}
"""What does not heal by waiting, unless it does within the grace."""
FIX = ("mend it and deploy that, which is a new revision",)


class Rollout:
    """The way of a revision in a colour. `mask` hides the application's secrets in a text."""

    def __init__(
        self,
        settings: Settings,
        api: Api,
        endpoints: Endpoints,
        labels: Mapping[str, str],
        mask: Callable[[str], str],
    ) -> None:
        self.settings, self.api, self.endpoints = settings, api, endpoints
        self.labels, self.mask = labels, mask

    def progress(
        self,
        color: Color | None,
        revision: Revision,
        image: str,
        replicas: int,
        watched_s: float,
        memory: Mapping[str, JsonValue],
    ) -> Progress:
        """Whether it is up. Raises StepFailed and its kinds with the diagnosis."""
        if color is None:
            return Progress(False, "the cluster has no Deployment of it yet")
        deployment = color.deployment
        self._refuse_superseded(deployment, revision, image)
        verdict = judge(deployment)
        available = number(deployment, "status", "availableReplicas")
        if verdict.state == "done" and available >= self._needed(color, replicas):
            left = self._led_elsewhere(color, revision)
            return Progress(left is None, left or verdict.text)
        if verdict.state == "paused":
            raise self._paused(deployment)
        replica_set, pods = self._made(deployment)
        found = troubles(deployment, replica_set, pods) if _seen(deployment) else []
        if verdict.state == "late":
            raise self._failed(revision, deployment, replica_set, pods, found, verdict.text)
        since = self._since(found, watched_s, memory)
        self._refuse_hopeless(revision, deployment, replica_set, pods, found, since, watched_s)
        return Progress(False, _text(verdict, found), since)

    def _needed(self, color: Color, replicas: int) -> int:
        """Replicas that must be available: fewer where an autoscaler wants no more."""
        if color.autoscaled or self.settings.autoscaled:
            return min(replicas, max(color.asked, 1))
        return replicas

    def _led_elsewhere(self, color: Color, revision: Revision) -> str | None:
        """What of the traffic has not followed yet. The Deployment counts a Pod no more from the
        moment that it is to end; endpoints are told by another controller, which may be later."""
        pods = self.endpoints.pods()
        for service in (self.settings.name, name_of(color.deployment)):
            for each in self.endpoints.ready(service, pods):
                if each.pod and not each.color:
                    return f"Service {service} still leads to a Pod that is gone"
                others = each.revision.key not in ("", revision.key)
                if each.color == color.name and others:
                    return f"Service {service} still leads to {each.revision.version}"
        return None

    def _since(
        self, found: list[Trouble], watched_s: float, memory: Mapping[str, JsonValue]
    ) -> dict[str, JsonValue]:
        """Since when each kind of trouble has lasted, in seconds watched."""
        before = {cause: memory.get(cause, watched_s) for cause in {each.key for each in found}}
        return {
            cause: float(since) if isinstance(since, int | float) else watched_s
            for cause, since in before.items()
        }

    def _refuse_hopeless(
        self,
        revision: Revision,
        deployment: Json,
        replica_set: Json | None,
        pods: list[Json],
        found: list[Trouble],
        since: Mapping[str, JsonValue],
        watched_s: float,
    ) -> None:
        for trouble in found:
            if trouble.cause not in EARLY:
                continue
            begun = since.get(trouble.key)
            lasted = watched_s - float(begun) if isinstance(begun, int | float) else 0.0
            if trouble.restarts >= MOST_RESTARTS or lasted >= self.settings.patience_s:
                why = (
                    f"{trouble.restarts} restarts"
                    if trouble.restarts >= MOST_RESTARTS
                    else (f"it lasts for {lasted:.0f}s")
                )
                raise self._failed(revision, deployment, replica_set, pods, found, why)

    def _refuse_superseded(self, deployment: Json, revision: Revision, image: str) -> None:
        """A later change by somebody else is not ours to wait for, nor to judge."""
        template = part(deployment, "spec", "template")
        now = {text(c, "name"): c for c in items(template, "spec", "containers")}
        container = now.get(self.settings.container, {})
        labelled = text(template, "metadata", "labels", "orchestrate/revision")
        same = text(container, "image") == image and labelled == revision.key
        if same and not changed_since(deployment):
            return
        path = (
            *("f:spec", "f:template", "f:spec", "f:containers"),
            *(f'k:{{"name":"{self.settings.container}"}}', "f:image"),
        )
        others = [] if same else [o for o in owners_of(deployment, *path) if o != MANAGER]
        who = " and ".join(others or template_owners(deployment)) or "somebody else"
        now_at = number(deployment, "metadata", "generation")
        why = [f"the Deployment is at generation {now_at}"]
        if note(deployment, "generation"):
            why[0] += f", and {note(deployment, 'generation')} was written for it"
        if text(container, "image") != image:
            why[0] += f", with image {text(container, 'image') or 'none'} and not {image}"
        else:
            why[0] += ", with another template of its Pods"
        raise StepFailed(
            f"{revision.version} was superseded by {who}",
            why=why,
            fix=["find out who changes it beside this program; then deploy again"],
        )

    def _paused(self, deployment: Json) -> StepFailed:
        others = [o for o in owners_of(deployment, "f:spec", "f:paused") if o != MANAGER]
        who = " and ".join(others) or "somebody"
        return StepFailed(
            f"the rollout was paused by {who}",
            why=["a paused Deployment neither goes on nor times out"],
            fix=[
                f"kubectl rollout resume deployment {name_of(deployment)}"
                f" --namespace {self.settings.namespace}, then deploy again"
            ],
        )

    def _made(self, deployment: Json) -> tuple[Json | None, list[Json]]:
        """The ReplicaSet of the present template, and its Pods."""
        replica_set = newest_set(deployment, self.api.find(REPLICA_SET, self.labels))
        return replica_set, pods_of(replica_set, self.endpoints.pods())

    def _failed(
        self,
        revision: Revision,
        deployment: Json,
        replica_set: Json | None,
        pods: list[Json],
        found: list[Trouble],
        short: str,
    ) -> StepFailed:
        """The error with all that is known now."""
        worst = found[0].cause if found else "unready"
        kind, says = {
            "image": (Unhealthy, "its image cannot be pulled"),
            "config": (StepFailed, "its containers cannot be made"),
            "crash": (ExitedAtOnce, "it ended before it was healthy"),
            "quota": (StepFailed, "the namespace has no room for it"),
            "refused": (StepFailed, "the cluster refuses to make its Pods"),
            "unschedulable": (StepFailed, "no node has room for it"),
            "unready": (Unhealthy, "it did not become ready"),
        }[worst]
        events: list[Json] = []
        log: list[str] = []
        unread: list[str] = []
        try:
            events = self._events([replica_set or {}, *pods])
            log = self._log(found)
        except OrchestrateError as problem:
            unread = [f"and no more could be read: {problem.message}"]
        lines = explain(deployment, found, events, log)
        first = short if worst == "unready" else f"{worst}: {short}"
        return kind(
            f"{revision.version} did not come up: {says}",
            why=[first, *map(self.mask, lines), *unread],
            fix=FIX,
        )

    def _events(self, of: list[Json]) -> list[Json]:
        found: list[Json] = []
        for uid in [uid_of(each) for each in of if each][:10]:
            found += self.api.find(EVENT, fields=f"involvedObject.uid={uid},type=Warning")
        return found

    def _log(self, found: list[Trouble]) -> list[str]:
        """The last lines of the first container in trouble: of its previous life exactly when it
        had one, which is the kubelet's own rule."""
        for trouble in found:
            if not trouble.container or trouble.cause in ("image", "config"):
                continue
            log = self.api.log(trouble.pod, trouble.container, tail=LINES, previous=trouble.ended)
            return [line.partition(" ")[2] for line in log.splitlines()]
        return []


def _seen(deployment: Json) -> bool:
    """Whether the status speaks of the present generation at all."""
    generation = number(deployment, "metadata", "generation")
    return number(deployment, "status", "observedGeneration") >= generation


def _text(verdict: Verdict, found: list[Trouble]) -> str:
    return verdict.text + (f"; {found[0].what}" if found else "")
