"""A part of the requests by the weights of an HTTPRoute (Gateway API).

The route's backends are the main Service and, beside it, that of a colour. SSA owns and replaces
the whole list; a route of somebody else's is changed by a JSON patch (`foreign`).
"""

import time
from collections.abc import Mapping

from orchestrate.core.errors import EdgeFailed, TemporaryError
from orchestrate.core.protocols import Write
from orchestrate.core.untrusted import clean
from orchestrate.providers.kubernetes.api import Api, Stale
from orchestrate.providers.kubernetes.colors import Color
from orchestrate.providers.kubernetes.fence import Fence, refuse_older
from orchestrate.providers.kubernetes.foreign import (
    color_of,
    leading_to,
    operations,
    weight_of,
)
from orchestrate.providers.kubernetes.objects import (
    ROUTE,
    SERVICE,
    Json,
    condition,
    items,
    number,
    text,
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
        for at in leading_to(rules, self.settings.name):
            backends = items(rules[at], "backendRefs")
            named = {color_of(b, self.settings.name): weight_of(b) for b in backends}
            main = [weight_of(b) for b in backends if text(b, "name") == self.settings.name]
            for color, weight in named.items():
                if color and weight:
                    return Split(color, round(100 * weight / (weight + sum(main))))
        return None

    def split(self, base: Color, beside: Color, percent: int, write: Write) -> None:
        self._write(beside.name, percent, write)

    def whole(self, write: Write) -> None:
        self._write(None, 0, write)

    def _write(self, beside: str | None, percent: int, write: Write) -> None:
        if self.gateway.route is not None:
            generation = self._patch(beside, percent, write)
        else:
            port = service_port(self.api.get(SERVICE, self.settings.name) or {})
            parts = [(None, 100 - percent), *([(beside, percent)] if beside else [])]
            backends: list[Json] = [
                {"name": self._service(color), "port": port, "weight": weight}
                for color, weight in parts
            ]
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

    def _patch(self, beside: str | None, percent: int, write: Write) -> int:
        """Set the weights in a route that is not ours; again when it was changed meanwhile. Raises
        FencedOut when a newer write has set them."""
        for attempt in range(TRIES):
            found = self.api.get(ROUTE, self.name)
            if found is None:
                raise EdgeFailed(
                    f"there is no HTTPRoute {self.name}",
                    why=[f"`gateway: {{route: {self.name}}}` in config names it"],
                    fix=["make it, or let one be made: `name` of a Gateway in place of `route`"],
                )
            refuse_older(found, write)
            changes = operations(found, self.settings.name, beside, percent, write)
            try:
                made = self.api.patch(ROUTE, self.name, changes) if changes else found
                return number(made, "metadata", "generation")
            except Stale:
                time.sleep(0.02 * attempt)
        raise TemporaryError(
            "an object of the cluster changes too fast", why=[f"HTTPRoute {self.name}"]
        )

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
            said = clean(text(state, "message"))
            return f"{kind} is {text(state, 'status')}: {text(state, 'reason')} {said}"
    return None
