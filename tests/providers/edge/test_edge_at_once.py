"""Two environments at one port: the end of one is never the end of the other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrate.core.environment import HealthGate
from orchestrate.core.protocols import Write
from orchestrate.core.revision import Ref
from orchestrate.providers.edge import Backend, Edge, Place, Traffic
from tests.support.local import ask
from tests.support.ports import free_port
from tests.support.real import need_program
from tests.support.servers import Server, serving

pytestmark = pytest.mark.system

REF = Ref(key="a" * 12, version="1.0.0")


class Slow(Edge):
    """Ends Traefik only when it may, or after a moment."""

    def __init__(self, home: str, place: Place) -> None:
        super().__init__(home, place)
        self.ending, self.may = threading.Event(), threading.Event()

    def stop(self) -> None:
        self.ending.set()
        self.may.wait(2.0)
        super().stop()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving("1.0.0") as found:
        yield found


def test_one_that_arrives_while_the_last_one_leaves_is_served(home: Path, server: Server) -> None:
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    port = free_port()
    leaving = Slow(str(home), Place(port=port, host="old.localhost"))
    arriving = Edge(str(home), Place(port=port, host="new.localhost"))

    def traffic(edge: Edge) -> Traffic:
        return Traffic(edge.place.rule, (Backend(REF, (server.url,), HealthGate(), 100),), None)

    leaving.apply("shop--old", traffic(leaving), Write(1, "one", "lease"))
    last = threading.Thread(target=leaving.forget, args=("shop--old",))
    last.start()
    try:
        assert leaving.ending.wait(10)
        arriving.apply("shop--new", traffic(arriving), Write(1, "one", "lease"))
        leaving.may.set()
        last.join()
        found = ask(f"http://127.0.0.1:{port}", host=f"new.localhost:{port}")
        assert found.status == 200
    finally:
        leaving.may.set()
        last.join()
        arriving.stop()
