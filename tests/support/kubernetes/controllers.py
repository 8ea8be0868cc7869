"""What happens in the pretended cluster by itself: Deployments, ReplicaSets, Pods, endpoints.

As in a real one nothing happens at once. The status of a Deployment speaks of its old generation
for `lag_s` after each write: whoever believes it then, believes a lie.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import threading
import time
from dataclasses import dataclass, field

from tests.support.kubernetes.fields import Json
from tests.support.kubernetes.kubelet import Kubelet
from tests.support.kubernetes.network import MANAGER, accept, endpoints, owner, ready
from tests.support.kubernetes.store import Objects, Refused, now

REVISION = "deployment.kubernetes.io/revision"


@dataclass
class Controllers:
    """The loops of a cluster, one thread for all of them."""

    objects: Objects
    lag_s: float = 0.15
    every_s: float = 0.02
    quota: int | None = None
    """Pods that the namespace may have."""
    forbids: str = ""
    """Why the namespace takes no Pod, such as by its Pod Security."""
    gateway: bool = True
    """Whether a Gateway controller looks at HTTPRoutes."""
    refuses: str = ""
    """Why that controller does not accept a route, such as `NotAllowedByListeners`."""
    slices: bool = True
    """Whether EndpointSlices follow the Pods just now: their controller is another than that of
    Deployments, and may be later."""
    kubelet: Kubelet = field(init=False)

    def __post_init__(self) -> None:
        self.kubelet = Kubelet(self.objects)
        self._progress: dict[str, tuple[str, float]] = {}
        self._desired: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self.every_s):
            with self.objects.lock:
                # Somebody may delete what is being looked at; the next round sees it.
                with contextlib.suppress(Refused):
                    self._round()

    def _round(self) -> None:
        for deployment in self.objects.list("deployments"):
            if self._due("deployments", deployment):
                self._deployment(deployment)
        self._collect()
        self.kubelet.round()
        for service in self.objects.list("services") if self.slices else ():
            endpoints(self.objects, service)
        if self.gateway:
            for route in self.objects.list("httproutes"):
                if self._due("httproutes", route):
                    accept(self.objects, route, self.refuses)

    def _due(self, plural: str, found: Json) -> bool:
        meta = found["metadata"]
        touched = self.objects.touched.get((plural, meta["namespace"], meta["name"]), 0.0)
        return time.monotonic() - touched >= self.lag_s

    # -- Deployments

    def _deployment(self, found: Json) -> None:
        spec, meta = found["spec"], found["metadata"]
        sets = self._sets(found)
        hashed = hash_of(spec["template"])
        new = next(
            (s for s in sets if s["metadata"]["labels"]["pod-template-hash"] == hashed), None
        )
        if new is None and not spec.get("paused"):
            new = self._new_set(found, hashed, sets)
            sets = self._sets(found)
        if new is not None and not spec.get("paused"):
            self._mark_revision(found, new, sets)
        refused = self._roll(found, new, sets) if new is not None else None
        if spec.get("paused") and new is None and sets:
            self._scale_set(sets[-1], spec["replicas"])
        self._status(self.objects.get("deployments", meta["namespace"], meta["name"]), new, refused)

    def _sets(self, deployment: Json) -> list[Json]:
        uid = deployment["metadata"]["uid"]
        found = [
            s
            for s in self.objects.list("replicasets", deployment["metadata"]["namespace"])
            if any(o["uid"] == uid for o in s["metadata"].get("ownerReferences", []))
        ]
        return sorted(found, key=lambda s: int(s["metadata"]["annotations"].get(REVISION, 0)))

    def _new_set(self, deployment: Json, hashed: str, sets: list[Json]) -> Json:
        meta, template = deployment["metadata"], deployment["spec"]["template"]
        labels = {**template["metadata"]["labels"], "pod-template-hash": hashed}
        return self.objects.create(
            "replicasets",
            meta["namespace"],
            {
                "metadata": {
                    "name": f"{meta['name']}-{hashed}",
                    "labels": labels,
                    "annotations": {REVISION: "0"},
                    "ownerReferences": [owner("apps/v1", "Deployment", meta)],
                },
                "spec": {
                    "replicas": 0,
                    "selector": {"matchLabels": labels},
                    "template": {
                        **template,
                        "metadata": {**template["metadata"], "labels": labels},
                    },
                },
                "status": {"replicas": 0},
            },
            MANAGER,
        )

    def _mark_revision(self, deployment: Json, new: Json, sets: list[Json]) -> None:
        highest = max(int(s["metadata"]["annotations"].get(REVISION, 0)) for s in sets)
        mine = int(new["metadata"]["annotations"].get(REVISION, 0))
        if mine == 0 or mine < highest:
            mine = highest + 1
            new["metadata"]["annotations"][REVISION] = str(mine)
            self._update("replicasets", new)
        if deployment["metadata"].get("annotations", {}).get(REVISION) != str(mine):
            fresh = self.objects.get(
                "deployments", deployment["metadata"]["namespace"], deployment["metadata"]["name"]
            )
            fresh["metadata"].setdefault("annotations", {})[REVISION] = str(mine)
            self._update("deployments", fresh)

    def _roll(self, deployment: Json, new: Json, sets: list[Json]) -> str | None:
        """One round of an update, by the real controller's arithmetic; why no Pod could be made, if
        so."""
        old = [s for s in sets if s["metadata"]["uid"] != new["metadata"]["uid"]]
        if not deployment["spec"].get("paused"):
            self._scaled(deployment, [new, *old])
            if deployment["spec"].get("strategy", {}).get("type") == "Recreate":
                self._recreate(deployment, new, old)
            else:
                self._roll_up(deployment, new, old)
                self._roll_down(deployment, new, old)
        refused = self._make_pods(new)
        for each in old:
            self._make_pods(each)
        return refused

    def _scaled(self, deployment: Json, sets: list[Json]) -> None:
        """When the number that is wanted has changed: what is there is scaled first, in proportion,
        and only then is anything replaced."""
        uid, wanted = deployment["metadata"]["uid"], deployment["spec"]["replicas"]
        before = self._desired.get(uid)
        self._desired[uid] = wanted
        active = [s for s in sets if s["spec"]["replicas"] > 0]
        if before in (None, wanted) or not active:
            return
        surge, _ = bounds(deployment["spec"])
        room = wanted + surge if wanted and len(active) > 1 else wanted
        total = sum(s["spec"]["replicas"] for s in active)
        for each in active:
            part = min(round(each["spec"]["replicas"] * room / total), room)
            part = room if len(active) == 1 else part
            if part != each["spec"]["replicas"]:
                self._scale_set(each, part)

    def _recreate(self, deployment: Json, new: Json, old: list[Json]) -> None:
        for each in old:
            if each["spec"]["replicas"]:
                self._scale_set(each, 0)
        gone = not any(self._pods(each, ending=True) for each in old)
        if gone and new["spec"]["replicas"] != deployment["spec"]["replicas"]:
            self._scale_set(new, deployment["spec"]["replicas"])

    def _roll_up(self, deployment: Json, new: Json, old: list[Json]) -> None:
        wanted, here = deployment["spec"]["replicas"], new["spec"]["replicas"]
        surge, _ = bounds(deployment["spec"])
        room = wanted + surge - here - sum(s["spec"]["replicas"] for s in old)
        target = wanted if here > wanted else here + max(min(room, wanted - here), 0)
        if target != here:
            self._scale_set(new, target)

    def _roll_down(self, deployment: Json, new: Json, old: list[Json]) -> None:
        wanted = deployment["spec"]["replicas"]
        _, unavailable = bounds(deployment["spec"])
        least = wanted - unavailable
        asked = new["spec"]["replicas"] + sum(s["spec"]["replicas"] for s in old)
        missing = new["spec"]["replicas"] - len(self._available(deployment, new))
        spare = asked - least - missing
        for each in old:  # those that serve nobody first
            ill = each["spec"]["replicas"] - len(self._available(deployment, each))
            less = min(ill, spare)
            if less > 0:
                self._scale_set(each, each["spec"]["replicas"] - less)
                spare -= less
        up = sum(len(self._available(deployment, s)) for s in [new, *old])
        more = min(up - least, spare)
        for each in old:
            less = min(each["spec"]["replicas"], more)
            if less > 0:
                self._scale_set(each, each["spec"]["replicas"] - less)
                more -= less

    def _scale_set(self, replica_set: Json, replicas: int) -> None:
        replica_set["spec"]["replicas"] = replicas
        self._update("replicasets", replica_set)

    def _make_pods(self, replica_set: Json) -> str | None:
        meta = replica_set["metadata"]
        pods = self._pods(replica_set)
        wanted = replica_set["spec"]["replicas"]
        for _ in range(wanted - len(pods)):
            there = [
                p
                for p in self.objects.list("pods", meta["namespace"])
                if not p["metadata"].get("deletionTimestamp")
            ]
            reason = self.forbids
            if self.quota is not None and len(there) >= self.quota:
                reason = (
                    f"exceeded quota: q, requested: count/pods=1, used: count/pods={len(there)},"
                    f" limited: count/pods={self.quota}"
                )
            if reason:
                text = f'pods "{meta["name"]}-6d46p" is forbidden: {reason}'
                self.kubelet.event(replica_set, "FailedCreate", f"Error creating: {text}")
                return text
            self.kubelet.make(replica_set, owner("apps/v1", "ReplicaSet", meta))
        ordered = sorted(pods, key=lambda p: (ready(p), -p["metadata"]["_at"]))
        for pod in ordered[: max(len(pods) - wanted, 0)]:
            self.kubelet.end(pod)
        return None

    def _pods(self, replica_set: Json, *, ending: bool = False) -> list[Json]:
        uid = replica_set["metadata"]["uid"]
        return [
            p
            for p in self.objects.list("pods", replica_set["metadata"]["namespace"])
            if p["metadata"]["ownerReferences"][0]["uid"] == uid
            and (ending or not p["metadata"].get("deletionTimestamp"))
        ]

    def _available(self, deployment: Json, replica_set: Json) -> list[Json]:
        """Pods that have been ready for `minReadySeconds`."""
        least = deployment["spec"].get("minReadySeconds", 0)
        return [p for p in self._pods(replica_set) if self.kubelet.ready_for(p) >= least]

    def _status(self, found: Json, new: Json | None, refused: str | None) -> None:
        spec, meta = found["spec"], found["metadata"]
        before = found.get("status", {})
        sets = self._sets(found)
        pods = [p for s in sets for p in self._pods(s)]
        updated = self._pods(new) if new is not None else []
        answering = [p for p in pods if ready(p)]
        up = [p for s in sets for p in self._available(found, s)]
        ending = [
            p
            for p in self.objects.list("pods", meta["namespace"])
            if p["metadata"].get("deletionTimestamp")
            and any(
                p["metadata"]["ownerReferences"][0]["uid"] == s["metadata"]["uid"] for s in sets
            )
        ]
        wanted = spec["replicas"]
        done = len(updated) == len(pods) == wanted and len(up) == wanted and new is not None
        status: Json = {
            "observedGeneration": meta["generation"],
            "replicas": len(pods),
            "updatedReplicas": len(updated),
            "readyReplicas": len(answering),
            "availableReplicas": len(up),
            "terminatingReplicas": len(ending),
            "unavailableReplicas": max(max(wanted, len(pods)) - len(up), 0),
            "conditions": [
                _condition(
                    before,
                    "Available",
                    len(up) >= wanted,
                    "MinimumReplicasAvailable"
                    if len(up) >= wanted
                    else "MinimumReplicasUnavailable",
                    "Deployment has minimum availability."
                    if len(up) >= wanted
                    else "Deployment does not have minimum availability.",
                ),
                self._progressing(found, new, len(updated), len(up), done),
            ],
        }
        if refused:
            status["conditions"].append(
                _condition(before, "ReplicaFailure", True, "FailedCreate", refused)
            )
        status = {k: v for k, v in status.items() if v != 0 or k == "terminatingReplicas"}
        if status != before:
            self.objects.update(
                "deployments", meta["namespace"], {**found, "status": status}, MANAGER, "status"
            )

    def _progressing(
        self, found: Json, new: Json | None, updated: int, up: int, done: bool
    ) -> Json:
        before = found.get("status", {})
        name = new["metadata"]["name"] if new else ""
        if found["spec"].get("paused"):
            return _condition(
                before, "Progressing", None, "DeploymentPaused", "Deployment is paused"
            )
        if done:
            text = f'ReplicaSet "{name}" has successfully progressed.'
            self._progress.pop(found["metadata"]["uid"], None)
            return _condition(before, "Progressing", True, "NewReplicaSetAvailable", text)
        last = next((c for c in before.get("conditions", []) if c["type"] == "Progressing"), None)
        state = f"{name}/{updated}/{up}/{found['metadata']['generation']}"
        uid = found["metadata"]["uid"]
        if self._progress.get(uid, ("", 0.0))[0] != state:
            if last and last["reason"] == "NewReplicaSetAvailable" and name in last["message"]:
                return last  # degraded after it was done: this condition never says so
            self._progress[uid] = (state, time.monotonic())
        if time.monotonic() - self._progress[uid][1] > found["spec"]["progressDeadlineSeconds"]:
            text = f'ReplicaSet "{name}" has timed out progressing.'
            return _condition(before, "Progressing", False, "ProgressDeadlineExceeded", text)
        text = f'ReplicaSet "{name}" is progressing.'
        return _condition(before, "Progressing", True, "ReplicaSetUpdated", text)

    # -- the rest

    def _collect(self) -> None:
        """What belonged to something that is gone goes too."""
        alive = {each["metadata"]["uid"] for each in self.objects.found.values()}
        for plural in ("replicasets", "pods", "endpointslices"):
            for each in self.objects.list(plural):
                owners = each["metadata"].get("ownerReferences", [])
                if owners and owners[0]["uid"] not in alive:
                    if plural == "pods":
                        self.kubelet.end(each)
                    else:
                        meta = each["metadata"]
                        self.objects.delete(plural, meta["namespace"], meta["name"])

    def _update(self, plural: str, found: Json) -> None:
        found["metadata"].pop("resourceVersion", None)
        self.objects.update(plural, found["metadata"]["namespace"], found, MANAGER)


def bounds(spec: Json) -> tuple[int, int]:
    """maxSurge, rounded up, and maxUnavailable, rounded down, of a Deployment: both 25% by default,
    and never both nothing."""
    rolling = spec.get("strategy", {}).get("rollingUpdate", {})

    def of(name: str, up: bool) -> int:
        value = rolling.get(name, "25%")
        if isinstance(value, int):
            return value
        exact = spec["replicas"] * int(value.rstrip("%")) / 100
        return math.ceil(exact) if up else math.floor(exact)

    surge, unavailable = of("maxSurge", True), of("maxUnavailable", False)
    return surge, unavailable if surge or unavailable else 1


def hash_of(template: Json) -> str:
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]


def _condition(before: Json, kind: str, state: bool | None, reason: str, message: str) -> Json:
    last = next((c for c in before.get("conditions", []) if c["type"] == kind), None)
    status = {True: "True", False: "False", None: "Unknown"}[state]
    if last and (last["status"], last["reason"], last["message"]) == (status, reason, message):
        return last
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": now(),
        "lastUpdateTime": now(),
    }
