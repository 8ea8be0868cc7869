"""A part of the requests by a canary Ingress of ingress-nginx. Legacy: that project was archived in
March 2026, and is supported for those who still have it."""

from collections.abc import Mapping

from orchestrate.core.protocols import Write
from orchestrate.providers.kubernetes.api import Api
from orchestrate.providers.kubernetes.colors import Color
from orchestrate.providers.kubernetes.fence import Fence
from orchestrate.providers.kubernetes.objects import INGRESS, SERVICE, Json, items, part, text
from orchestrate.providers.kubernetes.settings import IngressNginx, Settings
from orchestrate.providers.kubernetes.shape import marks, service_port
from orchestrate.providers.kubernetes.traffic import Split

CANARY = "nginx.ingress.kubernetes.io/canary"
WEIGHT = "nginx.ingress.kubernetes.io/canary-weight"


class NginxIngress:
    """Two Ingresses of one host and path: the main one, and the canary with its weight."""

    divides = "by a canary Ingress (legacy)"
    means = "by a canary Ingress of ingress-nginx (legacy: archived in March 2026), per request"

    def __init__(
        self,
        settings: Settings,
        ingress: IngressNginx,
        api: Api,
        fence: Fence,
        labels: Mapping[str, str],
    ) -> None:
        self.settings, self.ingress, self.api, self.fence = settings, ingress, api, fence
        self.labels = labels
        self.canary = f"{settings.name}-canary"

    def read(self, service: Json | None) -> Split | None:
        found = self.api.get(INGRESS, self.canary) or {}
        weight = text(part(found, "metadata", "annotations"), WEIGHT)
        if not weight.isdigit() or int(weight) == 0:
            return None
        for rule in items(found, "spec", "rules"):
            for path in items(rule, "http", "paths"):
                name = text(path, "backend", "service", "name")
                return Split(name.removeprefix(f"{self.settings.name}-"), int(weight))
        return None

    def split(self, base: Color, beside: Color, percent: int, write: Write) -> None:
        self._main(write)
        self._write(self.canary, f"{self.settings.name}-{beside.name}", write, str(percent))

    def whole(self, write: Write) -> None:
        self._main(write)
        # Kept with weight 0, so that it still tells which write was the last.
        found = self.api.get(INGRESS, self.canary)
        if found is not None:
            self._write(self.canary, self.settings.name, write, "0")

    def _main(self, write: Write) -> None:
        self._write(self.settings.name, self.settings.name, write)

    def _write(self, name: str, service: str, write: Write, weight: str | None = None) -> None:
        port = service_port(self.api.get(SERVICE, self.settings.name) or {})
        notes = {CANARY: "true", WEIGHT: weight} if weight is not None else {}
        path: Json = {
            "path": self.ingress.path,
            "pathType": "Prefix",
            "backend": {"service": {"name": service, "port": {"number": port}}},
        }
        made: Json = {
            "metadata": {
                "name": name,
                "labels": dict(self.labels),
                "annotations": {**marks(write), **notes},
            },
            "spec": {
                "ingressClassName": self.ingress.class_name,
                "rules": [{"host": self.ingress.host, "http": {"paths": [path]}}],
            },
        }
        self.fence.apply(INGRESS, made, write)
