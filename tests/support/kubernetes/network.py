"""What leads requests in the pretended cluster: endpoints of Services, and a Gateway's word on
HTTPRoutes."""

from __future__ import annotations

from tests.support.kubernetes.fields import Json
from tests.support.kubernetes.store import Objects, now

MANAGER = "kube-controller-manager"


def endpoints(objects: Objects, service: Json) -> None:
    """The EndpointSlice of a Service: the Pods that it selects."""
    meta, selector = service["metadata"], service["spec"].get("selector", {})
    pods = [
        p
        for p in objects.list("pods", meta["namespace"])
        if selector.items() <= p["metadata"]["labels"].items()
        and not p["metadata"].get("deletionTimestamp")
    ]
    found = [
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
        "endpoints": found,
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }
    if key not in objects.found:
        objects.create("endpointslices", meta["namespace"], body, MANAGER)
    elif objects.found[key]["endpoints"] != found:
        objects.update("endpointslices", meta["namespace"], body, MANAGER)


def accept(objects: Objects, route: Json, refuses: str) -> None:
    """What a Gateway controller says of a route: not accepted where `refuses` has a reason, its
    backends not found where there is no such Service."""
    meta = route["metadata"]
    backends = {b["name"] for r in route["spec"].get("rules", []) for b in r["backendRefs"]}
    there = {s["metadata"]["name"] for s in objects.list("services", meta["namespace"])}
    lost = sorted(backends - there)
    said = [
        _said("Accepted", refuses, f"{refuses}: no listener takes it" if refuses else "", meta),
        _said(
            "ResolvedRefs",
            "BackendNotFound" if lost else "",
            f"service {lost[0]} not found" if lost else "",
            meta,
        ),
    ]
    parents = [
        {"parentRef": ref, "controllerName": "example.com/gateway", "conditions": said}
        for ref in route["spec"].get("parentRefs", [])
    ]
    before = route.get("status", {}).get("parents", [])
    if _timeless(before) != _timeless(parents):
        body = {**route, "status": {"parents": parents}}
        objects.update("httproutes", meta["namespace"], body, "gateway", "status")


def _said(kind: str, reason: str, message: str, meta: Json) -> Json:
    return {
        "type": kind,
        "status": "False" if reason else "True",
        "reason": reason or kind,
        "message": message,
        "observedGeneration": meta["generation"],
        "lastTransitionTime": now(),
    }


def _timeless(parents: list[Json]) -> list[Json]:
    return [
        {k: v for k, v in condition.items() if k != "lastTransitionTime"}
        for parent in parents
        for condition in parent["conditions"]
    ]


def ready(pod: Json) -> bool:
    return any(
        c["type"] == "Ready" and c["status"] == "True"
        for c in pod.get("status", {}).get("conditions", [])
    )


def owner(api: str, kind: str, meta: Json) -> Json:
    return {
        "apiVersion": api,
        "kind": kind,
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
