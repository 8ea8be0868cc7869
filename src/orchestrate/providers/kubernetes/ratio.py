"""A part of the requests by the number of replicas: one Service over the Pods of two colours.

Where nothing before the Service divides requests. It is as fine as there are replicas, and divides
connections and not requests: a client that keeps its connection keeps its Pod.
"""

from collections.abc import Mapping

from orchestrate.core.errors import StepFailed
from orchestrate.core.protocols import Write
from orchestrate.providers.kubernetes import shape
from orchestrate.providers.kubernetes.api import Api
from orchestrate.providers.kubernetes.colors import Color, Colors
from orchestrate.providers.kubernetes.endpoints import Endpoints
from orchestrate.providers.kubernetes.fence import Fence
from orchestrate.providers.kubernetes.objects import PREFIX, SERVICE, Json, note
from orchestrate.providers.kubernetes.settings import Settings
from orchestrate.providers.kubernetes.traffic import Split

SETTLED_S = 180.0
FAR = 10
"""Percent points by which a share may exceed twice what was asked before it is refused."""


class Replicas:
    """Divides by how many Pods of each colour the main Service leads to."""

    divides = "by replicas"

    def __init__(
        self,
        settings: Settings,
        api: Api,
        fence: Fence,
        colors: Colors,
        endpoints: Endpoints,
        labels: Mapping[str, str],
    ) -> None:
        self.settings, self.api, self.fence, self.colors = settings, api, fence, colors
        self.endpoints, self.labels = endpoints, labels

    @property
    def means(self) -> str:
        each = round(100 / (2 * self.settings.replicas))
        return f"by the number of replicas, in steps of about {each}% and per connection"

    def read(self, service: Json | None) -> Split | None:
        base, beside = note(service or {}, "base"), note(service or {}, "beside")
        if not base or not beside:
            return None
        seen = self.endpoints.colors(self.settings.name)
        both = seen[base] + seen[beside]
        percent = round(100 * seen[beside] / both) if both else 0
        asked = int(note(service or {}, "percent") or 0)
        nearest = int(note(service or {}, "nearest") or asked)
        return Split(beside, percent, tolerance=abs(nearest - asked))

    def split(self, base: Color, beside: Color, percent: int, write: Write) -> None:
        if base.autoscaled or beside.autoscaled or self.settings.autoscaled:
            raise StepFailed(
                "the traffic cannot be divided by replicas that an autoscaler counts",
                fix=["set `gateway` in config, or use blue-green or rolling"],
            )
        old, new = counts(base.wanted, beside.wanted, percent)
        nearest = round(100 * new / (old + new))
        if nearest > 2 * percent + FAR:
            raise StepFailed(
                f"{percent}% of the traffic cannot be had with {base.wanted} replicas",
                why=[f"the least part of {old} and {new} replicas is {nearest}%"],
                fix=["more replicas, a greater first step, or `gateway` in config"],
            )
        self._scale(beside, new, write)
        self.endpoints.wait(
            f"{self.settings.name}-{beside.name}",
            lambda seen: seen[beside.name] == new,
            f"{beside.revision.version} was to have {new} ready Pods",
            SETTLED_S,
        )
        self._open(base, beside, percent, nearest, write)
        self._scale(base, old, write)
        self.endpoints.wait(
            self.settings.name,
            lambda seen: seen[base.name] == old and seen[beside.name] == new,
            f"the Service was to lead to {old} and {new} Pods",
            SETTLED_S,
        )

    def whole(self, write: Write) -> None:
        """All Pods again, of whatever was held down."""
        for color in self.colors.all():
            if 0 < color.asked < color.wanted:
                self.colors.scale(color, color.wanted, write)

    def _scale(self, color: Color, replicas: int, write: Write) -> None:
        if color.asked != replicas:
            self.colors.scale(color, replicas, write, full=color.wanted)

    def _open(self, base: Color, beside: Color, percent: int, nearest: int, write: Write) -> None:
        """Let the main Service lead to both colours."""
        notes = {
            **shape.marks(write),
            f"{PREFIX}base": base.name,
            f"{PREFIX}beside": beside.name,
            f"{PREFIX}percent": str(percent),
            f"{PREFIX}nearest": str(nearest),
        }
        found = self.api.get(SERVICE, self.settings.name) or {}
        made = shape.service(
            self.settings, shape.as_asked(found), self.settings.name, self.labels, None, notes
        )
        self.fence.apply(SERVICE, made, write)


def counts(old: int, new: int, percent: int) -> tuple[int, int]:
    """How many of `old` and of `new` replicas come nearest to `percent` on the new ones, at least
    one of each, and together no fewer than serve without them. Of equals the most."""
    best = (old, 1)
    found = None
    for some in range(1, old + 1):
        for others in range(1, new + 1):
            if some + others < min(old, new):
                continue
            far = abs(100 * others / (some + others) - percent)
            rank = (far, -(some + others))
            if found is None or rank < found:
                found, best = rank, (some, others)
    return best
