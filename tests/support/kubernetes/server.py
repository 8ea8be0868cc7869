"""The API of the pretended cluster over HTTP, as far as a deployment asks for it."""

from __future__ import annotations

import json
import re
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.support.kubernetes.admission import admit
from tests.support.kubernetes.controllers import Controllers
from tests.support.kubernetes.fields import Json
from tests.support.kubernetes.store import KINDS, Objects, Refused, missing

TOKEN = "tests-token"
REJECTED = "the server rejected our request due to an error in our request"
PATH = re.compile(
    r"/(?:api|apis)/(?P<api>v1|[a-z0-9.]+/v\d)/namespaces/(?P<ns>[^/]+)"
    r"/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?(?:/(?P<part>[a-z]+))?"
)


class Cluster:
    """A pretended cluster with namespace `shop`, at `url`."""

    def __init__(self, *, gateway_api: bool = True) -> None:
        self.objects = Objects()
        self.objects.admit = partial(admit, self.objects)
        self.controllers = Controllers(self.objects)
        self.gateway_api = gateway_api
        self.namespaces = {"shop"}
        self.denied: set[tuple[str, str]] = set()
        """Verb and resource that the credentials may not."""
        self.allowed: set[tuple[str, str]] | None = None
        """All that the credentials may; None: everything that is not denied."""
        self.expiring = 0
        """Watches that are to find their version gone."""
        self.calls: list[str] = []
        handler = type("Handler", (_Handler,), {"cluster": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def kubelet(self) -> Any:
        return self.controllers.kubelet

    def __enter__(self) -> Self:
        self._thread.start()
        self.controllers.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.controllers.stop()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def kubeconfig(self, address: str | None = None) -> str:
        """A kubeconfig for it, or for what stands before it at `address`."""
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "tests",
                "clusters": [
                    {"name": "tests", "cluster": {"server": f"http://{address or self.address}"}}
                ],
                "users": [{"name": "tests", "user": {"token": TOKEN}}],
                "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
            }
        )

    def by_hand(self, manager: str, plural: str, name: str, patch: Json, part: str = "") -> None:
        """What a person, or another program, changes beside us: `kubectl patch`."""
        with self.objects.lock:
            found = _merge(self.objects.get(plural, "shop", name), patch)
            found["metadata"].pop("resourceVersion", None)
            self.objects.update(plural, "shop", found, manager, part)

    def one(self, plural: str, name: str) -> Json:
        return self.objects.get(plural, "shop", name)

    # -- answers

    def answer(self, method: str, target: str, headers: Any, body: Any) -> tuple[int, Any]:
        """Status and body of a call. Raises Refused."""
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.calls.append(f"{'WATCH' if query.get('watch') else method} {parts.path}")
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refused(401, "Unauthorized", "Unauthorized")
        if parts.path in ("/version", "/api", "/apis"):
            return 200, self._about(parts.path)
        if parts.path.endswith("/selfsubjectaccessreviews"):
            asked = body["spec"]["resourceAttributes"]
            resource = asked["resource"] + (
                f"/{asked['subresource']}" if asked.get("subresource") else ""
            )
            allowed = self.may(asked["verb"], resource)
            return 201, {**body, "status": {"allowed": allowed}}
        match = PATH.fullmatch(parts.path)
        if match is None or match["plural"] not in KINDS:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        plural, namespace = match["plural"], match["ns"]
        if plural == "httproutes" and not self.gateway_api:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        watched = query.get("watch") == "true"
        self._authorize(method, plural, match["part"], namespace, bool(match["name"]), watched)
        if namespace not in self.namespaces:
            raise Refused(
                404,
                "NotFound",
                f'namespaces "{namespace}" not found',
                name=namespace,
                kind="namespaces",
            )
        if match["name"] is None:
            return self._collection(method, plural, namespace, query, body)
        return self._one(
            method, plural, namespace, match["name"], match["part"], query, headers, body
        )

    def may(self, verb: str, resource: str) -> bool:
        """Whether the credentials have a right."""
        if self.allowed is not None and (verb, resource) not in self.allowed:
            return False
        return (verb, resource) not in self.denied

    def _authorize(
        self,
        method: str,
        plural: str,
        part: str | None,
        namespace: str,
        one: bool,
        watched: bool = False,
    ) -> None:
        reads = "get" if one else "watch" if watched else "list"
        verb = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(
            method, reads
        )
        resource = plural + (f"/{part}" if part and part != "status" else "")
        if not self.may(verb, resource):
            group = KINDS[plural][0].rpartition("/")[0]
            raise Refused(
                403,
                "Forbidden",
                f'{resource} is forbidden: User "tests" cannot {verb} resource "{plural}" in API'
                f' group "{group}" in the namespace "{namespace}"',
                kind=plural,
                group=group,
            )

    def _about(self, path: str) -> Json:
        if path == "/version":
            return {"major": "1", "minor": "36", "gitVersion": "v1.36.2", "platform": "linux/amd64"}
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        groups = {api.partition("/")[0] for api, _ in KINDS.values() if "/" in api}
        if not self.gateway_api:
            groups.discard("gateway.networking.k8s.io")
        return {
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": [{"name": g} for g in sorted(groups)],
        }

    def _collection(
        self, method: str, plural: str, namespace: str, query: dict[str, str], body: Any
    ) -> tuple[int, Any]:
        if method == "POST":
            return 201, self.objects.create(
                plural, namespace, body, query.get("fieldManager", "unknown")
            )
        if query.get("watch") == "true":
            within = float(query.get("timeoutSeconds", "1"))
            if self.expiring:
                self.expiring -= 1
                raise Refused(410, "Expired", "too old resource version")
            selector = query.get("labelSelector", "")
            changes = self.objects.since(
                int(query["resourceVersion"]),
                plural,
                within,
                lambda each: _labelled(each, selector),
            )
            return 200, [{"type": c.type, "object": public(c.object)} for c in changes]
        api, kind = KINDS[plural]
        with self.objects.lock:
            found = [
                public(each)
                for each in self.objects.list(plural, namespace)
                if _labelled(each, query.get("labelSelector", ""))
                and _fielded(each, query.get("fieldSelector", ""))
            ]
            meta = {"resourceVersion": str(self.objects.version)}
        return 200, {"apiVersion": api, "kind": f"{kind}List", "metadata": meta, "items": found}

    def _one(
        self,
        method: str,
        plural: str,
        namespace: str,
        name: str,
        part: str | None,
        query: dict[str, str],
        headers: Any,
        body: Any,
    ) -> tuple[int, Any]:
        manager = query.get("fieldManager", "unknown")
        if part == "log":
            return 200, self._log(namespace, name, query)
        if method == "GET":
            return 200, self.objects.get(plural, namespace, name)
        if method == "DELETE":
            return 200, self.objects.delete(plural, namespace, name)
        if method == "PUT":
            return 200, self.objects.update(plural, namespace, body, manager, part or "")
        kind = headers.get("Content-Type", "")
        if "apply-patch" in kind:
            new = (plural, namespace, name) not in self.objects.found
            if new:
                self._authorize("POST", plural, None, namespace, False)
            force, dry = query.get("force") == "true", query.get("dryRun") == "All"
            made = self.objects.apply(plural, namespace, body, manager, force, dry)
            return (201 if new else 200), made
        found = self.objects.get(plural, namespace, name)
        if "json-patch" in kind:
            patched = _json_patch(found, body)
        else:
            patched = _merge(found, body)
        patched["metadata"].pop("resourceVersion", None)
        return 200, self.objects.update(plural, namespace, patched, manager, part or "")

    def _log(self, namespace: str, name: str, query: dict[str, str]) -> str:
        if ("pods", namespace, name) not in self.objects.found:
            raise missing("pods", name)
        key = f"{name}/previous" if query.get("previous") == "true" else name
        if key not in self.kubelet.logs:
            container = query.get("container")
            raise Refused(
                400,
                "BadRequest",
                f'previous terminated container "{container}" in pod "{name}" not found\n'
                if query.get("previous") == "true"
                else f'container "{container}" in pod "{name}" is waiting to start',
            )
        lines = self.kubelet.logs[key][-int(query.get("tailLines", "1000")) :]
        return "".join(f"2026-11-23T03:12:05.000000000Z {line}\n" for line in lines)


def public(found: Json) -> Json:
    """Without what the kubelet remembers in an object."""
    meta = {k: v for k, v in found["metadata"].items() if not k.startswith("_")}
    return {**found, "metadata": meta}


def _labelled(found: Json, selector: str) -> bool:
    labels = found["metadata"].get("labels", {})
    pairs = [part.split("=", 1) for part in selector.split(",") if part]
    return all(labels.get(name) == value for name, value in pairs)


def _fielded(found: Json, selector: str) -> bool:
    for part in filter(None, selector.split(",")):
        path, _, value = part.partition("=")
        here: Any = found
        for name in path.split("."):
            here = here.get(name) if isinstance(here, dict) else None
        if here != value:
            return False
    return True


def _json_patch(found: Json, operations: list[Json]) -> Json:
    try:
        for each in operations:
            _operate(found, each)
    except (KeyError, IndexError, TypeError) as problem:
        raise Refused(422, "Invalid", REJECTED) from problem
    return found


def _operate(found: Json, each: Json) -> None:
    *parents, last = [w.replace("~1", "/").replace("~0", "~") for w in each["path"].split("/")[1:]]
    here: Any = found
    for name in parents:
        here = here[int(name)] if isinstance(here, list) else here[name]
    at: Any = last
    if isinstance(here, list):
        at = len(here) if last == "-" else int(last)
    match each["op"]:
        case "test":
            if here[at] != each["value"]:
                raise Refused(422, "Invalid", REJECTED)
        case "add" if isinstance(here, list):
            here.insert(at, each["value"])
        case "add":
            here[at] = each["value"]
        case "replace":
            _ = here[at]
            here[at] = each["value"]
        case "remove":
            del here[at]


def _merge(found: Any, patch: Any) -> Any:
    """JSON merge, with containers by name as a strategic merge has them."""
    if not isinstance(patch, dict):
        return patch
    made = dict(found) if isinstance(found, dict) else {}
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        elif name == "containers" and isinstance(made.get(name), list):
            by_name = {each["name"]: each for each in made[name]}
            for each in value:
                by_name[each["name"]] = _merge(by_name.get(each["name"], {}), each)
            made[name] = list(by_name.values())
        else:
            made[name] = _merge(made.get(name), value)
    return made


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    cluster: Cluster

    def serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(raw) if raw else None
        try:
            status, found = self.cluster.answer(self.command, self.path, self.headers, body)
        except Refused as refused:
            status, found = refused.code, refused.body
        if isinstance(found, str):
            data, kind = found.encode(), "text/plain"
        elif isinstance(found, list):
            data, kind = b"".join(json.dumps(e).encode() + b"\n" for e in found), "application/json"
        else:
            shown = public(found) if "metadata" in found else found
            data, kind = json.dumps(shown).encode(), "application/json"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve

    def log_message(self, *arguments: object) -> None:
        pass
