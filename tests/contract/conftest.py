"""The platforms the contract is run on. To add a provider, write its `Platform` and a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.aws.app import Ecs
from tests.support.docker.app import Docker
from tests.support.kubernetes.app import Kubernetes, kubernetes
from tests.support.kubernetes.real import RealCluster, real_cluster
from tests.support.local import Local
from tests.support.platform import Ability, Platform, refuse_unable
from tests.support.real import need_program

EXITS = "import sys; print('no settings', flush=True); sys.exit(7)\n"
Make = Callable[[Path, Path, pytest.FixtureRequest], Iterator[Platform]]


def _local(home: Path, directory: Path, _: pytest.FixtureRequest) -> Iterator[Platform]:
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    local = Local(home, directory)
    _release(local)
    yield local
    local.another().dismantle()


def _docker(home: Path, directory: Path, _: pytest.FixtureRequest) -> Iterator[Platform]:
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    docker = Docker(home, directory)
    _release(docker)
    yield docker
    docker.end()


def _aws_ecs(home: Path, directory: Path, _: pytest.FixtureRequest) -> Iterator[Platform]:
    ecs = Ecs(home, directory)
    try:
        _release(ecs)
        yield ecs
    finally:
        ecs.end()


def _release(platform: Local | Ecs) -> None:
    platform.release("1.0.0")
    platform.release("1.1.0")
    platform.release("1.2.0", EXITS)


def _kubernetes(home: Path, _: Path, __: pytest.FixtureRequest) -> Iterator[Platform]:
    with kubernetes(home) as made:
        yield made


def _cluster(home: Path, _: Path, request: pytest.FixtureRequest) -> Iterator[Platform]:
    options = request.config.option
    with real_cluster(home, options.kubeconfig, options.cluster_image) as made:
        yield made


PLATFORMS: Mapping[str, tuple[Make, Mapping[Ability, str]]] = {
    "local": (_local, Local.cannot),
    "docker": (_docker, Docker.cannot),
    "kubernetes": (_kubernetes, Kubernetes.cannot),
    "cluster": (_cluster, RealCluster.cannot),
    "aws_ecs": (_aws_ecs, Ecs.cannot),
}
"""How each is made, and what it cannot by nature."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each provider in turn; a real cluster where one was named."""
    if "platform" not in metafunc.fixturenames:
        return
    options = metafunc.config.option
    if bool(options.kubeconfig) != bool(options.cluster_image):
        raise pytest.UsageError("--kubeconfig and --cluster-image go together")
    there = [name for name in PLATFORMS if name != "cluster" or options.kubeconfig]
    metafunc.parametrize("platform", there, indirect=True)


@pytest.fixture
def platform(request: pytest.FixtureRequest, home: Path, tmp_path: Path) -> Iterator[Platform]:
    """An environment of each provider in turn: see `Platform`."""
    make, cannot = PLATFORMS[request.param]
    refuse_unable(request, request.param, cannot)
    yield from make(home, tmp_path, request)
