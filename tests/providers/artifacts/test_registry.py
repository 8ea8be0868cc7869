"""Digests and tags of images, at a real registry and at one that grants tokens."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from orchestrate.core.errors import ProviderUnavailable, RateLimited, TemporaryError
from orchestrate.core.secret import Secret
from orchestrate.providers.artifacts.registry import Login, Registry, name_of
from tests.support.docker.registry import Registry as Real
from tests.support.docker.registry import registry as real_registry

pytestmark = pytest.mark.system

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"
SHOP = Login(Secret("shop"), Secret("pa55"))


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Real]:
    """A registry for user shop alone, with team/shop:1.0.0."""
    with real_registry(tmp_path, locked=True) as made:
        connection = HTTPConnection(made.host, timeout=10)
        word = base64.b64encode(b"shop:pa55").decode()
        headers = {"Content-Type": INDEX, "Authorization": f"Basic {word}"}
        connection.request("PUT", "/v2/team/shop/manifests/1.0.0", MANIFEST, headers)
        assert connection.getresponse().status == 201
        connection.close()
        yield made


class TestReal:
    def test_a_tag_has_the_digest_of_its_manifest(self, real: Real) -> None:
        found = Registry(real.host, SHOP)
        assert found.digest(name_of(f"{real.host}/team/shop:1.0.0")) == DIGEST
        assert found.digest(name_of(f"{real.host}/team/shop@{DIGEST}")) == DIGEST

    def test_what_is_not_there_has_none(self, real: Real) -> None:
        found = Registry(real.host, SHOP)
        assert found.digest(name_of(f"{real.host}/team/shop:1.0.1")) is None
        assert found.digest(name_of(f"{real.host}/team/other:1.0.0")) is None

    def test_tags_are_listed(self, real: Real) -> None:
        assert Registry(real.host, SHOP).tags("team/shop") == ["1.0.0"]
        assert Registry(real.host, SHOP).tags("team/other") == []

    @pytest.mark.parametrize("login", [None, Login(Secret("shop"), Secret("wrong"))])
    def test_without_the_password_is_refused_and_says_so(
        self, real: Real, login: Login | None
    ) -> None:
        with pytest.raises(ProviderUnavailable) as raised:
            Registry(real.host, login).digest(name_of(f"{real.host}/team/shop:1.0.0"))
        assert "refuses team/shop" in raised.value.message
        assert "wrong" not in str(raised.value.as_dict())


class TestToken:
    def grant(self, server: HTTPServer, realm: str) -> Registry:
        """A registry that wants a bearer token from `realm`."""
        asks = f'Bearer realm="{realm}",service="tests",scope="repository:team/shop:pull"'

        def answer(request: Request) -> Response:
            if request.headers.get("Authorization") != "Bearer t0ken":
                return Response(status=401, headers={"WWW-Authenticate": asks})
            return Response(status=200, headers={"Docker-Content-Digest": DIGEST})

        server.expect_request("/v2/team/shop/manifests/1").respond_with_handler(answer)
        return Registry(f"{server.host}:{server.port}", SHOP)

    def test_is_asked_for_with_the_password_and_used(self, httpserver: HTTPServer) -> None:
        seen = []

        def token(request: Request) -> Response:
            seen.append((request.args["scope"], request.headers["Authorization"]))
            return Response(json.dumps({"token": "t0ken"}))

        httpserver.expect_request("/token").respond_with_handler(token)
        found = self.grant(httpserver, httpserver.url_for("/token"))
        assert found.digest(name_of(f"{found.host}/team/shop:1")) == DIGEST
        assert seen == [("repository:team/shop:pull", SHOP.basic())]

    @pytest.mark.parametrize("realm", ["http://registry.example.com/token", "ftp://x/y", ""])
    def test_is_not_asked_for_where_the_password_would_be_seen(
        self, httpserver: HTTPServer, realm: str
    ) -> None:
        found = self.grant(httpserver, realm)
        with pytest.raises(ProviderUnavailable, match="refuses team/shop"):
            found.digest(name_of(f"{found.host}/team/shop:1"))


class TestTrouble:
    def ask(self, server: HTTPServer, status: int, **headers: str) -> None:
        server.expect_request("/v2/team/shop/manifests/1").respond_with_data(
            "", status=status, headers=headers
        )
        host = f"{server.host}:{server.port}"
        Registry(host).digest(name_of(f"{host}/team/shop:1"))

    def test_of_the_registry_is_tried_again_later(self, httpserver: HTTPServer) -> None:
        with pytest.raises(TemporaryError):
            self.ask(httpserver, 502)

    def test_of_too_many_questions_says_when(self, httpserver: HTTPServer) -> None:
        with pytest.raises(RateLimited) as raised:
            self.ask(httpserver, 429, **{"Retry-After": "30"})
        assert raised.value.retry_after_s == 30

    def test_of_a_redirect_is_not_followed(self, httpserver: HTTPServer) -> None:
        with pytest.raises(TemporaryError):
            self.ask(httpserver, 302, Location="http://169.254.169.254/")

    def test_of_nobody_there_is_told(self) -> None:
        with pytest.raises(TemporaryError, match="does not answer"):
            Registry("127.0.0.1:9").digest(name_of("127.0.0.1:9/team/shop:1"))


@pytest.mark.parametrize(
    ("image", "host", "repository", "reference"),
    [
        ("r.example.com:5000/a/b:1.0", "r.example.com:5000", "a/b", "1.0"),
        ("r.example.com/a@sha256:00", "r.example.com", "a", "sha256:00"),
        ("r.example.com/a:1@sha256:00", "r.example.com", "a", "sha256:00"),
        ("r.example.com/a", "r.example.com", "a", "latest"),
    ],
)
def test_a_name_is_taken_apart(image: str, host: str, repository: str, reference: str) -> None:
    found = name_of(image)
    assert (found.host, found.repository, found.reference) == (host, repository, reference)
