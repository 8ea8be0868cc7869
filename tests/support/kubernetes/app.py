"""An environment in a pretended cluster, for the contract and for tests of the provider."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Self

from pydantic import JsonValue

from orchestrate.core.environment import Environment, EnvironmentType, HealthGate
from orchestrate.core.notification import Notification
from orchestrate.core.protocols import Secrets, Write
from orchestrate.core.revision import Revision, snapshot
from orchestrate.core.steps import Share
from orchestrate.providers.kubernetes import KubernetesProvider
from orchestrate.providers.outbound import SETTING
from tests.support.between import Between
from tests.support.kubernetes.images import Images, images
from tests.support.kubernetes.server import Cluster
from tests.support.local import Answer
from tests.support.platform import Ability, Failing, How
from tests.support.secrets import NoSecrets, versions
from tests.support.waiting import eventually

OF_KUBERNETES: Mapping[Ability, str] = {
    "first_replicas": "a Service leads to all Pods that it selects",
    "serves_fallback": "a Service has no fallback: it leads to ready Pods, or nowhere",
    "orders_replicas": "a ReplicaSet has no order; the cluster chooses which Pods end",
    "replica_addresses": "Pods have addresses inside of the cluster alone",
    "open_connections": "the cluster counts no connections; Pods are given a grace to end",
    "counts_requests": "a cluster counts no requests; a metric source does",
    "prints": "nothing outside of the cluster can ask a Pod",
}
"""What no cluster can, and why."""


@dataclass
class Kubernetes:
    """The environment shop/dev on a cluster, with versions 1.0.0, 1.1.0 and 1.2.0: a Platform."""

    home: Path
    cluster: Cluster
    images: Images
    config: dict[str, JsonValue] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    secret_names: tuple[str, ...] = ()
    secrets: Secrets = field(default_factory=NoSecrets)
    notifications: tuple[Notification, ...] = ()
    url: str | None = None
    number: int = 0
    between: Between | None = None

    cannot: ClassVar[Mapping[Ability, str]] = {
        **OF_KUBERNETES,
        "answers_requests": "the pretended API server moves no packets; what it shows is compared",
        "exact_percents": "without a Gateway the traffic is divided by whole replicas",
    }

    def __post_init__(self) -> None:
        self.cluster.kubelet.scripts.setdefault("1.2.0", "crash")
        self.provider = self.another()

    @property
    def kubeconfig(self) -> Path:
        path = self.home / ("kubeconfig-between" if self.between else "kubeconfig")
        if not path.exists():
            address = self.between.address if self.between else None
            path.write_text(self.cluster.kubeconfig(address), encoding="utf-8")
        return path

    @property
    def environment(self) -> Environment:
        return Environment(
            app="shop",
            name="dev",
            type=EnvironmentType.DEV,
            provider="kubernetes",
            url=self.url,
            variables=self.variables,
            secrets=self.secret_names,
            notifications=self.notifications,
            health=HealthGate(interval_s=0.1, healthy_after=1),
            config={
                "kubeconfig": str(self.kubeconfig),
                "namespace": "shop",
                "name": "shop",
                "image": f"{self.images.host}/team/shop:{{version}}",
                "port": 8080,
                "replicas": 2,
                "min_ready": 0,
                "patience": "2s",
                **self.config,
            },
        )

    def another(self) -> KubernetesProvider:
        return KubernetesProvider(self.environment, str(self.home), self.secrets)

    def pinned(self, version: str) -> Revision:
        # As the engine has it: from the records, and not by the wire that a test breaks.
        found = self.provider.resolve(version)
        return snapshot(self.environment, version, found, versions(self.environment))

    def write(self, key: str | None = None) -> Write:
        self.number += 1
        return Write(self.number, key or f"d1/step-{self.number}/op", "lease-1")

    def up(self, revision: Revision, replicas: int = 2) -> Revision:
        self.provider.start(revision, replicas, self.write())
        eventually(lambda: len(self.copies(revision)) >= replicas)
        eventually(lambda: self.provider.progress(revision, replicas, 0.0, {}).done)
        return revision

    def route(self, *parts: tuple[Revision, int], fallback: Revision | None = None) -> None:
        shares = [Share(revision=revision.ref, percent=percent) for revision, percent in parts]
        self.provider.route(shares, fallback.ref if fallback else None, self.write())

    def live(self, version: str = "1.0.0", replicas: int = 2) -> Revision:
        revision = self.up(self.pinned(version), replicas)
        self.route((revision, 100))
        return revision

    def served(self) -> set[str]:
        """By the endpoints that the cluster shows."""
        return {s.revision.version for s in self.provider.observe().shares if s.percent}

    def ask(self, path: str = "/") -> Answer:
        raise NotImplementedError(self.cannot["answers_requests"])

    def copies(self, revision: Revision) -> list[str]:
        pods = [
            pod
            for pod in self.cluster.objects.list("pods")
            if pod["metadata"]["labels"].get("orchestrate/revision") == revision.key
            and not pod["metadata"].get("deletionTimestamp")
            and any(
                c["type"] == "Ready" and c["status"] == "True" for c in pod["status"]["conditions"]
            )
        ]
        return [pod["metadata"]["uid"] for pod in sorted(pods, key=lambda p: p["metadata"]["_at"])]

    def effects(self, revision: Revision) -> list[str]:
        return ["started" for key, _ in self.cluster.kubelet.started if key == revision.key]

    def changes(self) -> int:
        """How often the main Service was written."""
        return sum(
            change.plural == "services" and change.object["metadata"]["name"] == "shop"
            for change in self.cluster.objects.changes
        )

    @contextmanager
    def failing(self, call: int, how: How) -> Iterator[Failing]:
        if self.between is None:
            self.between = Between(self.cluster.address).__enter__()
            self.provider = self.another()
        with self.between.failing(call, how) as broken:
            yield broken

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.between is not None:
            self.between.__exit__()


@contextmanager
def allowed(host: str) -> Iterator[None]:
    """Let this process ask a registry of this machine, as an administrator would."""
    before = os.environ.get(SETTING)
    os.environ[SETTING] = f"{before or ''} {host}".strip()
    try:
        yield
    finally:
        os.environ.pop(SETTING)
        if before is not None:
            os.environ[SETTING] = before


@contextmanager
def kubernetes(home: Path, **config: JsonValue) -> Iterator[Kubernetes]:
    """An environment on a pretended cluster of its own."""
    with ExitStack() as stack:
        cluster = stack.enter_context(Cluster())
        registry = stack.enter_context(images("1.0.0", "1.1.0", "1.2.0"))
        stack.enter_context(allowed(registry.host))
        yield stack.enter_context(Kubernetes(home, cluster, registry, config))
