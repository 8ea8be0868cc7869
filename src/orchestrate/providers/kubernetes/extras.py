"""What manifests hold beside a Deployment and its Service.

ConfigMaps belong to a revision, as its Secret does: each has its own, which nothing changes under
the Pods that read it. The other kinds have one name for all revisions, and are applied again when
the traffic goes back. What was applied is noted in the colour, since it need not be listable.
"""

from collections.abc import Iterable, Iterator, Mapping

from orchestrate.core.protocols import Write
from orchestrate.core.revision import Artifact, Revision
from orchestrate.providers.kubernetes import shape
from orchestrate.providers.kubernetes.api import Api
from orchestrate.providers.kubernetes.colors import Color
from orchestrate.providers.kubernetes.fence import Fence
from orchestrate.providers.kubernetes.manifests import EXTRA, extra_of
from orchestrate.providers.kubernetes.objects import (
    Json,
    Kind,
    items,
    label,
    name_of,
    note,
    part,
    text,
)
from orchestrate.providers.kubernetes.pins import KIND, Pins
from orchestrate.providers.kubernetes.settings import Settings

KEPT = 5
"""Revisions of a colour whose ConfigMaps are kept."""
CONFIG_MAP = "ConfigMap"
OF_COLOR = "HorizontalPodAutoscaler"
_KINDS = {plural: Kind(api, name, plural) for (api, name), plural in EXTRA.items()}
_LONGEST = 200


class Extras:
    """The other objects of the revisions of an environment."""

    def __init__(
        self,
        settings: Settings,
        api: Api,
        fence: Fence,
        pins: Pins,
        labels: Mapping[str, str],
    ) -> None:
        self.settings, self.api, self.fence = settings, api, fence
        self.pins, self.labels = pins, labels

    def made(
        self, objects: list[Json], color: str, revision: Revision, write: Write
    ) -> Iterator[tuple[Kind, Json]]:
        """What is to be applied for a revision in a colour."""
        for each in extra_of(objects):
            body = shape.extra(each, self.settings, color, self.labels, write)
            if text(each, "kind") == CONFIG_MAP:
                part(body, "metadata")["name"] = _of_revision(name_of(each), revision)
                body["immutable"] = True
            yield _KINDS[EXTRA[text(each, "apiVersion"), text(each, "kind")]], body

    def put(
        self, objects: list[Json], color: str, revision: Revision, write: Write, *, force: bool
    ) -> None:
        """Have them there. Raises FencedOut, FieldConflict."""
        for kind, body in self.made(objects, color, revision, write):
            self.fence.apply(kind, body, write, force=force)

    def again(self, color: Color | None, write: Write) -> None:
        """Apply again what all revisions share, as the one has it that a colour holds: another one
        was started, or served, since. Nothing is done, and no hand gone over, where this very
        deployment has put the colour there."""
        if color is None or _workflow(note(color.deployment, "write-key")) == _workflow(write.key):
            return
        manifests = note(color.deployment, "manifests")
        artifact = Artifact(kind=KIND, reference="", digest=manifests)
        # Without the kept manifests there is nothing to go by; the traffic goes back all the same.
        if not manifests or not self.pins.has(artifact):
            return
        for each in extra_of(self.pins.objects(artifact)):
            if text(each, "kind") in (CONFIG_MAP, OF_COLOR):
                continue
            kind = _KINDS[EXTRA[text(each, "apiVersion"), text(each, "kind")]]
            body = shape.extra(each, self.settings, color.name, self.labels, write)
            self.fence.apply(kind, body, write, force=True)

    def refer(self, body: Json, objects: list[Json], revision: Revision) -> None:
        """Let a Deployment read the ConfigMaps of its own revision."""
        own = {
            name_of(each): _of_revision(name_of(each), revision)
            for each in extra_of(objects)
            if text(each, "kind") == CONFIG_MAP
        }
        if not own:
            return
        for found in _references(part(body, "spec", "template", "spec")):
            found["name"] = own.get(text(found, "name"), found.get("name"))

    def keep(
        self,
        body: Json,
        objects: list[Json],
        revision: Revision,
        color: Color | None,
        all_colors: Iterable[Color],
    ) -> None:
        """Note in a Deployment that is to be written what there is for its colour, and let go of
        the ConfigMaps of revisions beyond the last few."""
        name = label(body, "color")
        new = [
            (revision.key, kind.plural, name_of(each))
            for kind, each in self.made(objects, name, revision, Write(0, "", ""))
        ]
        had = [each for each in _noted(color) if each not in new]
        if not had and not new:
            return
        keys = list(dict.fromkeys(key for key, _, _ in [*had, *new]))
        needed = {*keys[-KEPT:], *(each.revision.key for each in all_colors)}
        old = [e for e in had if e[1] == EXTRA["v1", CONFIG_MAP] and e[0] not in needed]
        for _, plural, of in old:
            self.api.delete(_KINDS[plural], of)
        left = [each for each in had if each not in old] + new
        shape.annotate(body, {"extras": ",".join("/".join(each) for each in left)})

    def forget(self, color: Color) -> None:
        """Delete all that was ever applied for a colour, and is not another environment's now."""
        for plural, name in dict.fromkeys((plural, name) for _, plural, name in _noted(color)):
            found = self.api.get(_KINDS[plural], name)
            if found is not None and self.fence.owns(found):
                self.api.delete(_KINDS[plural], name)


def kinds_of(objects: Iterable[Json]) -> list[Kind]:
    """Kinds beside a Deployment and a Service that manifests hold."""
    found = {EXTRA[text(e, "apiVersion"), text(e, "kind")] for e in extra_of(list(objects))}
    return [_KINDS[plural] for plural in sorted(found)]


def _workflow(key: str) -> str:
    """The deployment that a write belongs to."""
    return key.partition("/")[0]


def _of_revision(name: str, revision: Revision) -> str:
    return f"{name[:_LONGEST]}-{revision.key}"


def _noted(color: Color | None) -> list[tuple[str, str, str]]:
    """Revision key, plural and name of each object that is noted in a colour."""
    found = note(color.deployment, "extras").split(",") if color is not None else []
    parts = [each.split("/") for each in found]
    return [(p[0], p[1], p[2]) for p in parts if len(p) == 3 and p[1] in _KINDS]


def _references(pod: Json) -> Iterator[Json]:
    """Every place of a Pod's template that names a ConfigMap."""
    for volume in items(pod, "volumes"):
        yield part(volume, "configMap")
        for source in items(volume, "projected", "sources"):
            yield part(source, "configMap")
    for kind in ("initContainers", "containers"):
        for container in items(pod, kind):
            for source in items(container, "envFrom"):
                yield part(source, "configMapRef")
            for env in items(container, "env"):
                yield part(env, "valueFrom", "configMapKeyRef")
