"""The traffic of an environment: one Service that leads to a colour, and a way to lead a part of
the requests to another colour beside it.

The Service is switched by its selector, in one step and with proof from its EndpointSlices. A part
is led by what `Splitter` is configured: the weights of an HTTPRoute, a canary Ingress of
ingress-nginx, or the number of replicas.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrate.core.errors import StepFailed
from orchestrate.core.protocols import Write
from orchestrate.core.steps import Share
from orchestrate.providers.kubernetes import shape
from orchestrate.providers.kubernetes.api import Api
from orchestrate.providers.kubernetes.colors import Color, Colors
from orchestrate.providers.kubernetes.endpoints import Endpoints
from orchestrate.providers.kubernetes.fence import Fence
from orchestrate.providers.kubernetes.objects import PREFIX, SERVICE, Json, note, text
from orchestrate.providers.kubernetes.settings import Settings

READY_S = 30.0
GROWN_S = 180.0
SETTLED_S = 30.0


@dataclass(frozen=True)
class Pointed:
    """What the main Service leads to: a colour, or every colour while replicas divide."""

    color: str | None
    """None: nothing."""
    everywhere: bool = False


@dataclass(frozen=True)
class Split:
    """A part of the requests that goes to a colour beside the Service's own."""

    color: str
    percent: int
    tolerance: int = 0
    """Percent points by which it had to differ from what was asked."""


class Splitter(Protocol):
    """A way to lead a part of the requests elsewhere."""

    @property
    def divides(self) -> str:
        """What divides the traffic, in three words, for a plan."""
        ...

    @property
    def means(self) -> str:
        """What divides the traffic, in words for people."""
        ...

    def read(self, service: Json | None) -> Split | None:
        """What is led elsewhere now. `service` is the main Service."""
        ...

    def split(self, base: Color, beside: Color, percent: int, write: Write) -> None:
        """Lead `percent` of the requests to `beside`, the rest to `base`, which the Service leads
        to. Returns once it is known to be so."""
        ...

    def whole(self, write: Write) -> None:
        """Lead all requests to the Service."""
        ...


class Traffic:
    """The Service `settings.name`, those of the colours, and a splitter before them."""

    def __init__(
        self,
        settings: Settings,
        api: Api,
        fence: Fence,
        colors: Colors,
        endpoints: Endpoints,
        labels: Mapping[str, str],
        splitter: Splitter,
    ) -> None:
        self.settings, self.api, self.fence, self.colors = settings, api, fence, colors
        self.endpoints, self.labels, self.splitter = endpoints, labels, splitter

    def service(self) -> Json | None:
        """The main Service."""
        return self.api.get(SERVICE, self.settings.name)

    def pointed(self, service: Json | None = None) -> Pointed:
        """What the main Service leads to now."""
        found = service or self.service() or {}
        color = text(found, "spec", "selector", f"{PREFIX}color")
        if found and not color:
            return Pointed(note(found, "base") or None, everywhere=True)
        return Pointed(None if color in ("", shape.NOWHERE) else color)

    def expose(self, color: str, base: Json, write: Write) -> None:
        """Have the Service of a colour, with the ports of `base`, and the main one: which serves
        nothing while it is new, and is as the manifests of the colour that it leads to say."""
        own = self._own(color)
        made = shape.own_service(self.settings, base, own, self.labels, color, shape.marks(write))
        self.fence.apply(SERVICE, made, write)
        service = self.service()
        if service is None:
            self._point(None, write, like=color)
        elif self.pointed(service) == Pointed(color):
            self._point(color, write)

    def divide(self, shares: Sequence[Share], write: Write) -> None:
        """Divide the requests. Raises StepFailed where a revision does not run, EdgeFailed where
        the platform did not take it."""
        parts = [share for share in shares if share.percent]
        if len(parts) > 2:
            raise StepFailed("this provider divides the traffic between two revisions, not more")
        found = [(self._running(share), share.percent) for share in parts]
        if not found:
            self._nowhere(write)
        elif len(found) == 1:
            self._alone(found[0][0], write)
        else:
            now = self.pointed()
            found.sort(key=lambda each: each[0].name != now.color)
            (base, _), (beside, percent) = found
            if now.color != base.name:
                self._switch(base, write)
            self._prove(beside)
            self.splitter.split(base, beside, percent, write)

    def first(self, color: str, write: Write) -> None:
        """Lead the requests to a colour that is only just starting, since nothing else serves."""
        self._point(color, write)
        self.splitter.whole(write)

    def leave(self, color: Color, write: Write) -> None:
        """Take a colour out of the traffic, before it ends."""
        service = self.service()
        now, split = self.pointed(service), self.splitter.read(service)
        if split is not None and split.color == color.name:
            self._remain(now.color, write)
        elif now.color == color.name:
            self._remain(split.color if split is not None else None, write)

    def _remain(self, name: str | None, write: Write) -> None:
        color = self.colors.named(name) if name else None
        if color is None or color.asked == 0:
            self._nowhere(write)
        else:
            self._alone(color, write)

    def _nowhere(self, write: Write) -> None:
        if self.service() is not None:
            self.splitter.whole(write)
            self._point(None, write)

    def _alone(self, color: Color, write: Write) -> None:
        if self.pointed() != Pointed(color.name):
            self._switch(color, write)
        else:
            self._point(color.name, write)
        self.splitter.whole(write)

    def _switch(self, color: Color, write: Write) -> None:
        """Lead the Service to a colour that is proven to answer, and see it follow."""
        self._prove(color, whole=True, write=write)
        self._point(color.name, write)
        self.endpoints.wait(
            self.settings.name,
            lambda seen: set(seen) == {color.name},
            f"Service {self.settings.name} was to lead to {color.name} alone",
            SETTLED_S,
        )

    def _prove(self, color: Color, *, whole: bool = False, write: Write | None = None) -> None:
        """At least one ready endpoint, and none of another colour: a slip in a selector would be
        an outage. With `whole` all of them, where replicas were held down to divide the traffic."""
        least = 1
        if whole and write is not None and color.asked < color.wanted:
            least = color.wanted
            self.colors.scale(color, least, write)
        self.endpoints.wait(
            self._own(color.name),
            lambda seen: set(seen) == {color.name} and seen[color.name] >= least,
            f"{least} Pods of {color.revision.version} ({color.name}) were to be ready before it"
            " gets requests",
            READY_S if least == 1 else GROWN_S,
        )

    def _point(self, color: str | None, write: Write, *, like: str | None = None) -> None:
        """Set the selector of the main Service. The rest is what the colour's manifests say."""
        model = like or color
        found = self.api.get(SERVICE, self._own(model)) if model else self.service()
        base = shape.as_asked(found or {})
        name, chosen = self.settings.name, color or shape.NOWHERE
        made = shape.service(self.settings, base, name, self.labels, chosen, shape.marks(write))
        self.fence.apply(SERVICE, made, write)

    def _running(self, share: Share) -> Color:
        color = self.colors.of(share.revision.key)
        if color is None or color.asked == 0:
            raise StepFailed(
                f"no replica of {share.revision.version} ({share.revision.key}) runs to take"
                " requests",
                fix=["start it first"],
            )
        return color

    def _own(self, color: str) -> str:
        return f"{self.settings.name}-{color}"
