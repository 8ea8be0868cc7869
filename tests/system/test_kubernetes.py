"""The service and its commands with a pretended cluster: every strategy, a bad image, the way back;
and docs/providers/kubernetes.md as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrate.providers.outbound import SETTING
from tests.support.api import Deployment, Problem
from tests.support.kubernetes.images import Images, images
from tests.support.kubernetes.server import Cluster
from tests.support.repository import ROOT
from tests.support.service import Site, World, end_all, world
from tests.support.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

GUIDE = (ROOT / "docs" / "providers" / "kubernetes.md").read_text(encoding="utf-8")
VERSIONS = ("1.0.0", "1.1.0", "1.2.0")


@dataclass
class Ship:
    """A world with a cluster and a registry."""

    world: World
    cluster: Cluster
    images: Images

    def site(self, name: str, strategy: dict[str, object], **config: object) -> Site:
        settings: dict[str, object] = {
            "app": "shop",
            "name": name,
            "type": "dev",
            "provider": "kubernetes",
            "strategy": {"drain_s": 2, **strategy},
            "health": {"interval_s": 0.1, "healthy_after": 1, "start_timeout_s": 60},
            "config": {
                "kubeconfig": str(self.world.home / "kubeconfig"),
                "namespace": "shop",
                "image": f"{self.images.host}/team/shop:{{version}}",
                "port": 8080,
                "replicas": 2,
                "min_ready": 0,
                "patience": "2s",
                **config,
            },
        }
        self.world.api.set(settings)
        return Site(self.world, name, "", settings)


@pytest.fixture
def ship() -> Iterator[Ship]:
    with ExitStack() as stack:
        cluster = stack.enter_context(Cluster())
        registry = stack.enter_context(images(*VERSIONS))
        made = stack.enter_context(world(**{SETTING: registry.host}))
        kubeconfig = made.home / "kubeconfig"
        kubeconfig.write_text(cluster.kubeconfig(), encoding="utf-8")
        yield Ship(made, cluster, registry)


KNOWS_NOTHING = """
import json, sys
slots = json.load(sys.stdin)["slots"]
print(json.dumps({"schema": "orchestrate.metrics.v1", "slots": [{"total": 0, "bad": 0}] * slots}))
"""


def analysed(**more: object) -> dict[str, object]:
    """An analysis by a source that never has a request to tell of: it holds."""
    metrics = {
        "source": "command",
        "command": [sys.executable, "-c", KNOWS_NOTHING],
        "delay_s": 0,
        "resolution_s": 0.5,
        "queries": {"errors": {}},
    }
    return {"metrics": metrics, **more}


def ended(site: Site, deployment: Deployment, phase: str) -> Deployment:
    done = site.api.wait(deployment.id, within_s=120)
    assert done.phase == phase, done
    return done


@pytest.mark.parametrize("strategy", ["recreate", "rolling", "blue-green"])
def test_a_strategy_brings_a_version_and_a_rollback_takes_it_back(
    ship: Ship, strategy: str
) -> None:
    site = ship.site("plain", {"type": strategy})
    ended(site, site.begin("1.0.0"), "succeeded")
    ended(site, site.begin("1.1.0"), "succeeded")
    assert site.weights() == {"1.1.0": 100}
    ended(site, site.api.rollback("plain"), "succeeded")
    assert site.weights() == {"1.0.0": 100}
    assert site.live_version() == "1.0.0"


def test_a_canary_is_led_by_weights_and_waits_for_a_person_where_nothing_is_seen(
    ship: Ship,
) -> None:
    strategy = {"type": "canary", "steps": [10, 100], "analyse": analysed(window_s=1)}
    site = ship.site("weighed", strategy, gateway={"name": "public"})
    ended(site, site.begin("1.0.0"), "succeeded")
    plan = site.api.plan("weighed", "1.1.0")
    titles = [step["title"] for step in plan["steps"]]  # type: ignore[index,union-attr,call-overload]
    assert any("by HTTPRoute weights" in str(title) for title in titles)
    begun = site.begin("1.1.0")
    eventually(lambda: site.weights() == {"1.0.0": 90, "1.1.0": 10}, within_s=60)
    eventually(lambda: site.api.get(begun.id).steps.get("analyse-10") == "running", within_s=60)
    site.api.control(begun.id, "promote")
    ended(site, begun, "succeeded")
    assert site.weights() == {"1.1.0": 100}


def test_a_canary_whose_requests_nothing_counts_is_refused_with_the_ways_out(ship: Ship) -> None:
    site = ship.site("blind", {"type": "canary"})
    ended(site, site.begin("1.0.0"), "succeeded")
    with pytest.raises(Problem, match="kubernetes counts no requests") as raised:
        site.begin("1.1.0")
    assert "metric source" in raised.value.fix[0]


def test_a_canary_that_is_cancelled_leaves_what_was_there(ship: Ship) -> None:
    strategy = {"type": "canary", "steps": [50, 100], "analyse": analysed(window_s=60)}
    site = ship.site("ended", strategy)
    ended(site, site.begin("1.0.0"), "succeeded")
    begun = site.begin("1.1.0")
    eventually(lambda: site.weights() == {"1.0.0": 50, "1.1.0": 50}, within_s=60)
    site.api.control(begun.id, "cancel")
    ended(site, begun, "rolled_back")
    assert site.weights() == {"1.0.0": 100}


@pytest.mark.parametrize("strategy", ["rolling", "blue-green"])
def test_a_bad_image_is_refused_with_its_cause_and_taken_back(ship: Ship, strategy: str) -> None:
    site = ship.site("bad", {"type": strategy})
    ended(site, site.begin("1.0.0"), "succeeded")
    ship.cluster.kubelet.scripts["1.2.0"] = "bad-image"
    done = ended(site, site.begin("1.2.0"), "rolled_back")
    assert "its image cannot be pulled" in str(done.error)
    assert "ImagePullBackOff" in str(done.error) or "ErrImagePull" in str(done.error)
    assert site.weights() == {"1.0.0": 100}
    assert site.live_version() == "1.0.0"


def test_a_hand_on_the_image_ends_a_roll_and_not_its_way_back(ship: Ship) -> None:
    site = ship.site("hands", {"type": "rolling"})
    ended(site, site.begin("1.0.0"), "succeeded")
    ship.cluster.kubelet.scripts["1.1.0"] = "unready"
    begun = site.begin("1.1.0")
    eventually(lambda: len(ship.cluster.kubelet.started) > 2, within_s=60)
    (name,) = [each["metadata"]["name"] for each in ship.cluster.objects.list("deployments")]
    image = {"containers": [{"name": "app", "image": "registry.local/other:9"}]}
    patch = {"spec": {"template": {"spec": image}}}
    ship.cluster.by_hand("kubectl-set", "deployments", name, patch)
    done = ended(site, begun, "rolled_back")
    assert "superseded by kubectl-set" in str(done.error)
    found = ship.cluster.one("deployments", name)["spec"]["template"]["spec"]["containers"][0]
    assert ship.images.digest("1.0.0") in found["image"]
    assert site.weights() == {"1.0.0": 100}


def test_a_killed_service_goes_on_with_a_roll_and_nothing_is_done_twice(ship: Ship) -> None:
    site = ship.site("cut", {"type": "rolling"})
    ended(site, site.begin("1.0.0"), "succeeded")
    before = len(ship.cluster.kubelet.started)
    begun = site.begin("1.1.0")
    eventually(lambda: len(ship.cluster.kubelet.started) > before, within_s=60)
    ship.world.service.kill()
    ship.world.service.start()
    ended(site, begun, "succeeded")
    assert len(ship.cluster.kubelet.started) == before + 2
    assert site.weights() == {"1.1.0": 100}


def test_the_guide_leads_from_an_image_to_a_rollback(home: Path, tmp_path: Path) -> None:
    with Cluster() as cluster, images("1.0.0", "1.1.0") as registry:
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(cluster.kubeconfig(), encoding="utf-8")
        text = block("yaml").replace("registry.example.com", registry.host)
        (tmp_path / "orchestrate.yaml").write_text(text, encoding="utf-8")
        environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "ORCHESTRATE_HOME": str(home),
            SETTING: registry.host,
            "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
        }
        said = {}
        try:
            for line in block("sh").splitlines():
                done = subprocess.run(
                    line.split(),
                    cwd=tmp_path,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    text=True,
                    timeout=120,
                )
                assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
                said[line] = done.stdout
        finally:
            end_all(home)
        assert "1.1.0" in said["orchestrate deploy status --env staging"]


def block(kind: str) -> str:
    found = re.search(rf"^```{kind}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]
