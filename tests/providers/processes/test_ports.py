"""Ports are found free, and who holds one is told."""

from __future__ import annotations

import os
import socket

import pytest

from orchestrate.providers.processes import ports

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
