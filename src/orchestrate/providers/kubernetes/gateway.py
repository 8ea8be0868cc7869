"""A part of the requests by the weights of an HTTPRoute (Gateway API).

The route's backends are the main Service and, beside it, that of a colour. SSA owns and replaces
the whole list; on a route of somebody else's it is replaced by a JSON patch that tests what it
replaces.
"""

import time
from collections.abc import Mapping

from orchestrate.core.errors import EdgeFailed, TemporaryError
from orchestrate.core.protocols import Write
from orchestrate.core.untrusted import clean
from orchestrate.providers.kubernetes.api import Api, Stale
from orchestrate.providers.kubernetes.colors import Color
from orchestrate.providers.kubernetes.fence import Fence
from orchestrate.providers.kubernetes.objects import (
    ROUTE,
    SERVICE,
    Json,
    condition,
    items,
    number,
    part,
    text,
    version_of,
)
from orchestrate.providers.kubernetes.settings import Gateway, Settings
from orchestrate.providers.kubernetes.shape import marks, service_port
from orchestrate.providers.kubernetes.traffic import Split

ACCEPTED_S = 30.0
TRIES = 10


class HttpRoute:
    """The HTTPRoute of an environment, ours or somebody else's."""

    divides = "by HTTPRoute weights"
    means = "by the weights of an HTTPRoute (Gateway API), to the percent and per request"

    def __init__(
        self,
        settings: Settings,
        gateway: Gateway,
        api: Api,
        fence: Fence,
        labels: Mapping[str, str],
    ) -> None:
        self.settings, self.gateway, self.api, self.fence = settings, gateway, api, fence
        self.labels = labels
        self.name = gateway.route or settings.name

    def read(self, service: Json | None) -> Split | None:
        found = self.api.get(ROUTE, self.name)
        rules = items(found or {}, "spec", "rules")
        weighted = _weighted(rules, self.settings.name)
        backends = items(rules[weighted], "backendRefs") if weighted is not None else []
        weights = {text(b, "name"): _weight(b) for b in backends}
        total = sum(weights.values())
        for name, weight in weights.items():
            color = name.removeprefix(f"{self.settings.name}-")
            if name != self.settings.name and color != name and weight and total:
                return Split(color, round(100 * weight / total))
        return None

    def split(self, base: Color, beside: Color, percent: int, write: Write) -> None:
        self._write([(None, 100 - percent), (beside.name, percent)], write)

    def whole(self, write: Write) -> None:
        self._write([(None, 100)], write)

    def _write(self, parts: list[tuple[str | None, int]], write: Write) -> None:
        port = service_port(self.api.get(SERVICE, self.settings.name) or {})
        backends: list[Json] = [
            {"name": self._service(color), "port": port, "weight": weight}
            for color, weight in parts
        ]
        if self.gateway.route is not None:
            generation = self._patch(backends)
        else:
            made = self.fence.apply(ROUTE, self._made(backends, write), write)
            generation = number(made, "metadata", "generation")
        self._await_accepted(generation)

    def _service(self, color: str | None) -> str:
        return f"{self.settings.name}-{color}" if color else self.settings.name

    def _made(self, backends: list[Json], write: Write) -> Json:
        path = {"path": {"type": "PathPrefix", "value": self.gateway.path}}
        rules: list[Json] = [{"matches": [path], "backendRefs": backends}]
        if self.gateway.testers is not None and len(backends) > 1:
            header, value = self.gateway.testers
            match = {**path, "headers": [{"type": "Exact", "name": header, "value": value}]}
            # Before the weighted rule: testers see the new revision whatever its weight.
            rules.insert(0, {"matches": [match], "backendRefs": [{**backends[1], "weight": 1}]})
        parent: Json = {"name": self.gateway.name}
        if self.gateway.namespace:
            parent["namespace"] = self.gateway.namespace
        hosts = {"hostnames": list(self.gateway.hostnames)} if self.gateway.hostnames else {}
        return {
            "metadata": {
                "name": self.name,
                "labels": dict(self.labels),
                "annotations": marks(write),
            },
            "spec": {"parentRefs": [parent], **hosts, "rules": rules},
        }

    def _patch(self, backends: list[Json]) -> int:
        """Set the backends of a route that is not ours; again when it was changed meanwhile."""
        for _ in range(TRIES):
            try:
                return self._patch_once(backends)
            except Stale:
                continue
        raise TemporaryError(
            "an object of the cluster changes too fast", why=[f"HTTPRoute {self.name}"]
        )

    def _patch_once(self, backends: list[Json]) -> int:
        """Set them if the route is as it was read."""
        found = self.api.get(ROUTE, self.name)
        rules = items(found or {}, "spec", "rules")
        at = _weighted(rules, self.settings.name)
        if found is None or at is None:
            raise EdgeFailed(
                f"HTTPRoute {self.name} leads nowhere that this program knows",
                why=[f"none of its rules has the backend {self.settings.name}"],
                fix=[f"give it a rule whose backend is Service {self.settings.name}"],
            )
        if _shape(items(rules[at], "backendRefs")) == _shape(backends):
            return number(found, "metadata", "generation")
        where = f"/spec/rules/{at}/backendRefs"
        made = self.api.patch(
            ROUTE,
            self.name,
            [
                {"op": "test", "path": "/metadata/resourceVersion", "value": version_of(found)},
                {"op": "test", "path": f"{where}/0/name", "value": self.settings.name},
                {"op": "replace", "path": where, "value": backends},
            ],
        )
        return number(made, "metadata", "generation")

    def _await_accepted(self, generation: int) -> None:
        """A weight that no controller has taken divides nothing. Raises EdgeFailed."""
        until = time.monotonic() + ACCEPTED_S
        while (problem := self._unaccepted(generation)) is not None:
            if time.monotonic() > until:
                raise EdgeFailed(
                    f"no Gateway controller accepted HTTPRoute {self.name}",
                    why=[problem],
                    fix=["kubectl describe httproute, and whether the Gateway has a controller"],
                )
            time.sleep(0.1)

    def _unaccepted(self, generation: int) -> str | None:
        """What is missing; None when a parent took this generation and found its Services."""
        found = self.api.get(ROUTE, self.name) or {}
        parents = [
            parent
            for parent in items(found, "status", "parents")
            if not self.gateway.name or text(parent, "parentRef", "name") == self.gateway.name
        ]
        if not parents:
            return "its status names no Gateway: nobody has looked at it"
        for parent in parents:
            problem = _problem({"status": parent}, generation)
            if problem is not None:
                return problem
        return None


def _problem(parent: Json, generation: int) -> str | None:
    for kind in ("Accepted", "ResolvedRefs"):
        state = condition(parent, kind)
        seen = number(state, "observedGeneration")
        if not state or seen < generation:
            return f"{kind} is not said of generation {generation} yet, the last is {seen}"
        if text(state, "status") != "True":
            said = clean(text(state, "message"), limit=200)
            return f"{kind} is {text(state, 'status')}: {text(state, 'reason')} {said}"
    return None


def _weighted(rules: list[Json], service: str) -> int | None:
    """The last rule that leads to the main Service."""
    found = [
        at
        for at, rule in enumerate(rules)
        if any(text(backend, "name") == service for backend in items(rule, "backendRefs"))
    ]
    return found[-1] if found else None


def _weight(backend: Json) -> int:
    """Without a weight it is 1."""
    return number(backend, "weight") if "weight" in backend else 1


def _shape(backends: list[Json]) -> list[tuple[str, int]]:
    return [(text(part(each), "name"), _weight(each)) for each in backends]
