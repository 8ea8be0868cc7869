"""Server-side apply: who owns which field, what conflicts, what goes when it is no longer applied.

Fields are paths to leaves. Lists of objects that have a name are merged by it, others are whole.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]
Step = tuple[str, str]
"""("f", name) for a member, ("k", keys as JSON) for the item of a list with these keys."""
Path = tuple[Step, ...]

KEYS = {
    "containers": ("name",), "initContainers": ("name",), "env": ("name",), "volumes": ("name",),
    "conditions": ("type",), "imagePullSecrets": ("name",), "ownerReferences": ("uid",),
}  # fmt: skip
"""Lists that are merged by keys; `ports` differ by whose they are."""
WHOLE = {"rules", "parentRefs", "backendRefs", "hostnames", "envFrom", "command", "args"}
ATOMIC_MAPS = {("spec", "selector"), ("spec", "selector", "matchLabels")}
SKIPPED = {"apiVersion", "kind", "status"}
META = {"labels", "annotations"}


def keys_of(name: str, item: Json) -> Json | None:
    """What tells an item of a list from others; None for a list that is whole."""
    if name == "ports" and "containerPort" in item:
        return {"containerPort": item["containerPort"], "protocol": item.get("protocol", "TCP")}
    if name == "ports" and "port" in item:
        return {"port": item["port"], "protocol": item.get("protocol", "TCP")}
    names = KEYS.get(name)
    return {key: item[key] for key in names if key in item} if names else None


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every leaf of an object with its path, status and identity left out."""
    names = tuple(step[1] for step in path)
    if not isinstance(value, dict) or names in ATOMIC_MAPS:
        yield path, value
        return
    if not value and path:
        yield path, value
    for name, inner in value.items():
        here = (*path, ("f", name))
        if not path and name in SKIPPED:
            continue
        if path == (("f", "metadata"),) and name not in META:
            continue
        if isinstance(inner, list) and inner and name not in WHOLE:
            keyed = [keys_of(name, each) if isinstance(each, dict) else None for each in inner]
            if all(keyed):
                for key, each in zip(keyed, inner, strict=True):
                    yield from leaves(each, (*here, ("k", json.dumps(key, sort_keys=True))))
                continue
        yield from leaves(inner, here)


def get(found: Any, path: Path) -> Any:
    """The value at a path; None when there is none."""
    for at, (kind, name) in enumerate(path):
        if found is None:
            return None
        if kind == "f":
            found = found.get(name) if isinstance(found, dict) else None
        else:
            found = _item(found, path[at - 1][1], name)
    return found


def put(found: Json, path: Path, value: Any) -> None:
    here: Any = found
    for at, (kind, name) in enumerate(path):
        last = at == len(path) - 1
        if kind == "f":
            if last:
                here[name] = copy.deepcopy(value)
                return
            listed = path[at + 1][0] == "k"
            if not isinstance(here.get(name), list if listed else dict):
                here[name] = [] if listed else {}
            here = here[name]
        else:
            item = _item(here, path[at - 1][1], name)
            if item is None:
                item = json.loads(name)
                here.append(item)
            here = item


def remove(found: Json, path: Path) -> None:
    parent = get(found, path[:-1]) if len(path) > 1 else found
    kind, name = path[-1]
    if kind == "f" and isinstance(parent, dict):
        parent.pop(name, None)
        if not parent and len(path) > 2 and path[-2][0] == "f":
            remove(found, path[:-1])
    elif len(path) > 2 and path[-2][0] == "k":
        return
    _drop_bare_items(found, path)


def _drop_bare_items(found: Json, path: Path) -> None:
    """An item of which only its keys are left is gone."""
    for at in range(len(path) - 1, 0, -1):
        if path[at][0] != "k":
            continue
        holder, item = get(found, path[:at]), get(found, path[: at + 1])
        if isinstance(holder, list) and isinstance(item, dict):
            keys = set(json.loads(path[at][1]))
            if set(item) <= keys | {"protocol"}:
                holder.remove(item)


def _item(found: Any, name: str, key: str) -> Any:
    if not isinstance(found, list):
        return None
    wanted = json.loads(key)
    return next((e for e in found if isinstance(e, dict) and keys_of(name, e) == wanted), None)


def as_fields(paths: set[Path]) -> Json:
    """Paths in the form of `fieldsV1`."""
    found: Json = {}
    for path in paths:
        here = found
        for kind, name in path:
            if kind == "k":
                name = json.dumps(json.loads(name), separators=(",", ":"), sort_keys=True)
            here = here.setdefault(f"{kind}:{name}", {})
    return found


def written(path: Path) -> str:
    """A path as an error has it: `.spec.template.spec.containers[name="app"].image`."""
    text = ""
    for kind, name in path:
        if kind == "f":
            text += f".{name}"
        else:
            inner = ",".join(f"{k}={json.dumps(v)}" for k, v in json.loads(name).items())
            text += f"[{inner}]"
    return text
