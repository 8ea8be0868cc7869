"""Images of registries that are not ECR: found by their digest, with the secrets config names."""

from __future__ import annotations

import hashlib

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from orchestrate.core.environment import Environment, EnvironmentType
from orchestrate.core.errors import ArtifactMissing, ProviderUnavailable
from orchestrate.core.revision import snapshot
from orchestrate.providers.aws_ecs import AwsEcsProvider
from tests.support.secrets import GivenSecrets

pytestmark = pytest.mark.system

KIND = "application/vnd.oci.image.manifest.v1+json"
MANIFEST = b'{"schemaVersion": 2}'
DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"


@pytest.fixture
def registry(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> HTTPServer:
    """A registry that knows one user and one image."""

    monkeypatch.setenv("ORCHESTRATE_ALLOW_OUTBOUND", f"127.0.0.1:{httpserver.port}")

    def answer(request: Request) -> Response:
        given = request.authorization
        if given is None or (given.username, given.password) != ("reader", "of the registry"):
            return Response(status=401, headers={"WWW-Authenticate": 'Basic realm="here"'})
        match request.path:
            case "/v2/team/shop/manifests/1.0.0":
                return Response(MANIFEST, mimetype=KIND)
        if request.path == f"/v2/team/shop/manifests/{DIGEST}":
            return Response(MANIFEST, mimetype=KIND)
        return Response(status=404)

    for method in ("GET", "HEAD"):
        for path in ("manifests/1.0.0", "manifests/1.0.1", f"manifests/{DIGEST}"):
            uri = f"/v2/team/shop/{path}"
            httpserver.expect_request(uri, method=method).respond_with_handler(answer)
    return httpserver


def provider(registry: HTTPServer, password: str, home: object) -> AwsEcsProvider:
    secrets = {"REGISTRY_USER": "reader", "REGISTRY_PASSWORD": password, "TOKEN": "t"}
    environment = Environment(
        app="shop",
        name="dev",
        type=EnvironmentType.DEV,
        provider="aws_ecs",
        secrets=tuple(secrets),
        config={
            "service": "shop",
            "image": f"127.0.0.1:{registry.port}/team/shop:{{version}}",
            "registry": {"username": "REGISTRY_USER", "password": "REGISTRY_PASSWORD"},
        },
    )
    return AwsEcsProvider(environment, str(home), GivenSecrets(**secrets))


def test_a_version_is_pinned_by_the_digest_its_registry_says(
    registry: HTTPServer, home: object
) -> None:
    found = provider(registry, "of the registry", home).resolve("1.0.0")
    assert found.digest == DIGEST
    assert found.reference == f"127.0.0.1:{registry.port}/team/shop:1.0.0"


def test_one_that_is_not_there_is_told(registry: HTTPServer, home: object) -> None:
    with pytest.raises(ArtifactMissing) as raised:
        provider(registry, "of the registry", home).resolve("1.0.1")
    assert "team/shop:1.0.1 is not at its registry" in raised.value.why[0]


def test_a_wrong_password_is_told_and_not_shown(registry: HTTPServer, home: object) -> None:
    with pytest.raises(ProviderUnavailable) as raised:
        provider(registry, "of somebody else", home).resolve("1.0.0")
    assert "of somebody else" not in str(raised.value.as_dict())


def test_the_registrys_login_is_given_to_no_task(registry: HTTPServer, home: object) -> None:
    made = provider(registry, "of the registry", home)
    pinned = snapshot(
        Environment(
            app="shop", name="dev", type=EnvironmentType.DEV, provider="aws_ecs", config={}
        ),
        "1.0.0",
        made.resolve("1.0.0"),
        {"TOKEN": "1", "REGISTRY_USER": "1", "REGISTRY_PASSWORD": "1"},
    )
    assert list(made.parameters.names(pinned)) == ["TOKEN"]


def test_a_name_without_a_host_is_looked_for_where_ecs_pulls_it(home: object) -> None:
    environment = Environment(
        app="shop",
        name="dev",
        type=EnvironmentType.DEV,
        provider="aws_ecs",
        config={"service": "shop", "image": "team/shop:{version}"},
    )
    images = AwsEcsProvider(environment, str(home), GivenSecrets()).images
    assert images._registry("team/shop").name == "docker.io/team/shop"
