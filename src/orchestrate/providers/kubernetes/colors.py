"""The Deployments of an environment. Each is a colour, and holds one revision at a time.

A new revision takes a colour of its own, or replaces what a colour holds when the platform rolls.
A colour is never deleted while the environment lives: scaled to nothing it still carries the number
of the write that did so, and a late writer is refused by it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrate.core.canonical import digest
from orchestrate.core.protocols import Write
from orchestrate.core.revision import Ref
from orchestrate.providers.kubernetes.api import Api
from orchestrate.providers.kubernetes.fence import Fence
from orchestrate.providers.kubernetes.objects import (
    DEPLOYMENT,
    PREFIX,
    SCALER,
    Json,
    label,
    name_of,
    note,
    number,
    owners_of,
    part,
)
from orchestrate.providers.kubernetes.shape import marks
from orchestrate.providers.kubernetes.verdict import replicas_of

NAMES = ("blue", "green", "amber", "coral", "ivory", "jade", "lilac", "mauve")
"""More than two, since an old revision may be kept while others come and go."""
WRITTEN = ("generation", "template")
"""Notes of what the API made of our last write of a template."""
_AUTOSCALER = "kube-controller-manager (scale)"


@dataclass(frozen=True)
class Color:
    """A colour and its Deployment."""

    name: str
    deployment: Json

    @property
    def revision(self) -> Ref:
        return Ref(key=note(self.deployment, "revision"), version=note(self.deployment, "version"))

    def returns_to(self, key: str) -> bool:
        """Whether it has this revision, or had it right before: then it is no new one that comes,
        but the way back to what is on record."""
        return bool(key) and key in (self.revision.key, note(self.deployment, "before"))

    @property
    def asked(self) -> int:
        """Replicas that are asked for now."""
        return replicas_of(self.deployment)

    @property
    def wanted(self) -> int:
        """Replicas it is to have when it serves alone; fewer may be asked for meanwhile, where the
        traffic is divided by their number."""
        if self.asked == 0:
            return 0
        if self.autoscaled:
            return self.asked
        return number(self.deployment, "metadata", "annotations", f"{PREFIX}wanted") or self.asked

    @property
    def autoscaled(self) -> bool:
        """Whether an autoscaler has set its replicas."""
        return _AUTOSCALER in owners_of(self.deployment, "f:spec", "f:replicas")

    @property
    def write(self) -> int:
        return max(
            number(self.deployment, "metadata", "annotations", f"{PREFIX}{prefix}write")
            for prefix in ("", "scale-")
        )


class Colors:
    """The colours of the environment whose objects have `labels`."""

    def __init__(self, api: Api, fence: Fence, labels: Mapping[str, str]) -> None:
        self.api, self.fence, self.labels = api, fence, labels

    def all(self) -> list[Color]:
        found = self.api.find(DEPLOYMENT, self.labels)
        return sorted(
            (Color(label(each, "color"), each) for each in found if label(each, "color")),
            key=lambda color: color.name,
        )

    def of(self, key: str) -> Color | None:
        """The colour that holds a revision; one that runs before one that does not."""
        found = [color for color in self.all() if color.revision.key == key]
        return max(found, key=lambda color: color.asked, default=None)

    def named(self, name: str) -> Color | None:
        return next((color for color in self.all() if color.name == name), None)

    def free(self) -> str:
        """A colour that nothing runs in: a new one, or one that was scaled to nothing."""
        there = {color.name: color for color in self.all()}
        for name in NAMES:
            if name not in there or there[name].asked == 0:
                return name
        return f"c{len(there)}"

    def put(self, body: Json, write: Write, *, force: bool = False) -> Json:
        """Have a colour hold what `body` says. `force` takes back what somebody has set since."""
        return self.fence.apply(DEPLOYMENT, body, write, force=force)

    def scale(
        self,
        color: Color,
        replicas: int,
        write: Write,
        *,
        full: int | None = None,
        force: bool = False,
        ours: Mapping[str, str] | None = None,
    ) -> Json:
        """Ask for a number of replicas. `full` is what it is to have when it serves alone; `force`
        takes the number from a person who has set it since; `ours` is `written` of the template
        that was put just now.

        Where an autoscaler has the number it stays as it is, but for none at all: an autoscaler
        leaves a Deployment without replicas alone.
        """
        spec: Json = {"replicas": replicas}
        if color.autoscaled and replicas > 0 and color.asked > 0:
            spec = {}
        if ours is None:
            ours = {name: note(color.deployment, name) for name in WRITTEN}
        taking = replicas == 0 or (color.autoscaled and color.asked == 0)
        return self.fence.apply(
            DEPLOYMENT,
            {
                "metadata": {
                    "name": name_of(color.deployment),
                    "annotations": {
                        f"{PREFIX}wanted": str(replicas if full is None else full),
                        **marks(write, "scale-"),
                        **{f"{PREFIX}{name}": value for name, value in ours.items() if value},
                    },
                },
                **({"spec": spec} if spec else {}),
            },
            write,
            manager=SCALER,
            # Ending what we started is ours to do, whoever has counted its replicas meanwhile.
            force=force or taking,
        )


def written(deployment: Json) -> dict[str, str]:
    """What tells a template from any later one, out of the answer to the apply that made it: the
    generation it has, and a digest of it. A generation alone moves with every number of replicas.
    """
    generation = number(deployment, "metadata", "generation")
    return dict(
        zip(WRITTEN, (str(generation), digest(part(deployment, "spec", "template"))), strict=True)
    )


def changed_since(deployment: Json) -> bool:
    """Whether the template is another than the one that was written last."""
    noted = note(deployment, "template")
    return bool(noted) and noted != written(deployment)["template"]
