"""The Pods of the pretended cluster: scheduled, started, ready, or not, as their script says."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import time
from dataclasses import dataclass, field
from typing import Literal

from tests.support.kubernetes.fields import Json
from tests.support.kubernetes.store import Objects, Refused, now

Script = Literal["well", "bad-image", "crash", "oom", "unready", "unschedulable", "config"]
START_S = 0.05
CRASH_S = 0.15
END_S = 0.1
NOBODY = "kubelet"


@dataclass
class Kubelet:
    """Plays the states of Pods by the version they run: what `scripts` holds, else `well`."""

    objects: Objects
    scripts: dict[str, Script] = field(default_factory=dict)
    started: list[tuple[str, str]] = field(default_factory=list)
    """Revision and Pod of each that was made."""
    last_words: tuple[str, ...] = ("no settings",)
    """What a container writes before it ends."""
    logs: dict[str, list[str]] = field(default_factory=dict)
    """Lines by Pod, and by `Pod/previous`."""
    ready_since: dict[str, float] = field(default_factory=dict)
    """By uid of the Pod."""

    def ready_for(self, pod: Json) -> float:
        """Seconds that a Pod has been ready for; less than 0 when it is not."""
        since = self.ready_since.get(pod["metadata"]["uid"])
        return -1.0 if since is None else time.monotonic() - since

    def make(self, replica_set: Json, owner: Json) -> None:
        meta, template = replica_set["metadata"], replica_set["spec"]["template"]
        name = f"{meta['name']}-{secrets.token_hex(3)[:5]}"
        self.objects.create(
            "pods",
            meta["namespace"],
            {
                "metadata": {
                    "name": name,
                    "labels": dict(template["metadata"]["labels"]),
                    "annotations": dict(template["metadata"].get("annotations", {})),
                    "ownerReferences": [owner],
                    "_at": time.monotonic(),
                },
                "spec": template["spec"],
                "status": {"phase": "Pending", "conditions": [], "qosClass": "Burstable"},
            },
            "kube-controller-manager",
        )
        self.event(replica_set, "SuccessfulCreate", f"Created pod: {name}", kind="Normal")
        self.started.append((template["metadata"]["labels"].get("orchestrate/revision", ""), name))

    def end(self, pod: Json) -> None:
        """Begin to end: it takes no requests any more, and is gone a little later."""
        if pod["metadata"].get("deletionTimestamp"):
            return
        with contextlib.suppress(Refused):
            key = ("pods", pod["metadata"]["namespace"], pod["metadata"]["name"])
            held = self.objects.found[key]
            held["metadata"]["deletionTimestamp"] = now()
            held["metadata"]["_ends"] = time.monotonic() + END_S
            self._status(self.objects.get(*key), {})

    def round(self) -> None:
        for pod in self.objects.list("pods"):
            meta = pod["metadata"]
            if meta.get("_ends"):
                if time.monotonic() >= meta["_ends"]:
                    self.objects.delete("pods", meta["namespace"], meta["name"])
                continue
            self._play(pod, time.monotonic() - meta["_at"])

    def script_of(self, pod: Json) -> Script:
        version = pod["metadata"].get("annotations", {}).get("orchestrate/version", "")
        if version in self.scripts:
            return self.scripts[version]
        for source in pod["spec"]["containers"][0].get("envFrom", []):
            name = source.get("secretRef", {}).get("name")
            if name and ("secrets", pod["metadata"]["namespace"], name) not in self.objects.found:
                return "config"
        return "well"

    def _play(self, pod: Json, age_s: float) -> None:
        script, name = self.script_of(pod), pod["metadata"]["name"]
        if script == "unschedulable":
            said = "0/2 nodes are available: 2 Insufficient cpu."
            self.event(pod, "FailedScheduling", said)
            self._status(pod, {"conditions": [_not("PodScheduled", "Unschedulable", said)]})
        elif age_s < START_S:
            return
        elif script == "bad-image":
            image = pod["spec"]["containers"][0]["image"]
            said = f'failed to pull and unpack image "{image}": not found'
            self.event(pod, "Failed", f'Failed to pull image "{image}": {said}')
            self._waiting(pod, "ErrImagePull" if age_s < 0.3 else "ImagePullBackOff", said)
        elif script == "config":
            said = 'secret "absent" not found'
            self.event(pod, "Failed", f"Error: {said}")
            self._waiting(pod, "CreateContainerConfigError", said)
        elif script in ("crash", "oom"):
            self._crash(pod, age_s, 137 if script == "oom" else 7)
        else:
            version = pod["metadata"].get("annotations", {}).get("orchestrate/version", "")
            self.logs.setdefault(name, [f"serving {version}"])
            self._running(pod, script == "well")

    def _crash(self, pod: Json, age_s: float, code: int) -> None:
        name, times = pod["metadata"]["name"], int(age_s / CRASH_S)
        said = list(self.last_words)
        self.logs[name] = said
        ended = {"exitCode": code, "reason": "OOMKilled" if code == 137 else "Error"}
        if times < 1:
            return
        self.logs[f"{name}/previous"] = said
        text = f"back-off 10s restarting failed container=app pod={name}"
        self.event(pod, "BackOff", "Back-off restarting failed container app in pod")
        self._container(
            pod,
            {"waiting": {"reason": "CrashLoopBackOff", "message": text}},
            restarts=min(times, 5),
            last={"terminated": ended},
        )

    def _running(self, pod: Json, ready: bool) -> None:
        self._container(pod, {"running": {"startedAt": now()}}, ready=ready)

    def _waiting(self, pod: Json, reason: str, message: str) -> None:
        self._container(pod, {"waiting": {"reason": reason, "message": message}})

    def _container(
        self,
        pod: Json,
        state: Json,
        *,
        ready: bool = False,
        restarts: int = 0,
        last: Json | None = None,
    ) -> None:
        unready = "containers with unready status: [app]"
        before = pod["status"].get("containerStatuses", [{}])[0]
        if "running" in state and "running" in before.get("state", {}):
            state = before["state"]
        if ready:
            self.ready_since.setdefault(pod["metadata"]["uid"], time.monotonic())
        else:
            self.ready_since.pop(pod["metadata"]["uid"], None)
        status = {
            "name": pod["spec"]["containers"][0]["name"],
            "ready": ready,
            "restartCount": restarts,
            "state": state,
            "lastState": last or {},
            "image": pod["spec"]["containers"][0]["image"],
        }
        if "running" in state:
            status["imageID"] = _pulled(status["image"])
        self._status(
            pod,
            {
                "phase": "Running" if "running" in state or last else "Pending",
                "podIP": "10.244.0.7",
                "startTime": pod["metadata"]["creationTimestamp"],
                "conditions": [
                    {"type": "PodScheduled", "status": "True"},
                    {"type": "Ready", "status": "True"}
                    if ready
                    else _not("Ready", "ContainersNotReady", unready),
                ],
                "containerStatuses": [status],
            },
        )

    def _status(self, pod: Json, status: Json) -> None:
        made = {**pod, "status": {**pod["status"], **status}}
        made["metadata"].pop("resourceVersion", None)
        self.objects.update("pods", pod["metadata"]["namespace"], made, NOBODY, "status")

    def event(self, about: Json, reason: str, message: str, kind: str = "Warning") -> None:
        """An event, made once for each reason; then it is counted, if it is no Warning."""
        meta = about["metadata"]
        name = f"{meta['name']}.{reason.lower()}"
        key = ("events", meta["namespace"], name)
        if key in self.objects.found:
            if kind == "Normal":
                self.objects.found[key]["count"] += 1
            return
        self.objects.create(
            "events",
            meta["namespace"],
            {
                "metadata": {"name": name},
                "type": kind,
                "reason": reason,
                "message": message,
                "count": 1,
                "firstTimestamp": now(),
                "lastTimestamp": now(),
                "eventTime": None,
                "involvedObject": {
                    "kind": about["kind"],
                    "name": meta["name"],
                    "namespace": meta["namespace"],
                    "uid": meta["uid"],
                },
            },
            NOBODY,
        )


def _pulled(image: str) -> str:
    """An image by the digest that it was pulled with."""
    if "@" in image:
        return image
    return f"{image.rpartition(':')[0]}@sha256:{hashlib.sha256(image.encode()).hexdigest()}"


def _not(kind: str, reason: str, message: str) -> Json:
    return {"type": kind, "status": "False", "reason": reason, "message": message}
