"""One service for all tests of a module, each with environments of its own."""

from collections.abc import Iterator

import pytest

from tests.support.office import Office
from tests.support.ports import free_port
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


@pytest.fixture(scope="module")
def office() -> Iterator[Office]:
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    port = free_port()
    with a_world("--http", f"127.0.0.1:{port}") as world:
        for version in ("1.0.0", "1.1.0"):
            world.release(version)
        yield Office(world, port)


@pytest.fixture(scope="module")
def places(office: Office) -> dict[str, str]:
    """Two environments, `berlin` and `tokyo`; in `tokyo` a plan and a deployment. Ids by what
    names them."""
    for name in ("berlin", "tokyo"):
        office.world.small(name, strategy={"type": "recreate"})
    done = office.api.deploy("tokyo", "1.0.0")
    assert done.phase == "succeeded", done
    plan = office.api.plan("tokyo", "1.1.0")["digest"]
    return {"environment": "tokyo", "deployment": done.id, "plan": str(plan)}
