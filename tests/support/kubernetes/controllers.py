"""What happens in the pretended cluster by itself: Deployments, ReplicaSets, Pods, endpoints.

As in a real one nothing happens at once. The status of a Deployment speaks of its old generation
for `lag_s` after each write: whoever believes it then, believes a lie.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from dataclasses import dataclass, field

from tests.support.kubernetes.fields import Json
from tests.support.kubernetes.kubelet import Kubelet
from tests.support.kubernetes.store import Objects, Refused, now

MANAGER = "kube-controller-manager"
REVISION = "deployment.kubernetes.io/revision"


@dataclass
class Controllers:
    """The loops of a cluster, one thread for all of them."""

    objects: Objects
    lag_s: float = 0.15
    every_s: float = 0.02
    quota: int | None = None
    """Pods that the namespace may have."""
    gateway: bool = True
    """Whether a Gateway controller looks at HTTPRoutes."""
    kubelet: Kubelet = field(init=False)

    def __post_init__(self) -> None:
        self.kubelet = Kubelet(self.objects)
        self._progress: dict[str, tuple[str, float]] = {}
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
        for service in self.objects.list("services"):
            self._endpoints(service)
        if self.gateway:
            for route in self.objects.list("httproutes"):
                if self._due("httproutes", route):
                    self._accept(route)

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
        """One round of a rolling update; why no Pod could be made, if so."""
        wanted = deployment["spec"]["replicas"]
        rolling = deployment["spec"].get("strategy", {}).get("rollingUpdate", {})
        surge = rolling.get("maxSurge", 1) if isinstance(rolling.get("maxSurge", 1), int) else 1
        old = [s for s in sets if s["metadata"]["uid"] != new["metadata"]["uid"]]
        olds = sum(s["spec"]["replicas"] for s in old)
        if not deployment["spec"].get("paused"):
            room = wanted + surge - olds if olds else wanted
            target = min(wanted, max(room, 0))
            if target != new["spec"]["replicas"]:
                self._scale_set(new, target if olds else wanted)
        refused = self._make_pods(new)
        available = len(self._ready(new))
        for each in old:
            spare = available + sum(len(self._ready(s)) for s in old) - wanted
            unready = each["spec"]["replicas"] - len(self._ready(each))
            less = min(max(spare, 0) + max(unready, 0), each["spec"]["replicas"])
            if less > 0 and (available > 0 or wanted == 0 or unready):
                self._scale_set(each, each["spec"]["replicas"] - less)
            self._make_pods(
                self.objects.get(
                    "replicasets", each["metadata"]["namespace"], each["metadata"]["name"]
                )
            )
        return refused

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
            if self.quota is not None and len(there) >= self.quota:
                text = (
                    f'pods "{meta["name"]}-6d46p" is forbidden: exceeded quota: q, requested:'
                    f" count/pods=1, used: count/pods={len(there)}, limited:"
                    f" count/pods={self.quota}"
                )
                self.kubelet.event(replica_set, "FailedCreate", f"Error creating: {text}")
                return text
            self.kubelet.make(replica_set, owner("apps/v1", "ReplicaSet", meta))
        ordered = sorted(pods, key=lambda p: (ready(p), -p["metadata"]["_at"]))
        for pod in ordered[: max(len(pods) - wanted, 0)]:
            self.kubelet.end(pod)
        return None

    def _pods(self, replica_set: Json) -> list[Json]:
        uid = replica_set["metadata"]["uid"]
        return [
            p
            for p in self.objects.list("pods", replica_set["metadata"]["namespace"])
            if p["metadata"]["ownerReferences"][0]["uid"] == uid
            and not p["metadata"].get("deletionTimestamp")
        ]

    def _ready(self, replica_set: Json) -> list[Json]:
        return [pod for pod in self._pods(replica_set) if ready(pod)]

    def _status(self, found: Json, new: Json | None, refused: str | None) -> None:
        spec, meta = found["spec"], found["metadata"]
        before = found.get("status", {})
        sets = self._sets(found)
        pods = [p for s in sets for p in self._pods(s)]
        updated = self._pods(new) if new is not None else []
        up = [p for p in pods if ready(p)]
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
            "readyReplicas": len(up),
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

    def _endpoints(self, service: Json) -> None:
        meta, selector = service["metadata"], service["spec"].get("selector", {})
        pods = [
            p
            for p in self.objects.list("pods", meta["namespace"])
            if selector.items() <= p["metadata"]["labels"].items()
            and not p["metadata"].get("deletionTimestamp")
        ]
        endpoints = [
            {
                "addresses": [p["status"].get("podIP", "10.244.0.1")],
                "conditions": {"ready": ready(p), "serving": ready(p), "terminating": False},
                "nodeName": "fake-node-1",
                "targetRef": {
                    "kind": "Pod",
                    "name": p["metadata"]["name"],
                    "namespace": meta["namespace"],
                    "uid": p["metadata"]["uid"],
                },
            }
            for p in sorted(pods, key=lambda p: str(p["metadata"]["name"]))
        ]
        name = f"{meta['name']}-slice"
        key = ("endpointslices", meta["namespace"], name)
        body: Json = {
            "metadata": {
                "name": name,
                "labels": {"kubernetes.io/service-name": meta["name"]},
                "ownerReferences": [owner("v1", "Service", meta)],
            },
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        }
        if key not in self.objects.found:
            self.objects.create("endpointslices", meta["namespace"], body, MANAGER)
        elif self.objects.found[key]["endpoints"] != endpoints:
            self.objects.update("endpointslices", meta["namespace"], body, MANAGER)

    def _accept(self, route: Json) -> None:
        meta = route["metadata"]
        said = [
            {
                "type": kind,
                "status": "True",
                "reason": kind,
                "message": "",
                "observedGeneration": meta["generation"],
                "lastTransitionTime": now(),
            }
            for kind in ("Accepted", "ResolvedRefs")
        ]
        parents = [
            {"parentRef": ref, "controllerName": "example.com/gateway", "conditions": said}
            for ref in route["spec"].get("parentRefs", [])
        ]
        before = route.get("status", {}).get("parents", [])
        seen = [p["conditions"][0]["observedGeneration"] for p in before]
        if seen != [meta["generation"]] * len(parents):
            body = {**route, "status": {"parents": parents}}
            self.objects.update("httproutes", meta["namespace"], body, "gateway", "status")

    def _update(self, plural: str, found: Json) -> None:
        found["metadata"].pop("resourceVersion", None)
        self.objects.update(plural, found["metadata"]["namespace"], found, MANAGER)


def ready(pod: Json) -> bool:
    return any(
        c["type"] == "Ready" and c["status"] == "True"
        for c in pod.get("status", {}).get("conditions", [])
    )


def hash_of(template: Json) -> str:
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]


def owner(api: str, kind: str, meta: Json) -> Json:
    return {
        "apiVersion": api,
        "kind": kind,
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _available(before: Json, enough: bool) -> Json:
    if enough:
        text = "Deployment has minimum availability."
        return _condition(before, "Available", True, "MinimumReplicasAvailable", text)
    text = "Deployment does not have minimum availability."
    return _condition(before, "Available", False, "MinimumReplicasUnavailable", text)


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
