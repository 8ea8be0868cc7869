"""The answers of a real API server as our errors, and of the pretended one in the same shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrate.core.errors import (
    FieldConflict,
    OrchestrateError,
    ProviderConfigInvalid,
    ProviderUnavailable,
    RateLimited,
    TemporaryError,
)
from orchestrate.providers.kubernetes.api import Exists, Gone, Stale, as_ours
from orchestrate.providers.kubernetes.api import Refused as Answer
from tests.providers.kubernetes.recordings import errors
from tests.support.kubernetes.server import TOKEN, Cluster
from tests.support.kubernetes.store import Refused

EXPECTED: dict[str, type[Exception]] = {
    "already-exists": Exists,
    "bad-continue": ProviderConfigInvalid,
    "immutable-selector": ProviderConfigInvalid,
    "invalid-name": ProviderConfigInvalid,
    "json-patch-test-failed": Stale,
    "namespace-missing": ProviderUnavailable,
    "no-previous-log": ProviderConfigInvalid,
    "not-found": ProviderUnavailable,
    "post-unknown-field-strict": ProviderConfigInvalid,
    "selector-does-not-match": ProviderConfigInvalid,
    "ssa-conflict": FieldConflict,
    "ssa-unknown-field": ProviderConfigInvalid,
    "stale-put": Stale,
    "surge-0-unavailable-0": ProviderConfigInvalid,
}


def ours(status: int, body: object, **headers: str) -> Exception:
    return as_ours(Answer(status, json.dumps(body).encode(), headers), "GET /x")


@pytest.mark.unit
class TestRecorded:
    def test_every_recorded_refusal_is_known(self) -> None:
        assert set(errors()) == set(EXPECTED)

    @pytest.mark.parametrize("name", sorted(EXPECTED))
    def test_becomes_the_error_that_it_means(self, name: str) -> None:
        found = errors()[name]
        assert type(ours(int(str(found["status"])), found["body"])) is EXPECTED[name]

    def test_a_conflict_names_the_field_and_its_owner(self) -> None:
        found = errors()["ssa-conflict"]
        problem = ours(409, found["body"])
        assert isinstance(problem, OrchestrateError)
        assert problem.why == ('.spec.replicas: conflict with "orchestrator"',)

    def test_an_unknown_field_in_an_apply_is_not_tried_again_though_it_is_a_500(self) -> None:
        found = errors()["ssa-unknown-field"]
        assert found["status"] == 500
        problem = ours(500, found["body"])
        assert isinstance(problem, OrchestrateError) and not problem.retryable

    @pytest.mark.parametrize("status", [400, 403, 422])
    def test_what_a_policy_denies_is_no_want_of_rights(self, status: int) -> None:
        said = 'admission webhook "signed.example.com" denied the request: no signature'
        problem = ours(status, {"message": said, "reason": "Invalid"})
        assert isinstance(problem, ProviderConfigInvalid)
        assert problem.why == (said,) and "Role" not in "".join(problem.fix)

    @pytest.mark.parametrize(
        ("status", "kind"), [(429, RateLimited), (500, TemporaryError), (503, TemporaryError)]
    )
    def test_what_may_heal_is_tried_again(self, status: int, kind: type[Exception]) -> None:
        problem = ours(status, {"message": "etcdserver: leader changed"}, **{"Retry-After": "7"})
        assert type(problem) is kind
        assert isinstance(problem, OrchestrateError) and problem.retry_after_s == 7

    @pytest.mark.parametrize(
        ("status", "words"), [(401, "credentials"), (403, "does not allow"), (404, "no such thing")]
    )
    def test_what_will_not_is_told_with_a_way_out(self, status: int, words: str) -> None:
        problem = ours(status, {"message": "no"})
        assert isinstance(problem, ProviderUnavailable) and words in problem.message

    def test_a_watch_that_begins_too_early_is_told_apart(self) -> None:
        assert type(ours(410, {"reason": "Expired", "message": "too old"})) is Gone


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster() as found:
        yield found


def deployment(name: str = "web", **spec: Any) -> dict[str, Any]:
    labels = {"app": "web"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "app", "image": "registry.local/web:v1"}]},
            },
            **spec,
        },
    }


def tried(cluster: Cluster, method: str, path: str, body: Any = None, kind: str = "") -> Any:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": kind}
    try:
        return cluster.answer(method, path, headers, body)[1]
    except Refused as refused:
        return {"status": refused.code, "body": refused.body}


ROOT = "/apis/apps/v1/namespaces/shop/deployments"
SSA = "application/apply-patch+yaml"


@pytest.mark.unit
class TestPretended:
    """The pretended API server refuses what a real one refused, with the same reason, the same
    causes and the same details."""

    @pytest.mark.parametrize(
        "name",
        [
            "already-exists",
            "immutable-selector",
            "invalid-name",
            "json-patch-test-failed",
            "namespace-missing",
            "not-found",
            "selector-does-not-match",
            "ssa-conflict",
            "ssa-unknown-field",
            "stale-put",
            "surge-0-unavailable-0",
        ],
    )
    def test_refuses_alike(self, cluster: Cluster, name: str) -> None:
        real, found = errors()[name], self.provoke(cluster, name)
        assert found["status"] == real["status"]
        assert _form(found["body"]) == _form(real["body"])

    def provoke(self, cluster: Cluster, name: str) -> Any:
        made = f"t-{name}"
        body = deployment(made)
        if name == "not-found":
            return tried(cluster, "GET", f"{ROOT}/nope")
        if name == "namespace-missing":
            return tried(cluster, "POST", ROOT.replace("shop", "none"), body)
        if name == "invalid-name":
            return tried(cluster, "POST", ROOT, deployment("Bad_Name"))
        if name == "surge-0-unavailable-0":
            rolling = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}
            return tried(cluster, "POST", ROOT, deployment(made, strategy=rolling))
        if name == "selector-does-not-match":
            body["spec"]["selector"] = {"matchLabels": {"app": "other"}}
            return tried(cluster, "POST", ROOT, body)
        if name == "ssa-unknown-field":
            body["spec"]["replicaz"] = 2
            return tried(cluster, "PATCH", f"{ROOT}/{made}?fieldManager=a", body, SSA)
        body["spec"]["replicas"] = 1
        first = tried(cluster, "PATCH", f"{ROOT}/{made}?fieldManager=a", body, SSA)
        if name == "already-exists":
            return tried(cluster, "POST", ROOT, body)
        if name == "ssa-conflict":
            body = {**body, "spec": {**body["spec"], "replicas": 5}}
            return tried(cluster, "PATCH", f"{ROOT}/{made}?fieldManager=b", body, SSA)
        if name == "immutable-selector":
            labels = {"app": "web", "q": "1"}
            body["spec"]["selector"] = {"matchLabels": labels}
            body["spec"]["template"]["metadata"]["labels"] = labels
            return tried(cluster, "PATCH", f"{ROOT}/{made}?fieldManager=a", body, SSA)
        if name == "json-patch-test-failed":
            test = [{"op": "test", "path": "/metadata/resourceVersion", "value": "1"}]
            return tried(cluster, "PATCH", f"{ROOT}/{made}", test, "application/json-patch+json")
        first["metadata"]["resourceVersion"] = "1"
        return tried(cluster, "PUT", f"{ROOT}/{made}", first)

    def test_a_watch_from_an_old_version_is_gone(self, cluster: Cluster) -> None:
        for number in range(420):
            body = {"metadata": {"name": f"c{number}"}, "data": {}}
            tried(cluster, "POST", "/api/v1/namespaces/shop/configmaps", body)
        found = tried(
            cluster,
            "GET",
            "/api/v1/namespaces/shop/configmaps?watch=true&resourceVersion=1&timeoutSeconds=1",
        )
        assert (found["status"], found["body"]["reason"]) == (410, "Expired")

    def test_a_watch_tells_what_came_after(self, cluster: Cluster) -> None:
        before = tried(cluster, "GET", ROOT)["metadata"]["resourceVersion"]
        tried(cluster, "PATCH", f"{ROOT}/seen?fieldManager=a", deployment("seen"), SSA)
        path = f"{ROOT}?watch=true&resourceVersion={before}&timeoutSeconds=5"
        changes = tried(cluster, "GET", path)
        assert changes[0]["type"] == "ADDED"
        assert changes[0]["object"]["metadata"]["name"] == "seen"

    def test_an_apply_of_the_same_again_changes_nothing(self, cluster: Cluster) -> None:
        body = deployment("same")
        first = tried(cluster, "PATCH", f"{ROOT}/same?fieldManager=a", body, SSA)
        again = tried(cluster, "PATCH", f"{ROOT}/same?fieldManager=a", body, SSA)
        assert again["metadata"]["generation"] == first["metadata"]["generation"] == 1

    def test_a_field_that_is_not_applied_any_more_goes(self, cluster: Cluster) -> None:
        body = deployment("less", minReadySeconds=5)
        tried(cluster, "PATCH", f"{ROOT}/less?fieldManager=a", body, SSA)
        found = tried(cluster, "PATCH", f"{ROOT}/less?fieldManager=a", deployment("less"), SSA)
        assert "minReadySeconds" not in found["spec"]

    def test_a_dry_run_answers_and_stores_nothing(self, cluster: Cluster) -> None:
        path = f"{ROOT}/dry?fieldManager=a&dryRun=All"
        assert tried(cluster, "PATCH", path, deployment("dry"), SSA)["spec"]["replicas"] == 1
        assert tried(cluster, "GET", f"{ROOT}/dry")["status"] == 404

    def test_a_lease_needs_six_decimals(self, cluster: Cluster) -> None:
        body = {"metadata": {"name": "l"}, "spec": {"renewTime": "2026-11-23T03:12:05Z"}}
        path = "/apis/coordination.k8s.io/v1/namespaces/shop/leases"
        assert tried(cluster, "POST", path, body)["status"] == 400

    def test_the_status_of_a_change_is_the_old_one_for_a_while(
        self, cluster: Cluster, tmp_path: Path
    ) -> None:
        body = deployment("late")
        tried(cluster, "PATCH", f"{ROOT}/late?fieldManager=a", body, SSA)
        found = tried(cluster, "GET", f"{ROOT}/late")
        assert "observedGeneration" not in found.get("status", {})


def _form(body: Any) -> Any:
    """What of an answer does not name this very object."""
    details = body.get("details", {})
    causes = [(c["reason"], c["field"]) for c in details.get("causes", [])]
    kept = {"code", "kind", "status", "reason"}
    return {k: v for k, v in body.items() if k in kept}, set(details) - {"uid"}, causes
