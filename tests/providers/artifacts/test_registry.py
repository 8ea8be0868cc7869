"""Reading from registries: a real one, and ones that lie."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from orchestrate.core.errors import (
    ArtifactInvalid,
    ArtifactMissing,
    OutboundRefused,
    ProviderUnavailable,
    TemporaryError,
)
from orchestrate.core.secret import Secret
from orchestrate.providers.artifacts.registry import REVISION_LABEL, Login, Registry
from orchestrate.providers.outbound import Answer, Outbound
from orchestrate.providers.outbound.allowed import read
from tests.support.docker.registry import registry
from tests.support.images import Images, digest_of

pytestmark = pytest.mark.system

COMMIT = "a" * 40


@pytest.fixture
def lying() -> Iterator[HTTPServer]:
    with HTTPServer() as server:
        yield server


def of(host: str, login: Login | None = None, more: str = "") -> Registry:
    return Registry(f"{host}/team/app:1.0.0", Outbound(read(f"{host} {more}")), login)


def at(server: HTTPServer) -> Registry:
    return of(f"127.0.0.1:{server.port}", more=f"{server.host}:{server.port}")


def test_a_real_registry_gives_manifests_blobs_and_labels(tmp_path: Path) -> None:
    with registry(tmp_path) as real:
        here = Images(real.host)
        digest = here.image("1.0.0", {REVISION_LABEL: COMMIT})
        index = here.index("all", digest)
        found = of(real.host)
        manifest = found.manifest("1.0.0")
        assert manifest is not None
        assert (manifest.digest, found.manifest("9.9.9")) == (digest, None)
        assert found.labels(digest) == found.labels(index) == {REVISION_LABEL: COMMIT}
        assert found.referrers(digest, "application/x") == []
        assert "1.0.0" in found.tags()
        with pytest.raises(ArtifactMissing):
            found.blob("sha256:" + "0" * 64)


def test_a_registry_with_a_password_is_told_it_and_never_in_a_message(tmp_path: Path) -> None:
    with registry(tmp_path, locked=True) as real:
        good = of(real.host, Login("shop", Secret("pa55")))
        assert good.manifest("1.0.0") is None
        with pytest.raises(ProviderUnavailable, match="asks for a password"):
            of(real.host).manifest("1.0.0")
        with pytest.raises(ProviderUnavailable) as caught:
            of(real.host, Login("shop", Secret("planted-pass"))).manifest("1.0.0")
        assert "planted" not in str(caught.value.as_dict())


def test_a_registry_with_tokens_is_asked_with_one(lying: HTTPServer) -> None:
    base = f"127.0.0.1:{lying.port}"

    def manifests(request: Request) -> Response:
        if request.headers.get("Authorization") != "Bearer t1":
            realm = f'Bearer realm="http://{base}/token",service="r",scope="repository:x:pull"'
            return Response(status=401, headers={"WWW-Authenticate": realm})
        return Response(b"{}", content_type="application/vnd.oci.image.manifest.v1+json")

    lying.expect_request("/v2/team/app/manifests/1.0.0").respond_with_handler(manifests)
    lying.expect_request(
        "/token", query_string={"service": "r", "scope": "repository:x:pull"}
    ).respond_with_json({"token": "t1"})
    assert of(base).manifest("1.0.0") is not None


@pytest.mark.attack("SS01", "a registry whose token realm is inside the network", "refused")
def test_a_token_is_not_asked_for_inside_the_network(lying: HTTPServer) -> None:
    lying.expect_request("/v2/team/app/manifests/1.0.0").respond_with_data(
        status=401, headers={"WWW-Authenticate": 'Bearer realm="http://169.254.169.254/token"'}
    )
    with pytest.raises(OutboundRefused):
        at(lying).manifest("1.0.0")


@pytest.mark.attack("AR08", "a registry that answers other bytes for a digest", "refused")
def test_other_bytes_for_a_digest_are_refused(lying: HTTPServer) -> None:
    digest = digest_of(b"the right ones")
    for kind in ("manifests", "blobs"):
        lying.expect_request(f"/v2/team/app/{kind}/{digest}").respond_with_data(b"{}")
    with pytest.raises(ArtifactInvalid, match="other bytes"):
        at(lying).manifest(digest)
    with pytest.raises(ArtifactInvalid, match="other bytes"):
        at(lying).blob(digest)


@pytest.mark.attack("AR08", "a registry that sends a blob onward to plain http", "refused")
def test_a_blob_is_not_fetched_over_plain_http(lying: HTTPServer) -> None:
    digest = digest_of(b"x")
    lying.expect_request(f"/v2/team/app/blobs/{digest}").respond_with_data(
        status=307, headers={"Location": "http://mirror.example.com/x"}
    )
    with pytest.raises(OutboundRefused, match="plain http"):
        at(lying).blob(digest)


@pytest.mark.attack("AR08", "an answer that is cut short", "refused")
def test_a_short_answer_is_refused(lying: HTTPServer) -> None:
    content = b'{"schemaVersion": 2}'
    digest = digest_of(content)
    lying.expect_request(f"/v2/team/app/manifests/{digest}").respond_with_data(content[:5])
    with pytest.raises(ArtifactInvalid, match="other bytes"):
        at(lying).manifest(digest)


@pytest.mark.parametrize("body", [b"[1]", b"nothing", b"[" * 100_000])
def test_an_answer_that_is_no_manifest_is_refused(lying: HTTPServer, body: bytes) -> None:
    lying.expect_request("/v2/team/app/manifests/1.0.0").respond_with_data(body)
    with pytest.raises(ArtifactInvalid):
        at(lying).manifest("1.0.0")


def test_a_registry_out_of_order_is_worth_another_try(lying: HTTPServer) -> None:
    lying.expect_request("/v2/team/app/manifests/1.0.0").respond_with_data(b"", status=500)
    with pytest.raises(TemporaryError):
        at(lying).manifest("1.0.0")


@pytest.mark.parametrize("reference", ["shop:1.0.0", "team/shop:1", "a.example/UP/../x:1", "/x"])
def test_an_image_without_a_registry_cannot_be_looked_up(reference: str) -> None:
    with pytest.raises(ArtifactInvalid, match="names no registry"):
        Registry(reference, Outbound(read("")))


@pytest.mark.parametrize(
    ("reference", "path"),
    [
        ("docker.io/nginx:1.0.0", "library/nginx"),
        ("docker.io/team/shop@sha256:" + "0" * 64, "team/shop"),
    ],
)
def test_docker_hub_is_asked_where_it_answers(reference: str, path: str) -> None:
    asked: list[str] = []

    class Noting(Outbound):
        def send(self, method: str, url: object, **_: object) -> Answer:  # type: ignore[override]
            asked.append(str(url))
            return Answer(404, {}, b"")

    found = Registry(reference, Noting(read("")))
    assert found.manifest("1.0.0") is None
    assert asked == [f"https://registry-1.docker.io/v2/{path}/manifests/1.0.0"]
    assert found.name == f"docker.io/{path}", "as people write it"


def test_a_password_is_base64_of_both() -> None:
    secret = Registry._basic(Login("a", Secret("b")))
    assert secret.reveal() == "Basic " + base64.b64encode(b"a:b").decode()
