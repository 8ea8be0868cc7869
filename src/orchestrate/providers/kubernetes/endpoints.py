"""Who really takes a Service's requests: its EndpointSlices, and the Pods behind them."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from orchestrate.core.errors import EdgeFailed
from orchestrate.core.revision import Ref
from orchestrate.providers.kubernetes.api import Api, Gone
from orchestrate.providers.kubernetes.objects import (
    POD,
    SLICE,
    Json,
    items,
    label,
    note,
    part,
    text,
    uid_of,
)

WATCHED_S = 10.0
"""Seconds of one watch; then it is listed again, so that nothing rests on a single event."""
SERVICE_NAME = "kubernetes.io/service-name"


@dataclass(frozen=True)
class Endpoint:
    """A Pod that takes requests, with the colour and the revision it has."""

    pod: str
    color: str
    revision: Ref


def ref_of(pod: Json) -> Ref:
    """The revision that a Pod was made for; without a key, one of somebody else's."""
    key = label(pod, "revision")
    return Ref(key=key, version=note(pod, "version") or key)


class Endpoints:
    """The endpoints of the Services of the environment whose Pods have `labels`."""

    def __init__(self, api: Api, labels: Mapping[str, str]) -> None:
        self.api, self.labels = api, labels

    def pods(self) -> list[Json]:
        return self.api.find(POD, self.labels)

    def ready(self, service: str, pods: list[Json] | None = None) -> list[Endpoint]:
        """The ready endpoints of a Service."""
        return self._ready(self.api.find(SLICE, {SERVICE_NAME: service}), pods)

    def _ready(self, slices: list[Json], pods: list[Json] | None = None) -> list[Endpoint]:
        known = {uid_of(pod): pod for pod in (self.pods() if pods is None else pods)}
        found = {}
        for piece in slices:
            for endpoint in items(piece, "endpoints"):
                if part(endpoint, "conditions").get("ready") is False:
                    continue
                uid = text(endpoint, "targetRef", "uid")
                pod = known.get(uid, {})
                found[uid] = Endpoint(uid, label(pod, "color"), ref_of(pod))
        return list(found.values())

    def colors(self, service: str) -> Counter[str]:
        """Ready endpoints of a Service by colour."""
        return Counter(endpoint.color for endpoint in self.ready(service))

    def wait(
        self, service: str, good: Callable[[Counter[str]], bool], what: str, within_s: float
    ) -> None:
        """Wait until the ready endpoints of a Service are as wanted: they are listed, then watched
        from where the list was, and listed again after each change. Raises EdgeFailed."""
        until = time.monotonic() + within_s
        while True:
            slices, version = self.api.find_at(SLICE, {SERVICE_NAME: service})
            seen = Counter(endpoint.color for endpoint in self._ready(slices))
            if good(seen):
                return
            left = until - time.monotonic()
            if left <= 0:
                raise EdgeFailed(
                    f"{what}, and did not within {within_s:g}s",
                    why=[f"ready endpoints of Service {service}: {dict(seen) or 'none'}"],
                    fix=["kubectl get endpointslices, and the Pods' readiness"],
                )
            with suppress(Gone):  # too long ago to be watched from: it is listed again
                self.api.await_change(SLICE, {SERVICE_NAME: service}, version, min(left, WATCHED_S))
