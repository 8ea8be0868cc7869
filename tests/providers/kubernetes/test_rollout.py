"""How a revision comes up, and what is said when it does not, on a pretended cluster that lies for
a while after each write as a real one does."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pydantic import JsonValue

from orchestrate.core.errors import (
    ExitedAtOnce,
    FieldConflict,
    OrchestrateError,
    StepFailed,
    Unhealthy,
)
from orchestrate.core.protocols import Progress
from orchestrate.core.revision import Revision
from tests.support.kubernetes.app import Kubernetes, kubernetes
from tests.support.kubernetes.kubelet import Script
from tests.support.secrets import GivenSecrets
from tests.support.waiting import eventually

pytestmark = pytest.mark.system


def follow(shop: Kubernetes, revision: Revision, replicas: int = 2) -> Progress:
    """Ask for its progress until it is done, by a clock of its own. Raises what ends it."""
    memory: dict[str, JsonValue] = {}
    begun = time.monotonic()

    def look() -> Progress | None:
        nonlocal memory
        watched = time.monotonic() - begun
        found = shop.provider.progress(revision, replicas, watched, memory)
        memory = dict(found.memory)
        return found if found.done else None

    return eventually(look)


def ended(shop: Kubernetes, script: Script, *, roll: bool = True) -> OrchestrateError:
    """What a roll to a version with this script ends with."""
    shop.cluster.kubelet.scripts["1.1.0"] = script
    shop.live("1.0.0")
    new = shop.pinned("1.1.0")
    shop.provider.roll(new, 2, shop.write())
    with pytest.raises(StepFailed) as raised:
        follow(shop, new)
    return raised.value


class TestProgress:
    def test_is_not_believed_while_the_status_speaks_of_the_old_generation(
        self, shop: Kubernetes
    ) -> None:
        shop.cluster.controllers.lag_s = 0.6
        shop.live("1.0.0")
        new = shop.pinned("1.1.0")
        shop.provider.roll(new, 2, shop.write())
        status = shop.cluster.one("deployments", "shop-blue")["status"]
        assert status["updatedReplicas"] == status["availableReplicas"] == 2, "the lie"
        found = shop.provider.progress(new, 2, 0.0, {})
        assert not found.done and "is not seen yet" in found.text
        assert follow(shop, new).text == "2 of 2 replicas are available"

    def test_is_not_believed_while_the_traffic_has_not_followed(self, shop: Kubernetes) -> None:
        shop.live("1.0.0")
        new = shop.pinned("1.1.0")
        shop.cluster.controllers.slices = False
        shop.provider.roll(new, 2, shop.write())

        def rolled() -> Progress | None:
            found = shop.provider.progress(new, 2, 0.0, {})
            return found if found.done or "still leads" in found.text else None

        told = eventually(rolled)
        assert not told.done and "Service shop still leads to" in told.text
        shop.cluster.controllers.slices = True
        assert follow(shop, new).done
        assert shop.served() == {"1.1.0"}

    def test_of_a_roll_keeps_all_replicas_available(self, shop: Kubernetes) -> None:
        shop.live("1.0.0", 3)
        new = shop.pinned("1.1.0")
        shop.provider.roll(new, 3, shop.write())
        least = 3

        def done() -> bool:
            nonlocal least
            seen = shop.provider.observe()
            least = min(least, sum(x.state == "running" for r in seen.running for x in r.replicas))
            return shop.provider.progress(new, 3, 0.0, {}).done

        eventually(done)
        assert least >= 3

    def test_of_the_same_revision_again_starts_no_rollout(self, shop: Kubernetes) -> None:
        live = shop.live("1.0.0")
        before = shop.cluster.one("deployments", "shop-blue")["metadata"]["generation"]
        shop.provider.roll(live, 2, shop.write())
        assert shop.cluster.one("deployments", "shop-blue")["metadata"]["generation"] == before


class TestFailure:
    @pytest.mark.parametrize(
        ("script", "kind", "words"),
        [
            ("bad-image", Unhealthy, "its image cannot be pulled"),
            ("crash", ExitedAtOnce, "it ended before it was healthy"),
            ("oom", ExitedAtOnce, "it ended before it was healthy"),
            ("config", StepFailed, "its containers cannot be made"),
        ],
    )
    def test_is_told_early_with_its_cause(
        self, shop: Kubernetes, script: Script, kind: type[Exception], words: str
    ) -> None:
        problem = ended(shop, script)
        assert type(problem) is kind
        assert words in problem.message
        assert any("event: " in why for why in problem.why), problem.why

    def test_of_memory_is_told_from_another_end(self, shop: Kubernetes) -> None:
        assert "OOMKilled, exit code 137" in "\n".join(ended(shop, "oom").why)

    def test_holds_the_last_lines_of_the_life_before(self, shop: Kubernetes) -> None:
        assert ended(shop, "crash").why[-1] == "untrusted | no settings"

    def test_leaves_the_old_version_serving(self, shop: Kubernetes) -> None:
        ended(shop, "bad-image")
        seen = shop.provider.observe()
        assert shop.served() == {"1.0.0"}
        assert sum(r.state == "running" for each in seen.running for r in each.replicas) == 2

    def test_within_the_grace_is_none(self, home: Path) -> None:
        with kubernetes(home, patience="30s") as shop:
            shop.cluster.kubelet.scripts["1.1.0"] = "bad-image"
            shop.live("1.0.0")
            new = shop.pinned("1.1.0")
            shop.provider.roll(new, 2, shop.write())

            def pulling() -> str | None:
                text = shop.provider.progress(new, 2, 1.0, {"image": 0.5}).text
                return text if "ImagePullBackOff" in text else None

            eventually(pulling)
            shop.cluster.kubelet.scripts["1.1.0"] = "well"
            assert follow(shop, new).done, "a pull can heal"

    def test_of_a_quota_names_it(self, shop: Kubernetes) -> None:
        shop.live("1.0.0")
        shop.cluster.controllers.quota = 2
        new = shop.pinned("1.1.0")
        shop.provider.roll(new, 2, shop.write())
        with pytest.raises(StepFailed, match="no room for it") as raised:
            follow(shop, new)
        assert "exceeded quota: q" in "\n".join(raised.value.why)

    def test_of_a_policy_is_not_taken_for_a_quota(self, shop: Kubernetes) -> None:
        shop.live("1.0.0")
        why = 'violates PodSecurity "restricted:latest": runAsNonRoot != true'
        shop.cluster.controllers.forbids = why
        new = shop.pinned("1.1.0")
        shop.provider.roll(new, 2, shop.write())
        with pytest.raises(StepFailed, match="the cluster refuses to make its Pods") as raised:
            follow(shop, new)
        assert "refused: it lasts for" in raised.value.why[0]
        assert any(why in line for line in raised.value.why)

    def test_of_many_pods_is_told_with_what_their_replica_set_says(self, home: Path) -> None:
        with kubernetes(home, replicas=12) as shop:
            shop.cluster.kubelet.scripts["1.1.0"] = "bad-image"
            shop.cluster.controllers.quota = 11
            new = shop.pinned("1.1.0")
            shop.provider.roll(new, 12, shop.write())
            with pytest.raises(StepFailed) as raised:
                follow(shop, new, 12)
            assert "event: FailedCreate" in "\n".join(raised.value.why)

    def test_of_scheduling_is_waited_for_with_the_schedulers_sentence(
        self, shop: Kubernetes
    ) -> None:
        shop.cluster.kubelet.scripts["1.1.0"] = "unschedulable"
        shop.live("1.0.0")
        new = shop.pinned("1.1.0")
        shop.provider.roll(new, 2, shop.write())

        def told() -> bool:
            text = shop.provider.progress(new, 2, 9.0, {}).text
            return "0/2 nodes are available: 2 Insufficient cpu" in text

        eventually(told)

    def test_past_the_deadline_is_the_clusters_own_word(self, home: Path) -> None:
        with kubernetes(home, progress_deadline=1) as shop:
            problem = ended(shop, "unready")
            assert isinstance(problem, Unhealthy)
            assert "has timed out progressing" in problem.why[0]

    def test_shows_no_secret_of_the_application(self, home: Path) -> None:
        with kubernetes(home) as shop:
            shop.secret_names, shop.secrets = ("DB",), GivenSecrets(DB="hunter2hunter2")
            shop.provider = shop.another()
            shop.cluster.kubelet.scripts["1.1.0"] = "crash"
            shop.cluster.kubelet.last_words = ("cannot log in with hunter2hunter2",)
            new = shop.pinned("1.1.0")
            shop.provider.roll(new, 1, shop.write())
            with pytest.raises(ExitedAtOnce) as raised:
                follow(shop, new)
            assert raised.value.why[-1] == "untrusted | cannot log in with ********"
            assert "hunter2" not in "\n".join(raised.value.why)


class TestOthers:
    def test_a_pause_is_told_with_who_paused(self, shop: Kubernetes) -> None:
        shop.live("1.0.0")
        shop.cluster.by_hand("lee", "deployments", "shop-blue", {"spec": {"paused": True}})
        new = shop.pinned("1.1.0")
        shop.provider.roll(new, 2, shop.write())
        with pytest.raises(StepFailed, match="paused by lee") as raised:
            follow(shop, new)
        resume = "kubectl rollout resume deployment shop-blue --namespace shop"
        assert raised.value.fix[0].startswith(resume)

    def test_a_later_change_is_told_as_superseding_with_who_made_it(self, shop: Kubernetes) -> None:
        shop.live("1.0.0")
        new = shop.pinned("1.1.0")
        shop.provider.roll(new, 2, shop.write())
        image = {"containers": [{"name": "app", "image": "registry.local/other:9"}]}
        patch = {"spec": {"template": {"spec": image}}}
        shop.cluster.by_hand("kubectl-set", "deployments", "shop-blue", patch)
        with pytest.raises(StepFailed, match="superseded by kubectl-set") as raised:
            follow(shop, new)
        assert "registry.local/other:9" in raised.value.why[0]

    def test_a_field_that_somebody_else_took_is_a_conflict_by_name_and_is_not_forced(
        self, shop: Kubernetes
    ) -> None:
        shop.live("1.0.0")
        new = shop.pinned("1.1.0")
        image = {"containers": [{"name": "app", "image": "registry.local/other:9"}]}
        patch = {"spec": {"template": {"spec": image}}}
        shop.cluster.by_hand("kubectl-set", "deployments", "shop-blue", patch)
        with pytest.raises(FieldConflict) as raised:
            shop.provider.roll(new, 2, shop.write())
        assert 'conflict with "kubectl-set"' in raised.value.why[0]
        assert "image" in raised.value.why[0]
        found = shop.cluster.one("deployments", "shop-blue")["spec"]["template"]["spec"]
        assert found["containers"][0]["image"] == "registry.local/other:9"

    def test_a_persons_scale_is_a_conflict_by_name(self, shop: Kubernetes) -> None:
        shop.live("1.0.0")
        new = shop.pinned("1.1.0")
        shop.cluster.by_hand(
            "kubectl", "deployments", "shop-blue", {"spec": {"replicas": 5}}, "scale"
        )
        with pytest.raises(FieldConflict, match="somebody else") as raised:
            shop.provider.roll(new, 7, shop.write())
        assert '.spec.replicas: conflict with "kubectl"' in raised.value.why[0]

    @pytest.mark.trap(44)
    def test_replicas_that_an_autoscaler_counts_stay_as_it_left_them(
        self, shop: Kubernetes
    ) -> None:
        shop.live("1.0.0")
        patch = {"spec": {"replicas": 5}}
        shop.cluster.by_hand("kube-controller-manager", "deployments", "shop-blue", patch, "scale")
        new = shop.pinned("1.1.0")
        shop.provider.roll(new, 2, shop.write())
        assert shop.cluster.one("deployments", "shop-blue")["spec"]["replicas"] == 5
        follow(shop, new)
        found = {r.revision.key: r for r in shop.provider.observe().running}[new.key]
        assert (found.wanted, found.counted_by_platform) == (5, True)

    def test_a_roll_is_done_with_as_few_replicas_as_an_autoscaler_wants(
        self, shop: Kubernetes
    ) -> None:
        shop.live("1.0.0")
        patch = {"spec": {"replicas": 1}}
        shop.cluster.by_hand("kube-controller-manager", "deployments", "shop-blue", patch, "scale")
        new = shop.pinned("1.1.0")
        shop.provider.roll(new, 2, shop.write())
        assert follow(shop, new).text == "1 of 1 replicas are available"

    def test_what_takes_over_from_an_autoscaled_version_begins_with_as_many_replicas(
        self, shop: Kubernetes
    ) -> None:
        shop.live("1.0.0")
        patch = {"spec": {"replicas": 5}}
        shop.cluster.by_hand("kube-controller-manager", "deployments", "shop-blue", patch, "scale")
        assert shop.provider.replicas() == 2, "what is planned does not move with an autoscaler"
        new = shop.pinned("1.1.0")
        shop.provider.start(new, 2, shop.write())
        follow(shop, new)
        assert len(shop.copies(new)) == 5
        patch = {"spec": {"replicas": 3}}
        shop.cluster.by_hand("kube-controller-manager", "deployments", "shop-green", patch, "scale")
        shop.provider.start(new, 2, shop.write())
        assert shop.cluster.one("deployments", "shop-green")["spec"]["replicas"] == 3, "its own"

    def test_a_colour_that_an_autoscaler_counts_can_be_stopped_and_started_again(
        self, shop: Kubernetes
    ) -> None:
        live = shop.live("1.0.0")
        patch = {"spec": {"replicas": 5}}
        shop.cluster.by_hand("kube-controller-manager", "deployments", "shop-blue", patch, "scale")
        shop.provider.stop(live.ref, shop.write())
        assert shop.cluster.one("deployments", "shop-blue")["spec"]["replicas"] == 0
        shop.up(live, 2)


class TestRollback:
    def test_by_the_recorded_manifest_uses_the_old_replica_set_again(
        self, shop: Kubernetes
    ) -> None:
        old, new = shop.live("1.0.0"), shop.pinned("1.1.0")
        for revision in (new, old, new):
            shop.provider.roll(revision, 2, shop.write())
            follow(shop, revision)
        sets = shop.cluster.objects.list("replicasets")
        assert len(sets) == 2, "none was made anew"
        assert shop.served() == {"1.1.0"}

    def test_to_a_revision_kept_beside_leaves_no_twin(self, shop: Kubernetes) -> None:
        old = shop.live("1.0.0")
        new = shop.live("1.1.0")
        shop.provider.roll(old, 2, shop.write())
        follow(shop, old)
        eventually(lambda: [r.revision.key for r in shop.provider.observe().running] == [old.key])
        assert len(shop.copies(old)) == 2 and shop.copies(new) == []
