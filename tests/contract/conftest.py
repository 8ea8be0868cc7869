"""The platforms the contract is run on. To add a provider, write its `Platform` and a line."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.docker.app import Docker
from tests.support.local import Local
from tests.support.real import need_program

EXITS = "import sys; print('no settings', flush=True); sys.exit(7)\n"


@pytest.fixture(params=["local", "docker"])
def platform(request: pytest.FixtureRequest, home: Path, tmp_path: Path) -> Iterator[Local]:
    """An environment with versions 1.0.0 and 1.1.0 that answer, and 1.2.0 that exits at once."""
    makers: dict[str, Callable[[Path, Path], Iterator[Local]]] = {
        "local": _local,
        "docker": _docker,
    }
    yield from makers[request.param](home, tmp_path)


def _local(home: Path, directory: Path) -> Iterator[Local]:
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    local = Local(home, directory)
    local.release("1.0.0")
    local.release("1.1.0")
    local.release("1.2.0", EXITS)
    yield local
    local.another().dismantle()


def _docker(home: Path, directory: Path) -> Iterator[Local]:
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    docker = Docker(home, directory)
    docker.release("1.0.0")
    docker.release("1.1.0")
    docker.release("1.2.0", EXITS)
    yield docker
    docker.end()
