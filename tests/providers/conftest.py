"""An environment on this machine that is gone after the test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import JsonValue

from tests.support.local import Local
from tests.support.real import need_program

Make = Callable[..., Local]


@pytest.fixture
def make_local(home: Path, tmp_path: Path) -> Iterator[Make]:
    """Makes environments; each is dismantled in the end."""
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    made: list[Local] = []

    def make(**options: JsonValue) -> Local:
        made.append(Local(home, tmp_path, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for local in made:
        local.another().dismantle()


@pytest.fixture
def local(make_local: Make) -> Local:
    return make_local()
