"""The platforms the contract is run on. To add a provider, write its `Platform` and a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.aws.app import Ecs
from tests.support.docker.app import Docker
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


PLATFORMS: Mapping[str, tuple[Make, Mapping[Ability, str]]] = {
    "local": (_local, Local.cannot),
    "docker": (_docker, Docker.cannot),
    "aws_ecs": (_aws_ecs, Ecs.cannot),
}
"""How each is made, and what it cannot by nature."""


@pytest.fixture(params=list(PLATFORMS))
def platform(request: pytest.FixtureRequest, home: Path, tmp_path: Path) -> Iterator[Platform]:
    """An environment of each provider in turn: see `Platform`."""
    make, cannot = PLATFORMS[request.param]
    refuse_unable(request, request.param, cannot)
    yield from make(home, tmp_path, request)
