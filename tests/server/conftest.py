"""One service for all tests of a module, each with environments of its own."""

from collections.abc import Iterator

import pytest

from tests.support.real import need_program
from tests.support.service import World
from tests.support.service import world as a_world


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A home with a running service and the small application in two versions."""
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    with a_world() as found:
        for version in ("1.0.0", "1.1.0"):
            found.release(version)
        yield found


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
