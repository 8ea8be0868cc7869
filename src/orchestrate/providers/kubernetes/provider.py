"""The provider `kubernetes`: Deployments in one namespace, led to by a Service.

Everything is written by server-side apply, rollbacks too: a revision's objects are made again from
the revision, never patched back. The labels and annotations of these objects are the record of what
each one is; a Lease holds the number of the newest write.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pydantic import JsonValue

from orchestrate.core.environment import Environment, StrategyName
from orchestrate.core.errors import OrchestrateError, ProviderConfigInvalid
from orchestrate.core.protocols import (
    Capabilities,
    Finding,
    LiveState,
    LogLine,
    Progress,
    RequestCounts,
    Restorable,
    Secrets,
    Write,
)
from orchestrate.core.revision import Artifact, Ref, Revision, snapshot
from orchestrate.core.secret import Secret
from orchestrate.core.steps import Share
from orchestrate.providers.edge.place import slug_of
from orchestrate.providers.kubernetes import probe, seen, shape
from orchestrate.providers.kubernetes.api import Api
from orchestrate.providers.kubernetes.colors import Color, Colors, written
from orchestrate.providers.kubernetes.endpoints import Endpoints
from orchestrate.providers.kubernetes.extras import Extras, kinds_of
from orchestrate.providers.kubernetes.fence import Fence
from orchestrate.providers.kubernetes.gateway import HttpRoute
from orchestrate.providers.kubernetes.images import Images
from orchestrate.providers.kubernetes.ingress import NginxIngress
from orchestrate.providers.kubernetes.logs import lines_of
from orchestrate.providers.kubernetes.manifests import render, service_of
from orchestrate.providers.kubernetes.objects import (
    DEPLOYMENT,
    INGRESS,
    MANAGER,
    ROUTE,
    SCALER,
    SERVICE,
    Json,
    Kind,
    label,
    name_of,
    note,
)
from orchestrate.providers.kubernetes.pins import Pins, image_of, pinned
from orchestrate.providers.kubernetes.ratio import Replicas
from orchestrate.providers.kubernetes.rollout import Rollout
from orchestrate.providers.kubernetes.settings import Settings, settings_of
from orchestrate.providers.kubernetes.traffic import Splitter, Traffic
from orchestrate.providers.kubernetes.vault import Vault

NO_DIGEST = f"sha256:{'0' * 64}"


class KubernetesProvider:
    """See the module. Raises ProviderConfigInvalid at once when `config` is wrong; that no cluster
    answers, only when one is needed."""

    def __init__(self, environment: Environment, home: str, secrets: Secrets) -> None:
        self.environment, self.secrets = environment, secrets
        self.slug = slug_of(environment.app, environment.name)
        self.settings = settings_of(environment.config, self.slug)
        settings = self.settings
        self.labels = shape.whose(environment.app, environment.name)
        pins = Pins(os.path.join(os.path.abspath(home), "kubernetes", self.slug))
        self.api = Api(settings.access, settings.namespace, secrets)
        self.fence = Fence(self.api, settings.name, self.labels, take_over=settings.take_over)
        self.colors = Colors(self.api, self.fence, self.labels)
        self.endpoints = Endpoints(self.api, self.labels)
        self.traffic = Traffic(
            settings,
            self.api,
            self.fence,
            self.colors,
            self.endpoints,
            self.labels,
            self._splitter(),
        )
        self.images = Images(settings, secrets)
        self.vault = Vault(settings, self.api, self.labels, secrets, environment)
        self.capabilities = Capabilities(
            strategies=frozenset(StrategyName),
            native_rolling=True,
            divides=self.traffic.splitter.divides,
        )
        self.pins = pins
        self.extras = Extras(settings, self.api, self.fence, pins, self.labels)

    @property
    def renders(self) -> bool:
        return self.settings.source in ("render", "kustomize")

    def replicas(self) -> int:
        return self.settings.replicas

    def probe(self) -> list[Finding]:
        means, secrets = self.traffic.splitter.means, bool(self.vault.names())
        objects = self._known()
        artifact = Artifact(kind="image", reference=self.settings.image, digest=NO_DIGEST)

        def rehearse() -> None:
            if objects or self.settings.source == "built-in":
                self._rehearse(snapshot(self.environment, "0", artifact), objects)

        beside = self.environment.strategy.type in (StrategyName.BLUE_GREEN, StrategyName.CANARY)
        kinds = kinds_of(objects)
        return probe.findings(self.settings, self.api, means, secrets, kinds, rehearse, beside)

    def resolve(self, version: str) -> Artifact:
        image, digest = self.images.pin(version)
        objects = render(self.settings, version, pinned(image, digest))
        artifact = self.pins.pin(image, digest, objects)
        self._rehearse(snapshot(self.environment, version, artifact), objects)
        return artifact

    def registry_login(self) -> tuple[str, Secret] | None:
        return self.images.login()

    def observe(self) -> LiveState:
        colors, pods = self.colors.all(), self.endpoints.pods()
        service = self.traffic.service()
        split = self.traffic.splitter.read(service)
        ready = self.endpoints.ready(self.settings.name, pods) if service else []
        if split is not None:
            ready += self.endpoints.ready(f"{self.settings.name}-{split.color}", pods)
        return LiveState(
            running=seen.running(colors, pods, self.settings.autoscaled, self.settings.container),
            shares=seen.shares(colors, self.traffic.pointed(service), split, ready),
            address=self.environment.url,
            write=max([self.fence.newest(), *(color.write for color in colors)]),
            tolerance=split.tolerance if split is not None else 0,
        )

    def requests(self) -> Mapping[str, RequestCounts]:
        """None: a cluster counts no requests by itself; metric sources do."""
        return {}

    def start(self, revision: Revision, replicas: int, write: Write) -> None:
        self.fence.pass_(write)
        found = self.colors.of(revision.key)
        name = found.name if found is not None else self.colors.free()
        least = max(found.wanted if found else 0, self._counted_beside(name))
        self._put(revision, name, max(replicas, least), write)

    def _counted_beside(self, name: str) -> int:
        """Replicas that an autoscaler has given to what serves now, beside colour `name`: what is
        to take over its traffic begins with as many. The plan does not have that number, which
        moves."""
        serving = self.traffic.pointed().color
        live = self.colors.named(serving) if serving and serving != name else None
        counted = live is not None and (live.autoscaled or self.settings.autoscaled)
        return live.asked if live is not None and counted else 0

    def roll(self, revision: Revision, replicas: int, write: Write) -> None:
        """Replace what serves, in its colour, by the Deployment's own rolling update."""
        self.fence.pass_(write)
        serving = self.traffic.pointed().color
        live = self.colors.named(serving) if serving else None
        if live is not None and live.asked > 0:
            self._end_twin(revision, live, write)
            self._put(revision, live.name, replicas, write)
            return
        found = self.colors.of(revision.key)
        name = found.name if found is not None else self.colors.free()
        self._put(revision, name, replicas, write)
        self.traffic.first(name, write)

    def scale(self, revision: Ref, replicas: int, write: Write) -> None:
        self.fence.pass_(write)
        color = self.colors.of(revision.key)
        if color is None:
            return
        if replicas == 0:
            self.traffic.leave(color, write)
            color = self.colors.named(color.name) or color
        if color.asked > replicas:
            self.colors.scale(color, replicas, write)
        if replicas == 0:
            serving = self.traffic.pointed().color
            self.extras.again(self.colors.named(serving) if serving else None, write)

    def route(self, shares: Sequence[Share], fallback: Ref | None, write: Write) -> None:
        """`fallback` is nothing a Service has: it leads to ready Pods, or nowhere."""
        self.fence.pass_(write)
        alone = [share for share in shares if share.percent]
        if len(alone) == 1:
            self.extras.again(self.colors.of(alone[0].revision.key), write)
        self.traffic.divide(shares, write)

    def stop(self, revision: Ref, write: Write) -> None:
        self.scale(revision, 0, write)

    def progress(
        self,
        revision: Revision,
        replicas: int,
        watched_s: float,
        memory: Mapping[str, JsonValue],
    ) -> Progress:
        color = self.colors.of(revision.key)
        if color is not None:
            self.fence.renew(color.write)
        image = image_of(revision.artifact)
        way = Rollout(
            self._settings_of(revision), self.api, self.endpoints, self.labels, self.vault.mask
        )
        return way.progress(color, revision, image, replicas, watched_s, memory)

    def restorable(self, revision: Revision) -> Restorable:
        color = self.colors.of(revision.key)
        if color is not None and color.asked > 0:
            return Restorable(ok=True, running=True)
        lost = []
        if not self.pins.has(revision.artifact):
            lost.append(f"the manifests of {revision.version} are not kept here")
        image = self.images.lost(image_of(revision.artifact))
        if image is not None:
            lost.append(image)
        return Restorable(ok=not lost, lost=tuple(lost))

    def logs(self, revision: Ref, tail: int, grep: str | None = None) -> Iterator[LogLine]:
        pods = [p for p in self.endpoints.pods() if label(p, "revision") == revision.key]
        return lines_of(self.api, self.settings.container, revision.key, pods, tail, grep)

    def dismantle(self) -> None:
        """Delete the Deployments, Services, routes and Secrets of this environment, whatever the
        number of the last write; returns when asked for. What has one of these names and is
        somebody else's stays. The Lease stays too, and refuses who is late. For an environment that
        is deleted."""
        with contextlib.suppress(ProviderConfigInvalid):  # the Lease is a stranger's: never ours
            self.fence.pass_(Write(self.observe().write + 1, "dismantle", ""))
        name = self.settings.name
        if self.settings.gateway is not None and self.settings.gateway.route is None:
            self._delete(ROUTE, name)
        if self.settings.ingress is not None:
            self._delete(INGRESS, f"{name}-canary")
            self._delete(INGRESS, name)
        self._delete(SERVICE, name)
        for color in self.colors.all():
            self._delete(SERVICE, f"{name}-{color.name}")
            # The Deployment is the record of the others: last, or they would be lost to a retry.
            self.vault.forget(color)
            self.extras.forget(color)
            self._delete(DEPLOYMENT, name_of(color.deployment))

    def _delete(self, kind: Kind, name: str) -> None:
        found = self.api.get(kind, name)
        if found is not None and self.fence.owns(found):
            self.api.delete(kind, name)

    def _known(self) -> list[Json]:
        """The manifests as far as they are known without a version: those that can be read, else
        those that were written last."""
        if self.settings.source == "manifests":
            with contextlib.suppress(OrchestrateError):  # the probe says what is wrong with them
                return render(self.settings, "", "")
        return self.pins.newest() if self.settings.source != "built-in" else []

    def _splitter(self) -> Splitter:
        settings = self.settings
        if settings.gateway is not None:
            return HttpRoute(settings, settings.gateway, self.api, self.fence, self.labels)
        if settings.ingress is not None:
            return NginxIngress(settings, settings.ingress, self.api, self.fence, self.labels)
        return Replicas(settings, self.api, self.fence, self.colors, self.endpoints, self.labels)

    def _rehearse(self, revision: Revision, objects: list[Json]) -> None:
        """Ask the cluster whether it would take what a deployment writes, with nothing stored: in
        the colour that serves where the cluster rolls, else in a free one. Not forced, but where
        the deployment would be: raises FieldConflict before anything is begun."""
        self.fence.refuse_taken()
        write, settings = Write(0, "probe", ""), self.settings
        serving = self.traffic.pointed().color
        live = self.colors.named(serving) if serving else None
        if self.environment.strategy.type is not StrategyName.ROLLING:
            live = None
        found = live if live is not None and live.asked else self.colors.of(revision.key)
        name = found.name if found is not None else self.colors.free()
        before = self.colors.named(name)
        force = before is not None and before.returns_to(revision.key)

        def ask(kind: Kind, body: Json, manager: str = MANAGER, *, force: bool = force) -> None:
            forced = force or settings.take_over
            self.api.apply(kind, body, manager=manager, dry_run=True, force=forced)

        for kind, made in self.extras.made(objects, name, revision, write):
            ask(kind, made)
        ask(DEPLOYMENT, self._deployment(revision, objects, name, write))
        if before is not None and before.asked and not before.autoscaled:
            meta = {"name": f"{settings.name}-{name}"}
            ask(DEPLOYMENT, {"metadata": meta, "spec": {"replicas": settings.replicas}}, SCALER)
        base = service_of(objects) or self._plain_service(revision)
        notes = shape.marks(write)
        main = shape.service(settings, base, settings.name, self.labels, name, notes)
        ask(SERVICE, main, force=False)

    def _put(self, revision: Revision, color: str, replicas: int, write: Write) -> None:
        """Have a colour hold a revision, with all that belongs to it."""
        objects = self.pins.objects(revision.artifact)
        before = self.colors.named(color)
        # A hand on the image must not make the way back fail: what a revision decides is ours.
        back = before is not None and before.returns_to(revision.key)
        self.vault.put(revision, write)
        self.extras.put(objects, color, revision, write, force=back)
        self.traffic.expose(color, service_of(objects) or self._plain_service(revision), write)
        body = self._deployment(revision, objects, color, write)
        colors = self.colors.all()
        self.vault.keep(body, revision, before, colors)
        self.extras.keep(body, objects, revision, before, colors)
        if before is not None:
            shape.annotate(body, {"before": _before(before, revision)})
        made = self.colors.put(body, write, force=back)
        if back and before is not None:
            replicas = max(replicas, before.asked)  # never fewer than somebody saw a need for
        self.colors.scale(Color(color, made), replicas, write, force=back, ours=written(made))

    def _deployment(
        self, revision: Revision, objects: list[Json], color: str, write: Write
    ) -> Json:
        secret = self.vault.name(revision)
        image = image_of(revision.artifact)
        body = shape.deployment(
            self._settings_of(revision), revision, objects, image, color, self.labels, secret, write
        )
        self.extras.refer(body, objects, revision)
        return body

    def _settings_of(self, revision: Revision) -> Settings:
        """What a revision was made with; where it goes is the environment's to say."""
        now = self.settings
        return replace(
            settings_of(revision.config, self.slug),
            name=now.name,
            namespace=now.namespace,
            access=now.access,
            take_over=now.take_over,
        )

    def _plain_service(self, revision: Revision) -> Json:
        return shape.plain_service(self._settings_of(revision))

    def _end_twin(self, revision: Revision, live: Color, write: Write) -> None:
        """The same revision in another colour, kept without traffic: it is not needed twice."""
        twin = self.colors.of(revision.key)
        if twin is not None and twin.name != live.name and twin.asked > 0:
            self.traffic.leave(twin, write)
            self.colors.scale(twin, 0, write)


def _before(color: Color, revision: Revision) -> str:
    """Key of the revision that a colour had before the one it is about to get; none after a way
    back: what is deployed then is a new one, also where it is the same again."""
    if color.revision.key == revision.key:
        return note(color.deployment, "before")
    return "" if color.returns_to(revision.key) else color.revision.key
