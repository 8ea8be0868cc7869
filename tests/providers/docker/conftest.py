"""An environment on a real Docker engine that is gone after the test, and a registry."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import JsonValue

from tests.support.docker.app import Docker
from tests.support.docker.registry import Registry, registry
from tests.support.real import need_program

Make = Callable[..., Docker]


@pytest.fixture
def make_docker(home: Path, tmp_path: Path) -> Iterator[Make]:
    """Makes environments with versions 1.0.0 and 1.1.0; each is removed in the end."""
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    made: list[Docker] = []

    def make(**options: JsonValue) -> Docker:
        made.append(Docker(home, tmp_path, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for docker in made:
        docker.end()


@pytest.fixture
def docker(make_docker: Make) -> Docker:
    made = make_docker()
    made.release("1.0.0")
    made.release("1.1.0")
    return made


@pytest.fixture
def registry_here(tmp_path: Path) -> Iterator[Registry]:
    with registry(tmp_path / "registry") as found:
        yield found


@pytest.fixture
def locked_registry(tmp_path: Path) -> Iterator[Registry]:
    """It takes user shop with password pa55, and nobody else."""
    with registry(tmp_path / "registry", locked=True) as found:
        yield found
