"""An environment on a cluster of somebody's own, for the contract with --kubeconfig.

It needs an image with a shell and busybox's httpd in three tags, named with --cluster-image, such
as registry.example.com/busybox:{version}: 1.0.0, 1.1.0 and 1.2.0 of any content, so long as their
digests differ. The version decides what the container does. Everything is made in the kubeconfig's
current namespace, under names of its own, and taken away again.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import yaml

from orchestrate.core.environment import Environment, EnvironmentType, HealthGate
from orchestrate.core.protocols import Write
from orchestrate.core.revision import Revision, snapshot
from orchestrate.core.steps import Share
from orchestrate.providers.kubernetes import KubernetesProvider
from orchestrate.providers.kubernetes.objects import (
    EVENT,
    REPLICA_SET,
    condition,
    name_of,
    number,
    text,
    uid_of,
    version_of,
)
from tests.support.kubernetes.app import OF_KUBERNETES
from tests.support.local import Answer
from tests.support.platform import Ability, Failing, How
from tests.support.secrets import NoSecrets
from tests.support.waiting import eventually

SLOW_S = 120.0
PROGRAM = """
echo "serving $ORCHESTRATE_VERSION"
if [ "$ORCHESTRATE_VERSION" = 1.2.0 ]; then echo "no settings"; exit 7; fi
mkdir -p /tmp/www && echo ok > /tmp/www/healthz && exec httpd -f -p "$PORT" -h /tmp/www
"""


@dataclass
class RealCluster:
    """The environment shop/dev under a name of its own: a Platform."""

    home: Path
    kubeconfig: Path
    image: str
    name: str = field(default_factory=lambda: f"t-{secrets.token_hex(4)}")
    number: int = 0
    seen: set[str] = field(default_factory=set)

    cannot: ClassVar[Mapping[Ability, str]] = {
        **OF_KUBERNETES,
        "answers_requests": "nothing leads into the cluster; what it shows is compared",
        "exact_percents": "without a Gateway the traffic is divided by whole replicas",
        "calls_fail": "a cluster of somebody's own is not broken on purpose",
    }

    def __post_init__(self) -> None:
        self.provider = self.another()

    @property
    def environment(self) -> Environment:
        found = yaml.safe_load(self.kubeconfig.read_text(encoding="utf-8"))
        current = next(c for c in found["contexts"] if c["name"] == found["current-context"])
        return Environment(
            app="shop",
            name=self.name,
            type=EnvironmentType.DEV,
            provider="kubernetes",
            health=HealthGate(interval_s=0.5, healthy_after=1),
            config={
                "kubeconfig": str(self.kubeconfig),
                "namespace": current["context"].get("namespace", "default"),
                "name": self.name,
                "image": self.image,
                "port": 8080,
                "replicas": 2,
                "min_ready": 0,
                "grace": 1,
                "command": ["sh", "-c", PROGRAM],
            },
        )

    def another(self) -> KubernetesProvider:
        return KubernetesProvider(self.environment, str(self.home), NoSecrets())

    def pinned(self, version: str) -> Revision:
        return snapshot(self.environment, version, self.provider.resolve(version))

    def write(self, key: str | None = None) -> Write:
        self.number += 1
        return Write(self.number, key or f"d1/step-{self.number}/op", "lease-1")

    def up(self, revision: Revision, replicas: int = 2) -> Revision:
        self.provider.start(revision, replicas, self.write())
        eventually(lambda: len(self.copies(revision)) >= replicas, within_s=SLOW_S, every_s=0.2)
        eventually(
            lambda: self.provider.progress(revision, replicas, 0.0, {}).done,
            within_s=SLOW_S,
            every_s=0.2,
        )
        return revision

    def route(self, *parts: tuple[Revision, int], fallback: Revision | None = None) -> None:
        shares = [Share(revision=revision.ref, percent=percent) for revision, percent in parts]
        self.provider.route(shares, fallback.ref if fallback else None, self.write())

    def live(self, version: str = "1.0.0", replicas: int = 2) -> Revision:
        revision = self.up(self.pinned(version), replicas)
        self.route((revision, 100))
        return revision

    def served(self) -> set[str]:
        return {s.revision.version for s in self.provider.observe().shares if s.percent}

    def ask(self, path: str = "/") -> Answer:
        raise NotImplementedError(self.cannot["answers_requests"])

    def copies(self, revision: Revision) -> list[str]:
        pods = [
            pod
            for pod in self.provider.endpoints.pods()
            if text(pod, "metadata", "labels", "orchestrate/revision") == revision.key
            and not text(pod, "metadata", "deletionTimestamp")
            and text(condition(pod, "Ready"), "status") == "True"
        ]
        return [
            uid_of(p) for p in sorted(pods, key=lambda p: text(p, "metadata", "creationTimestamp"))
        ]

    def effects(self, revision: Revision) -> list[str]:
        """By what the cluster says it created for the revision's ReplicaSets."""
        labels = {**self.provider.labels, "orchestrate/revision": revision.key}
        started = 0
        for each in self.provider.api.find(REPLICA_SET, labels):
            fields = f"involvedObject.uid={uid_of(each)},reason=SuccessfulCreate"
            events = self.provider.api.find(EVENT, fields=fields)
            started += sum(max(number(event, "count"), 1) for event in events)
        return ["started"] * started

    def changes(self) -> int:
        """States of the Service that were seen."""
        service = self.provider.traffic.service()
        if service is not None:
            self.seen.add(f"{name_of(service)}@{version_of(service)}")
        return len(self.seen)

    @contextmanager
    def failing(self, call: int, how: How) -> Iterator[Failing]:
        raise NotImplementedError(self.cannot["calls_fail"])
        yield


@contextmanager
def real_cluster(home: Path, kubeconfig: str, image: str) -> Iterator[RealCluster]:
    """An environment that is taken away at the end."""
    made = RealCluster(home, Path(kubeconfig), image)
    try:
        yield made
    finally:
        made.another().dismantle()
