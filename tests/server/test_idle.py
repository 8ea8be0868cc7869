"""A service that was started by itself ends by itself: when nobody is connected, and not before."""

import pytest

from tests.support.agent import HELLO, READY, bare, call
from tests.support.service import World, world

pytestmark = pytest.mark.system


def test_an_open_session_keeps_the_service_and_its_end_lets_it_go() -> None:
    with world("--idle-exit", "1s") as kept, bare(kept.home) as session:
        session.send(HELLO, READY)
        session.answer(1)
        # Another one, started later and used by nobody, tells when it is time.
        with world("--idle-exit", "1s") as unused:
            assert ended(unused) == 0
        session.send(call(2, "get_overview"))
        assert session.answer(2)["result"]["structuredContent"]["items"] == []
        session.close()
        assert ended(kept) == 0
        assert "idle for 1s" in (kept.home / "service.log").read_text(encoding="utf-8")


def test_the_end_of_the_service_ends_its_sessions() -> None:
    with world() as stopped, bare(stopped.home) as session:
        session.send(HELLO, READY)
        session.answer(1)
        session.send(call(2, "get_overview"))
        session.answer(2)
        stopped.service.stop()
        assert session.receive() is None
        assert "Traceback" not in stopped.service.complaints()


def ended(world: World) -> int:
    process = world.service.process
    assert process is not None
    return process.wait(timeout=30)
