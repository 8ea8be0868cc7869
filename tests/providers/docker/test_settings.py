"""The config of an environment on Docker is read whole, or every problem is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import JsonValue

from orchestrate.core.environment import Environment, EnvironmentType
from orchestrate.core.errors import ProviderConfigInvalid
from orchestrate.providers.docker import DockerProvider
from orchestrate.providers.docker.healthcheck import Healthcheck
from orchestrate.providers.docker.host import Host, Tls, host_of
from orchestrate.providers.docker.images import has_registry
from orchestrate.providers.docker.mounts import Volume
from orchestrate.providers.docker.settings import Credentials, Limits, Settings, settings_of
from tests.support.secrets import NoSecrets

pytestmark = pytest.mark.unit

LEAST: dict[str, JsonValue] = {"root": "/srv/shop", "image": "shop:{version}", "port": 8080}
TLS: dict[str, JsonValue] = {"ca": "/c/ca.pem", "cert": "/c/cert.pem", "key": "/c/key.pem"}


def test_the_least_config_gets_the_defaults() -> None:
    assert settings_of(LEAST) == Settings(image="shop:{version}", port=8080)


def test_all_of_it_is_read() -> None:
    found = settings_of(
        {
            **LEAST,
            "image": "registry.example.com:5000/team/shop:v{version}-slim",
            "port_variable": "HTTP_PORT",
            "command": ["python3", "shop.py"],
            "entrypoint": ["/bin/tini", "--"],
            "environment": {"A": "1"},
            "replicas": 3,
            "grace": "1m",
            "keep": 2,
            "memory": "256MiB",
            "cpus": 1.5,
            "pids": 99,
            "user": "1000:1000",
            "read_only": False,
            "init": True,
            "cap_add": ["NET_BIND_SERVICE"],
            "tmpfs": ["/run", "/tmp:size=1m,mode=1777"],
            "volumes": ["data:/var/lib/shop", "/srv/x:/x:ro"],
            "networks": ["backend"],
            "log_size": "5MiB",
            "log_files": 1,
            "host": "tcp://docker.example.com:2376",
            "tls": TLS,
            "publish": "10.0.0.5",
            "credentials": {"username": "REG_USER", "password": "REG_PASSWORD"},
        }
    )
    assert found.limits == Limits(memory=256 << 20, cpus=1.5, pids=99)
    assert found.tmpfs == {"/run": "", "/tmp": "size=1m,mode=1777"}
    assert found.volumes == (
        Volume("volume", "data", "/var/lib/shop"),
        Volume("bind", "/srv/x", "/x", True),
    )
    assert found.credentials == Credentials("REG_USER", "REG_PASSWORD")
    assert found.tls == Tls("/c/ca.pem", "/c/cert.pem", "/c/key.pem")


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ProviderConfigInvalid) as raised:
        settings_of({"image": "shop", "replica": 2, "grace": "soon", "memory": "1KB"})
    text = "\n".join(raised.value.why)
    for part in ("image: ", "port is missing", "did you mean replicas?", "grace: ", "memory: "):
        assert part in text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image", "shop:latest"),
        ("image", "Shop:{version}"),
        ("image", "--privileged:{version}"),
        ("image", "shop{version}:1"),
        ("port", 0),
        ("cpus", 0),
        ("cpus", True),
        ("command", "python3 shop.py"),
        ("environment", {"A": 1}),
        ("environment", ["A"]),
        ("environment", {"A B": "1"}),
        ("volumes", ["relative/path:/x"]),
        ("volumes", ["data:relative"]),
        ("volumes", ["data:/x:rx"]),
        ("volumes", ["/a/../etc:/x"]),
        ("tmpfs", ["tmp"]),
        ("networks", "backend"),
        ("networks", ["--internal"]),
        ("user", "root; true"),
        ("cap_add", ["all"]),
        ("host", "http://docker.example.com"),
        ("host", "tcp://docker.example.com"),
        ("host", "ssh://-oProxyCommand=x"),
        ("host", "ssh://user:password@docker.example.com"),
        ("host", "ssh://-l@docker.example.com"),
        ("host", "unix://relative"),
        ("tls", {"ca": "ca.pem", "cert": "cert.pem", "key": "key.pem"}),
        ("publish", "docker.example.com"),
        ("credentials", {"username": "shop", "password": "pa55 word"}),
        ("credentials", {"username": "REG_USER"}),
        ("read_only", "yes"),
        ("healthcheck", {}),
        ("healthcheck", "curl localhost"),
        ("healthcheck", {"test": ["curl", "localhost"]}),
        ("healthcheck", {"test": ["CMD"]}),
        ("healthcheck", {"test": "true", "every": "1s"}),
        ("healthcheck", {"interval": 0}),
        ("healthcheck", {"retries": 0}),
        ("healthcheck", {"disable": False}),
        ("healthcheck", {"disable": True, "retries": 3}),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: JsonValue) -> None:
    with pytest.raises(ProviderConfigInvalid) as raised:
        settings_of({**LEAST, name: value})
    assert any(why.startswith(f"{name}: ") for why in raised.value.why)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"disable": True}, Healthcheck(("NONE",))),
        ({"test": ["NONE"]}, Healthcheck(("NONE",))),
        ({"test": "curl -f localhost"}, Healthcheck(("CMD-SHELL", "curl -f localhost"))),
        ({"interval": "1m"}, Healthcheck(interval_s=60)),
        (
            {"test": ["CMD", "check"], "timeout": "500ms", "retries": 2, "start_period": 20},
            Healthcheck(("CMD", "check"), timeout_s=0.5, retries=2, start_period_s=20),
        ),
    ],
)
def test_a_health_check_is_read_as_compose_writes_it(
    given: JsonValue, expected: Healthcheck
) -> None:
    assert settings_of({**LEAST, "healthcheck": given}).healthcheck == expected


def test_an_engine_elsewhere_needs_tls_and_an_address_that_is_reached() -> None:
    with pytest.raises(ProviderConfigInvalid) as raised:
        settings_of({**LEAST, "host": "tcp://docker.example.com:2376"})
    assert [why.split(":")[0] for why in raised.value.why] == ["host", "publish"]
    with pytest.raises(ProviderConfigInvalid):
        settings_of({**LEAST, "host": "ssh://example.com", "tls": TLS, "publish": "10.0.0.5"})
    found = settings_of({**LEAST, "host": "ssh://u@docker.example.com", "publish": "10.0.0.5"})
    assert found.host == "ssh://u@docker.example.com"


def test_the_engine_is_the_configs_then_the_services_then_this_machines() -> None:
    environ = {"DOCKER_HOST": "unix:///run/user/1000/docker.sock"}
    assert host_of("unix:///x.sock", None, environ) == Host("unix:///x.sock")
    assert host_of(None, None, environ) == Host("unix:///run/user/1000/docker.sock")
    assert host_of(None, None, {}) == Host("unix:///var/run/docker.sock")


def test_the_services_engine_over_tcp_needs_tls_as_well() -> None:
    environ = {"DOCKER_HOST": "tcp://docker.example.com:2376"}
    with pytest.raises(ProviderConfigInvalid, match="DOCKER_HOST"):
        host_of(None, None, environ)
    secured = {**environ, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/c"}
    found = host_of(None, None, secured)
    assert found.tls == Tls("/c/ca.pem", "/c/cert.pem", "/c/key.pem")
    assert not found.here


@pytest.mark.parametrize("publish", ["127.0.0.1", "127.0.0.2", "0.0.0.0"])
@pytest.mark.parametrize("host", ["ssh://deploy@docker.example.com", "tcp://10.0.0.5:2376"])
def test_the_services_engine_elsewhere_is_refused_without_an_address_that_is_reached(
    host: str, publish: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    with pytest.raises(ProviderConfigInvalid, match="elsewhere") as raised:
        provider(home, publish=publish)
    assert "set `publish` in config" in raised.value.fix[0]
    provider(home, publish="10.0.0.5")


def test_the_services_engine_behind_a_port_of_this_machine_publishes_here(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:2376")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    assert not provider(home).host.elsewhere


def provider(home: Path, **config: JsonValue) -> DockerProvider:
    environment = Environment(
        app="shop",
        name="dev",
        type=EnvironmentType.DEV,
        provider="docker",
        config={**LEAST, **config},
    )
    return DockerProvider(environment, str(home), NoSecrets())


@pytest.mark.parametrize(
    ("repository", "asked"),
    [
        ("shop", False),
        ("team/shop", False),
        ("localhost/shop", True),
        ("127.0.0.1:5000/shop", True),
        ("registry.example.com/team/shop", True),
    ],
)
def test_a_registry_is_asked_where_the_name_begins_with_a_host(
    repository: str, asked: bool
) -> None:
    assert has_registry(repository) is asked
