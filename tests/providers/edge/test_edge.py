"""The real Traefik follows each document, survives being killed, and never serves another's."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from orchestrate.core.environment import HealthGate
from orchestrate.core.errors import (
    EdgeFailed,
    FencedOut,
    PortTaken,
    ProviderConfigInvalid,
)
from orchestrate.core.protocols import Write
from orchestrate.core.revision import Ref
from orchestrate.providers.edge import Backend, Edge, Place, Traffic, edge
from orchestrate.providers.edge.metrics import made
from orchestrate.providers.processes.ports import is_free
from tests.support.local import ask
from tests.support.ports import free_port
from tests.support.real import need_program
from tests.support.servers import Server, serving
from tests.support.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.fault]

GATE = HealthGate(path="/healthz")
OLD, NEW = Ref(key="a" * 12, version="1.0.0"), Ref(key="b" * 12, version="1.1.0")
Make = Callable[..., Edge]


@pytest.fixture
def make(home: Path) -> Iterator[Make]:
    """Makes edges; their Traefiks are ended after the test."""
    need_program("traefik", 'pip install "orchestrate-mcp[edge]"')
    made: list[Edge] = []

    def edge_at(place: Place | None = None) -> Edge:
        made.append(Edge(str(home), place or Place(port=free_port())))
        return made[-1]

    yield edge_at
    for each in made:
        each.stop()


@pytest.fixture
def old() -> Iterator[Server]:
    with serving("1.0.0") as server:
        yield server


@pytest.fixture
def new() -> Iterator[Server]:
    with serving("1.1.0") as server:
        yield server


def traffic(
    *parts: tuple[Ref, Server, int],
    fallback: tuple[Ref, Server] | None = None,
    rule: str = "PathPrefix(`/`)",
    gate: HealthGate = GATE,
) -> Traffic:
    return Traffic(
        rule,
        tuple(Backend(ref, (server.url,), gate, percent) for ref, server, percent in parts),
        Backend(fallback[0], (fallback[1].url,), gate) if fallback else None,
    )


def write(number: int) -> Write:
    return Write(number, f"d/step-{number}/route", "lease")


def traefik_pid(found: Edge) -> int:
    process = eventually(found.engine.process)
    assert process.identity is not None
    return process.identity.pid


def kill_whole(found: Edge) -> None:
    """The supervisor, then Traefik; returns when both are gone with their ports."""
    supervisor = eventually(found.engine.program.supervisor)
    os.kill(supervisor.pid, signal.SIGKILL)
    os.kill(traefik_pid(found), signal.SIGKILL)
    eventually(lambda: not supervisor.alive and is_free(found.place.port))
    eventually(lambda: is_free(found.engine.record().internal_port))


def served(found: Edge, host: str | None = None) -> str | None:
    return ask(found.place.url, host=host).version


def serves(found: Edge) -> bool:
    try:
        return ask(found.place.url).status == 200
    except OSError:
        return False


class TestCounting:
    def test_an_edge_that_never_served_has_counted_nothing(self, make: Make) -> None:
        assert make().counts("shop--dev") == {}

    @pytest.mark.trap(49)
    def test_health_probes_are_no_requests(self, make: Make, old: Server) -> None:
        found = make()
        often = GATE.model_copy(update={"interval_s": 0.05})
        found.apply("shop--dev", traffic((OLD, old, 100), gate=often), write(1))
        probed = eventually(lambda: len(old.paths) > 10 and set(old.paths))
        assert probed == {often.path}
        ask(found.place.url)
        counted = eventually(lambda: found.counts("shop--dev").get(OLD.key))
        assert counted is not None and counted.total == 1

    @pytest.mark.trap(50)
    def test_what_the_client_did_wrong_or_gave_up_is_no_failure(self) -> None:
        counted = made({"200": 90, "404": 5, "429": 2, "499": 7, "500": 1, "502": 2, "0": 1}, {})
        assert (counted.total, counted.failed) == (108, 4)

    @pytest.mark.trap(50)
    def test_a_client_that_gives_up_is_counted_and_not_as_a_failure(
        self, make: Make, old: Server
    ) -> None:
        found = make()
        found.apply("shop--dev", traffic((OLD, old, 100)), write(1))
        place = urlsplit(found.place.url)
        with socket.create_connection((place.hostname, place.port)) as gone:
            gone.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
            eventually(lambda: "/slow" in old.paths)
        counted = eventually(lambda: found.counts("shop--dev").get(OLD.key))
        old.go_on.set()
        assert counted is not None
        assert (counted.codes, counted.failed) == ({"499": 1}, 0)


class TestSurvival:
    def test_a_killed_traefik_serves_again_on_the_same_port_by_itself(
        self, make: Make, old: Server
    ) -> None:
        found = make()
        found.apply("shop--dev", traffic((OLD, old, 100)), write(1))
        first = traefik_pid(found)
        os.kill(first, signal.SIGKILL)
        eventually(lambda: serves(found))
        assert traefik_pid(found) != first
        assert served(found) == "1.0.0"
        assert found.present("shop--dev").number == 1

    def test_traefik_and_its_supervisor_killed_come_back_with_ensure(
        self, make: Make, old: Server
    ) -> None:
        found = make()
        found.apply("shop--dev", traffic((OLD, old, 100)), write(1))
        kill_whole(found)
        Edge(found.directory.split("/edge/")[0], found.place).ensure()
        assert served(found) == "1.0.0"

    def test_a_change_goes_through_while_traefik_is_being_killed(
        self, make: Make, old: Server, new: Server
    ) -> None:
        found = make()
        found.apply("shop--dev", traffic((OLD, old, 100)), write(1))
        os.kill(traefik_pid(found), signal.SIGKILL)
        found.apply("shop--dev", traffic((NEW, new, 100)), write(2))
        assert served(found) == "1.1.0"

    def test_another_process_adopts_the_running_traefik(self, make: Make, old: Server) -> None:
        found = make()
        found.apply("shop--dev", traffic((OLD, old, 100)), write(1))
        first = traefik_pid(found)
        again = Edge(found.directory.split("/edge/")[0], found.place)
        again.ensure()
        assert traefik_pid(again) == first

    def test_many_starting_at_once_start_one(self, make: Make) -> None:
        place = Place(port=free_port())
        edges = [make(place) for _ in range(6)]
        threads = [threading.Thread(target=each.ensure) for each in edges]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({traefik_pid(each) for each in edges}) == 1
        journal = Path(edges[0].engine.program.directory) / "effects.jsonl"
        assert len(journal.read_text(encoding="utf-8").splitlines()) == 1

    def test_an_internal_port_taken_meanwhile_is_replaced(self, make: Make, old: Server) -> None:
        found = make()
        found.apply("shop--dev", traffic((OLD, old, 100)), write(1))
        before = found.engine.record().internal_port
        found.stop()
        with socket.create_server(("127.0.0.1", before)):
            found.ensure()
            assert found.engine.record().internal_port != before
            assert served(found) == "1.0.0"
            assert found.counts("shop--dev")[OLD.key].total == 1

    def test_an_internal_port_taken_while_traefik_was_away_is_replaced(
        self, make: Make, old: Server
    ) -> None:
        found = make()
        found.apply("shop--dev", traffic((OLD, old, 100)), write(1))
        before = found.engine.record().internal_port
        kill_whole(found)
        with socket.create_server(("127.0.0.1", before)):
            found.ensure()
            assert found.engine.record().internal_port != before
            assert served(found) == "1.0.0"

    @pytest.mark.parametrize("after", [1, 9])
    def test_counters_go_on_after_a_crash(self, make: Make, old: Server, after: int) -> None:
        found = make()
        found.apply("shop--dev", traffic((OLD, old, 100)), write(1))
        for _ in range(5):
            served(found)
        assert found.counts("shop--dev")[OLD.key].total == 5
        os.kill(traefik_pid(found), signal.SIGKILL)
        eventually(lambda: serves(found))
        for _ in range(after - 1):
            served(found)
        seen = found.counts("shop--dev")[OLD.key]
        assert seen.total == 5 + after
        assert max(seen.latency_buckets.values()) == 5 + after


class TestChanges:
    def test_an_older_write_is_refused_and_the_same_is_not_repeated(
        self, make: Make, old: Server, new: Server
    ) -> None:
        found = make()
        found.apply("shop--dev", traffic((OLD, old, 100)), write(1))
        found.apply("shop--dev", traffic((NEW, new, 100)), write(5))
        nonce = found.present("shop--dev").nonce
        found.apply("shop--dev", traffic((NEW, new, 100)), write(5))
        assert found.present("shop--dev").nonce == nonce
        with pytest.raises(FencedOut):
            found.apply("shop--dev", traffic((OLD, old, 100)), write(4))
        with pytest.raises(FencedOut):
            found.apply("shop--dev", traffic((OLD, old, 100)), Write(5, "another", "lease"))
        assert served(found) == "1.1.0"

    def test_the_fence_holds_after_nothing_was_served(self, make: Make, old: Server) -> None:
        found = make()
        found.apply("shop--dev", traffic((OLD, old, 100)), write(1))
        found.apply("shop--dev", traffic(), write(2))
        with pytest.raises(FencedOut):
            found.apply("shop--dev", traffic((OLD, old, 100)), write(1))
        assert ask(found.place.url).status == 404

    def test_a_change_that_traefik_does_not_take_is_taken_back(
        self, make: Make, old: Server, new: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = make()
        found.apply("shop--dev", traffic((OLD, old, 100)), write(1))
        broken = Path(found.directory) / "dyn" / "other--dev.yml"
        staged = Path(found.directory) / "staged"
        staged.write_text('{"http": {"rout', encoding="utf-8")
        staged.rename(broken)
        monkeypatch.setattr(edge, "PROOF_S", 0.5)
        with pytest.raises(EdgeFailed) as raised:
            found.apply("shop--dev", traffic((NEW, new, 100)), write(2))
        assert any("other--dev.yml is broken" in why for why in raised.value.why)
        assert found.present("shop--dev").number == 1
        assert served(found) == "1.0.0"
        broken.unlink()
        found.apply("shop--dev", traffic((NEW, new, 100)), write(2))
        assert served(found) == "1.1.0"

    def test_a_broken_document_of_its_own_is_written_anew(self, make: Make, old: Server) -> None:
        found = make()
        found.apply("shop--dev", traffic((OLD, old, 100)), write(1))
        (Path(found.directory) / "dyn" / "shop--dev.yml").write_text("{", encoding="utf-8")
        assert found.present("shop--dev").broken
        found.apply("shop--dev", traffic((OLD, old, 100)), write(2))
        assert served(found) == "1.0.0"

    def test_the_fallback_serves_while_the_new_one_is_unhealthy(
        self, make: Make, old: Server, new: Server
    ) -> None:
        found = make()
        found.apply("shop--dev", traffic((NEW, new, 100), fallback=(OLD, old)), write(1))
        assert served(found) == "1.1.0"
        new.healthy = False
        eventually(lambda: served(found) == "1.0.0")
        new.healthy = True
        eventually(lambda: served(found) == "1.1.0")

    def test_a_template_in_a_path_is_asked_for_as_it_stands(self, make: Make, old: Server) -> None:
        found = make()
        gate = HealthGate(path="/{{env`HOME`}}")
        found.apply("shop--dev", traffic((OLD, old, 100), gate=gate), write(1))
        eventually(lambda: any("{{env" in path or "%7B%7Benv" in path for path in old.paths))


class TestPlaces:
    def test_hosts_share_a_port_and_win_over_the_rest(
        self, make: Make, old: Server, new: Server
    ) -> None:
        found = make()
        found.apply("shop--dev", traffic((OLD, old, 100)), write(1))
        host = traffic((NEW, new, 100), rule="Host(`two.localhost`)")
        found.apply("shop--two", host, write(1))
        assert served(found) == "1.0.0"
        assert served(found, host="two.localhost") == "1.1.0"

    def test_the_same_place_twice_is_refused_by_name(
        self, make: Make, old: Server, new: Server
    ) -> None:
        found = make()
        found.apply("shop--dev", traffic((OLD, old, 100)), write(1))
        with pytest.raises(ProviderConfigInvalid, match="another environment") as raised:
            found.apply("shop--two", traffic((NEW, new, 100)), write(1))
        assert "shop--dev" in raised.value.why[0]
        assert served(found) == "1.0.0"

    def test_a_taken_port_names_who_has_it(self, make: Make) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            found = make(Place(port=server.getsockname()[1]))
            with pytest.raises(PortTaken) as raised:
                found.ensure()
            assert f"(pid {os.getpid()})" in raised.value.why[0]
        found.ensure()
        assert found.engine.process() is not None

    def test_an_address_of_another_machine_is_told(self, make: Make) -> None:
        with pytest.raises(PortTaken) as raised:
            make(Place(address="192.0.2.1", port=free_port())).ensure()
        assert "Cannot assign requested address" in raised.value.why[0]

    def test_an_ipv6_address_is_served(self, make: Make, old: Server) -> None:
        found = make(Place(address="::1", port=free_port()))
        found.apply("shop--dev", traffic((OLD, old, 100)), write(1))
        assert served(found) == "1.0.0"

    def test_a_port_lost_while_traefik_was_away_is_told(self, make: Make, old: Server) -> None:
        found = make()
        found.apply("shop--dev", traffic((OLD, old, 100)), write(1))
        kill_whole(found)
        with socket.create_server(("127.0.0.1", found.place.port)):
            with pytest.raises(PortTaken):
                found.ensure()
        found.ensure()
        assert served(found) == "1.0.0"

    def test_another_address_on_the_same_port_is_refused(self, make: Make) -> None:
        found = make()
        found.ensure()
        other = make(Place(address="127.0.0.2", port=found.place.port))
        with pytest.raises(ProviderConfigInvalid):
            other.ensure()

    def test_there_is_no_admin_port_and_all_files_are_private(
        self, make: Make, old: Server
    ) -> None:
        found = make()
        found.apply("shop--dev", traffic((OLD, old, 100)), write(1))
        internal = f"http://127.0.0.1:{found.engine.record().internal_port}"
        for path in ("/api/rawdata", "/dashboard/", "/api/providers/rest"):
            assert ask(internal, path).status == 404
        for path in Path(found.directory).rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path

    def test_the_proof_is_for_us_alone(self, make: Make, old: Server) -> None:
        found = make()
        found.apply("shop--dev", traffic((OLD, old, 100)), write(1))
        assert served(found) == "1.0.0"
        assert ask(found.place.url, "/shop--dev").version == "1.0.0"
        assert ask(found.place.url, "/shop--dev", host="edge.invalid").version == "1.0.0"

    def test_the_last_environment_takes_traefik_with_it(self, make: Make, old: Server) -> None:
        found = make()
        found.apply("shop--dev", traffic((OLD, old, 100)), write(1))
        found.forget("shop--dev")
        assert found.engine.process() is None
        assert not serves(found)
