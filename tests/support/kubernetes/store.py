"""The objects of the pretended cluster: versions, generations, owners, watchers."""

from __future__ import annotations

import copy
import re
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.support.kubernetes.fields import (
    Json,
    Path,
    as_fields,
    get,
    leaves,
    put,
    remove,
    written,
)

KINDS = {
    "pods": ("v1", "Pod"), "services": ("v1", "Service"), "events": ("v1", "Event"),
    "secrets": ("v1", "Secret"), "configmaps": ("v1", "ConfigMap"),
    "deployments": ("apps/v1", "Deployment"), "replicasets": ("apps/v1", "ReplicaSet"),
    "endpointslices": ("discovery.k8s.io/v1", "EndpointSlice"),
    "resourcequotas": ("v1", "ResourceQuota"),
    "leases": ("coordination.k8s.io/v1", "Lease"),
    "ingresses": ("networking.k8s.io/v1", "Ingress"),
    "httproutes": ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    "horizontalpodautoscalers": ("autoscaling/v2", "HorizontalPodAutoscaler"),
    "serviceaccounts": ("v1", "ServiceAccount"),
    "poddisruptionbudgets": ("policy/v1", "PodDisruptionBudget"),
    "networkpolicies": ("networking.k8s.io/v1", "NetworkPolicy"),
}  # fmt: skip
GENERATIONS = {
    "deployments", "replicasets", "pods", "endpointslices", "ingresses", "httproutes",
    "horizontalpodautoscalers", "poddisruptionbudgets", "networkpolicies",
}  # fmt: skip
"""Kinds that count how often their wishes changed."""
KEPT = 400
"""Changes a watch can begin at; older ones are gone (410)."""
Key = tuple[str, str, str]
Owner = tuple[str, str, str]
"""Manager, operation, subresource."""


class Refused(Exception):
    """An answer that is not 2xx, in the server's own words."""

    def __init__(self, code: int, reason: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.code = code
        self.body: Json = {
            "apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
            "code": code, "message": message,
            **({"reason": reason} if reason else {}),
            **({"details": details} if details else {}),
        }  # fmt: skip


@dataclass
class Change:
    version: int
    plural: str
    type: str
    object: Json


@dataclass
class Objects:
    """All objects, by plural, namespace and name. Everything happens under one lock."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    found: dict[Key, Json] = field(default_factory=dict)
    owners: dict[Key, dict[Owner, set[Path]]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    version: int = 1000
    touched: dict[Key, float] = field(default_factory=dict)
    """When the generation of an object last moved."""
    changed: threading.Condition = field(init=False)
    admit: Callable[[str, Json, Json | None], None] = lambda *_: None

    def __post_init__(self) -> None:
        self.changed = threading.Condition(self.lock)

    def list(self, plural: str, namespace: str | None = None) -> list[Json]:
        with self.lock:
            return [
                copy.deepcopy(each)
                for (kind, where, _), each in self.found.items()
                if kind == plural and namespace in (None, where)
            ]

    def get(self, plural: str, namespace: str, name: str) -> Json:
        with self.lock:
            found = self.found.get((plural, namespace, name))
            if found is None:
                raise missing(plural, name)
            return copy.deepcopy(found)

    def create(self, plural: str, namespace: str, body: Json, manager: str) -> Json:
        with self.lock:
            name = body["metadata"].get("name") or (
                body["metadata"]["generateName"] + secrets.token_hex(3)[:5]
            )
            key = (plural, namespace, name)
            if key in self.found:
                group = KINDS[plural][0].rpartition("/")[0]
                text = f'{plural}{"." if group else ""}{group} "{name}" already exists'
                raise Refused(409, "AlreadyExists", text, name=name, group=group, kind=plural)
            made = self._new(plural, namespace, name, body)
            self.admit(plural, made, None)
            self.owners[key] = {(manager, "Update", ""): {p for p, _ in leaves(body)}}
            return self._store(key, made, None)

    def apply(
        self, plural: str, namespace: str, body: Json, manager: str, force: bool, dry: bool
    ) -> Json:
        """Server-side apply."""
        with self.lock:
            key = (plural, namespace, body["metadata"]["name"])
            before = self.found.get(key)
            refuse_stale(plural, before, body)
            me: Owner = (manager, "Apply", "")
            owners = copy.deepcopy(self.owners.get(key, {}))
            wanted = dict(leaves(body))
            made = (
                copy.deepcopy(before)
                if before is not None
                else self._new(plural, namespace, key[2], {})
            )
            self._take(before, wanted, owners, me, force)
            for path in owners.get(me, set()) - set(wanted):
                if not any(path in paths for who, paths in owners.items() if who != me):
                    remove(made, path)
            for path, value in wanted.items():
                put(made, path, value)
            owners[me] = set(wanted)
            default(plural, made)
            self.admit(plural, made, before)
            if dry:
                return made
            self.owners[key] = owners
            return self._store(key, made, before)

    def update(
        self,
        plural: str,
        namespace: str,
        body: Json,
        manager: str,
        part: str = "",
        operation: str = "Update",
    ) -> Json:
        """A whole object, or its status, anew: whoever changes a field owns it."""
        with self.lock:
            key = (plural, namespace, body["metadata"]["name"])
            before = self.found.get(key)
            if before is None:
                raise missing(plural, key[2])
            refuse_stale(plural, before, body)
            made = copy.deepcopy(before)
            if part == "status":
                made["status"] = copy.deepcopy(body.get("status", {}))
            else:
                # The scale subresource is spec.replicas under another name.
                for name in body:
                    if name not in ("metadata", "status"):
                        made[name] = copy.deepcopy(body[name])
                for name in ("labels", "annotations"):
                    if name in body["metadata"]:
                        made["metadata"][name] = copy.deepcopy(body["metadata"][name])
                default(plural, made)
                self.admit(plural, made, before)
                self._own_changes(key, before, made, (manager, operation, part))
            return self._store(key, made, before)

    def delete(self, plural: str, namespace: str, name: str) -> Json:
        with self.lock:
            key = (plural, namespace, name)
            gone = self.found.pop(key, None)
            if gone is None:
                raise missing(plural, name)
            self.owners.pop(key, None)
            self._note(plural, "DELETED", gone)
            return gone

    def since(
        self,
        version: int,
        plural: str,
        within_s: float,
        wanted: Callable[[Json], bool] = lambda _: True,
    ) -> list[Change]:
        """Changes of wanted objects after a version, waited for. Raises Refused 410."""
        with self.changed:
            if self.changes and version < self.changes[0].version - 1:
                raise Refused(
                    410, "Expired", f"too old resource version: {version} ({self.version})"
                )
            until = time.monotonic() + within_s
            while True:
                later = [c for c in self.changes if c.version > version and c.plural == plural]
                found = [c for c in later if wanted(c.object)]
                left = until - time.monotonic()
                if found or left <= 0:
                    return found
                self.changed.wait(left)

    def _new(self, plural: str, namespace: str, name: str, body: Json) -> Json:
        api, kind = KINDS[plural]
        made = {"apiVersion": api, "kind": kind, **copy.deepcopy(body)}
        kept = {k: v for k, v in made.get("metadata", {}).items() if k not in ("resourceVersion",)}
        made["metadata"] = {
            **kept,
            "name": name,
            "namespace": namespace,
            "uid": str(uuid.uuid4()),
            "creationTimestamp": now(),
        }
        default(plural, made)
        return made

    def _take(
        self,
        before: Json | None,
        wanted: dict[Path, Any],
        owners: dict[Owner, set[Path]],
        me: Owner,
        force: bool,
    ) -> None:
        """Conflicts with other owners, or what is taken from them by force."""
        conflicts: list[tuple[str, Path]] = []
        for who, paths in owners.items():
            if who == me:
                continue
            for path in sorted(paths & set(wanted)):
                if before is not None and get(before, path) != wanted[path]:
                    conflicts.append((who[0], path))
        if conflicts and not force:
            causes = [
                {
                    "reason": "FieldManagerConflict",
                    "message": f'conflict with "{who}"',
                    "field": written(path),
                }
                for who, path in conflicts
            ]
            said = "; ".join(f'conflict with "{who}": {written(path)}' for who, path in conflicts)
            many = f"{len(conflicts)} conflict" + ("s" if len(conflicts) > 1 else "")
            raise Refused(409, "Conflict", f"Apply failed with {many}: {said}", causes=causes)
        for who, path in conflicts:
            for owner in owners:
                if owner[0] == who and owner != me:
                    owners[owner].discard(path)

    def _own_changes(self, key: Key, before: Json, made: Json, who: Owner) -> None:
        then, now_ = dict(leaves(before)), dict(leaves(made))
        mine = {path for path, value in now_.items() if then.get(path) != value}
        owners = self.owners.setdefault(key, {})
        for owner, paths in owners.items():
            if owner != who:
                paths -= mine
        if mine:
            owners.setdefault(who, set()).update(mine)

    def _store(self, key: Key, made: Json, before: Json | None) -> Json:
        meta = made["metadata"]
        meta["managedFields"] = [
            {
                "manager": manager,
                "operation": operation,
                "apiVersion": made["apiVersion"],
                "fieldsType": "FieldsV1",
                "fieldsV1": as_fields(paths),
                **({"subresource": part} if part else {}),
            }
            for (manager, operation, part), paths in self.owners.get(key, {}).items()
            if paths
        ]
        if before is not None and _same(before, made):
            return copy.deepcopy(before)
        wishes = "endpoints" if key[0] == "endpointslices" else "spec"
        if before is None or before.get(wishes) != made.get(wishes):
            self.touched[key] = time.monotonic()
            if key[0] in GENERATIONS:
                meta["generation"] = meta.get("generation", 0) + 1
        self.found[key] = made
        self._note(key[0], "ADDED" if before is None else "MODIFIED", made)
        return copy.deepcopy(made)

    def _note(self, plural: str, kind: str, found: Json) -> None:
        self.version += 1
        found["metadata"]["resourceVersion"] = str(self.version)
        self.changes.append(Change(self.version, plural, kind, copy.deepcopy(found)))
        del self.changes[:-KEPT]
        self.changed.notify_all()


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def missing(plural: str, name: str) -> Refused:
    group = KINDS[plural][0].rpartition("/")[0]
    text = f'{plural}{"." if group else ""}{group} "{name}" not found'
    return Refused(404, "NotFound", text, name=name, group=group, kind=plural)


def refuse_stale(plural: str, before: Json | None, body: Json) -> None:
    """Optimistic locking, for an apply and for a PUT alike."""
    asked = body.get("metadata", {}).get("resourceVersion")
    if before is None or asked in (None, "", before["metadata"]["resourceVersion"]):
        return
    name, group = before["metadata"]["name"], KINDS[plural][0].rpartition("/")[0]
    dotted = f"{plural}.{group}" if group else plural
    raise Refused(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {dotted} "{name}": the object has been modified;'
        " please apply your changes to the latest version and try again",
        name=name,
        group=group,
        kind=plural,
    )


def default(plural: str, made: Json) -> None:
    """What the API fills in."""
    spec = made.get("spec")
    if plural == "deployments" and isinstance(spec, dict):
        spec.setdefault("replicas", 1)
        spec.setdefault("progressDeadlineSeconds", 600)
        spec.setdefault("revisionHistoryLimit", 10)
    if plural == "services" and isinstance(spec, dict):
        spec.setdefault("type", "ClusterIP")
        spec.setdefault("clusterIP", "10.96.0.9")
        spec.setdefault("sessionAffinity", "None")
        for port in spec.get("ports", []):
            port.setdefault("protocol", "TCP")
            port.setdefault("targetPort", port["port"])


def valid_name(name: str) -> bool:
    return re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", name) is not None


def _same(before: Json, made: Json) -> bool:
    """Whether nothing but the version is different."""

    def plain(found: Json) -> Json:
        meta = {k: v for k, v in found["metadata"].items() if k != "resourceVersion"}
        return {**found, "metadata": meta}

    return plain(before) == plain(made)
