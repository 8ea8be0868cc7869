"""Ports are found free, and who holds one is told."""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from orchestrate.core.errors import StepFailed
from orchestrate.providers.processes import diag, ports

pytestmark = pytest.mark.system


def test_a_free_port_lies_below_those_of_outgoing_connections() -> None:
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        first = int(file.read().split()[0])
    found = {ports.free_port() for _ in range(20)}
    assert all(ports.FIRST <= port < first for port in found)
    assert len(found) > 10


def test_the_holder_of_a_port_is_named_and_its_connections_counted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not ports.is_free(port)
        assert ports.is_listened(port)
        assert f"(pid {os.getpid()})" in str(ports.holder(port))
        assert ports.established({port}) == {port: 0}
        with socket.create_connection(("127.0.0.1", port)), server.accept()[0]:
            assert ports.established({port}) == {port: 1}
    assert ports.is_free(port)
    assert not ports.is_listened(port)
    assert ports.holder(port) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_more_connections_than_one_answer_of_the_kernel_holds_are_all_counted(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with ExitStack() as held:
        server = held.enter_context(socket.create_server((address, 0), family=family, backlog=300))
        port = server.getsockname()[1]
        for _ in range(300):
            held.enter_context(socket.create_connection((address, port)))
            held.enter_context(server.accept()[0])
        assert ports.established({port}) == {port: 300}


def test_a_kernel_that_does_not_tell_is_read_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> Iterator[tuple[int, int]]:
        raise OSError("not in this sandbox")

    monkeypatch.setattr(diag, "ports", refused)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), server.accept()[0]:
            assert ports.established({port}) == {port: 1}


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[int, int]:
    """The only two ports there are to choose from, in this order; nothing was given yet."""
    found = (ports.FIRST + 7, ports.FIRST + 11)
    monkeypatch.setattr(ports, "SHARED", str(tmp_path))
    monkeypatch.setattr(random, "sample", lambda *_: list(found))
    monkeypatch.setattr(ports, "is_free", lambda *_: True)
    return found


def test_a_port_that_was_given_a_moment_ago_is_given_to_nobody_else(
    two: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [ports.free_port(), ports.free_port()] == list(two)
    with pytest.raises(StepFailed):
        ports.free_port()
    later = time.time() + ports.RESERVED_S + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert ports.free_port() == two[0], "whoever had it listens by now, or never will"


@pytest.mark.parametrize("spoilt", ["a file", "others may write there", "what is kept is no JSON"])
def test_where_it_cannot_be_kept_who_has_a_port_one_is_given_all_the_same(
    two: tuple[int, int], tmp_path: Path, spoilt: str
) -> None:
    place = tmp_path / f"orchestrate-ports-{os.getuid()}"
    if spoilt == "a file":
        place.write_text("")
    else:
        place.mkdir(mode=0o700)
    if spoilt == "others may write there":
        place.chmod(0o777)
    if spoilt == "what is kept is no JSON":
        (place / "given.json").write_text("[1, 2")
    assert ports.free_port() == two[0]
