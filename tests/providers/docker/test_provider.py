"""What is Docker's own in the provider: the record, the confinement, what a crash leaves behind."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

import pytest

from orchestrate.core.environment import HealthGate
from orchestrate.core.errors import (
    ExitedAtOnce,
    FencedOut,
    OrchestrateError,
    PortTaken,
    ProviderUnavailable,
    StepFailed,
    Unhealthy,
)
from orchestrate.core.protocols import Write
from orchestrate.core.revision import Revision
from orchestrate.core.steps import AwaitHealthy, Start
from tests.contract.driver import Driver
from tests.providers.docker.conftest import Make
from tests.support.docker.app import Docker
from tests.support.local import APP, ask
from tests.support.platform import LOST
from tests.support.ports import free_port
from tests.support.secrets import planted
from tests.support.waiting import eventually

pytestmark = pytest.mark.system

HUNGRY = """
import os, time
print("eating", flush=True)
eaten = []
while True:
    eaten.append(bytearray(os.urandom(1 << 20)))
"""


def inspected(docker: Docker, revision: Revision, number: int = 0) -> dict[str, object]:
    container = docker.provider.running.of(revision.key)[number]
    found = docker.engine.api.inspect_container(container.id)
    assert isinstance(found, dict)
    return found


class TestRecord:
    def test_the_labels_say_what_a_container_is(self, docker: Docker) -> None:
        revision = docker.up(docker.pinned("1.0.0"), 2)
        labels = inspected(docker, revision, 1)["Config"]["Labels"]
        found = {name.removeprefix("orchestrate."): value for name, value in labels.items()}
        assert found["app"] == "shop"
        assert found["environment"] == "dev"
        assert (found["key"], found["version"]) == (revision.key, "1.0.0")
        assert (found["replica"], found["write"]) == ("1", str(docker.number))
        assert Revision.model_validate_json(found["revision"]) == revision

    def test_a_container_has_its_secrets_and_none_of_this_programs(self, make_docker: Make) -> None:
        docker = make_docker(
            secrets={"DB": "postgres://secret", "REG_USER": "shop", "REG_PASS": "pa55"},
            config={"credentials": {"username": "REG_USER", "password": "REG_PASS"}},
        )
        pins = planted(docker.environment)
        assert "REG_PASS" in pins
        revision = docker.release("1.0.0").model_copy(update={"secret_versions": pins})
        docker.up(revision, 1)
        given = inspected(docker, revision)["Config"]["Env"]
        assert "DB=postgres://secret" in given
        assert not [each for each in given if each.startswith("REG_")]

    @pytest.mark.trap(40)
    def test_a_replica_says_which_image_it_runs(self, docker: Docker) -> None:
        revision = docker.up(docker.pinned("1.0.0"), 1)
        (replica,) = docker.provider.observe().replicas(revision.key)
        assert replica.artifact == revision.artifact.digest

    def test_what_runs_is_found_again_when_all_but_the_labels_is_lost(self, docker: Docker) -> None:
        revision = docker.live("1.0.0", 2)
        before = docker.pids(revision)
        (Path(docker.provider.directory) / "wanted.json").unlink()
        provider = docker.another()
        (found,) = provider.observe().running
        assert (found.revision, found.wanted) == (revision.ref, 2)
        assert provider.ensure() == []
        provider.scale(revision.ref, 1, docker.write())
        eventually(lambda: docker.pids(revision) == before[:1])

    def test_an_older_write_is_refused_by_the_labels_alone(self, docker: Docker) -> None:
        docker.number = 10
        revision = docker.up(docker.pinned("1.0.0"), 1)
        (Path(docker.provider.directory) / "fence.json").unlink()
        provider = docker.another()
        assert provider.observe().write == docker.number
        for write in (Write(9, "late/step/op", "x"), Write(docker.number, "other/step/op", "x")):
            with pytest.raises(FencedOut):
                provider.stop(revision.ref, write)
            with pytest.raises(FencedOut):
                provider.start(revision, 2, write)
        assert len(docker.pids(revision)) == 1

    def test_another_home_neither_sees_nor_touches_it(
        self, docker: Docker, make_docker: Make, tmp_path: Path
    ) -> None:
        revision = docker.up(docker.pinned("1.0.0"), 1)
        other = make_docker(repository=docker.repository)
        other.home = tmp_path / "other"
        other.provider = other.another()
        assert other.provider.observe().running == ()
        other.provider.dismantle()
        assert len(docker.pids(revision)) == 1


class TestCrash:
    def test_between_create_and_start_is_made_good_by_the_same_write(self, docker: Docker) -> None:
        revision, write = docker.pinned("1.0.0"), docker.write()
        provider = docker.provider
        made = provider.containers.create(
            revision, provider.settings, revision.artifact.digest, 0, free_port(), write, {}
        )
        docker.another().start(revision, 2, write)
        docker.await_answering(revision, 2)
        assert docker.pids(revision)[0] == made[:12]
        assert len(docker.pids(revision)) == 2

    def test_that_lost_the_answer_to_create_does_not_make_two(self, docker: Docker) -> None:
        revision, write = docker.pinned("1.0.0"), docker.write()
        provider = docker.provider
        digest, port = revision.artifact.digest, free_port()
        first, again = (
            provider.containers.create(revision, provider.settings, digest, 0, port, write, {})
            for _ in range(2)
        )
        assert first == again
        assert len(provider.running.of(revision.key)) == 1

    def test_at_any_call_leaves_a_container_out_of_no_network(self, make_docker: Make) -> None:
        names = [f"orc-{free_port()}-{at}" for at in range(2)]
        docker = make_docker(config={"networks": [*names]})
        made = [docker.engine.api.create_network(name)["Id"] for name in names]
        revision = docker.release("1.0.0")
        try:
            for call in range(1, 30):
                write = docker.write()
                with docker.failing(call, LOST) as broken, suppress(OrchestrateError):
                    docker.provider.start(revision, 1, write)
                docker.another().start(revision, 1, write)
                found = inspected(docker, revision)["NetworkSettings"]["Networks"]
                assert sorted(found) == names, call
                docker.another().dismantle()
                docker.number += 1  # which was a write of its own
                if not broken.reached:
                    break
        finally:
            docker.another().dismantle()
            for each in made:
                docker.engine.api.remove_network(each)
        assert not broken.reached

    def test_a_network_that_is_gone_is_told(self, make_docker: Make) -> None:
        names = [f"orc-{free_port()}-{at}" for at in range(2)]
        docker = make_docker(config={"networks": [*names]})
        made = docker.engine.api.create_network(names[0])["Id"]
        try:
            with pytest.raises(StepFailed) as raised:
                docker.provider.start(docker.release("1.0.0"), 1, docker.write())
            assert names[1] in raised.value.why[0]
        finally:
            docker.another().dismantle()
            docker.engine.api.remove_network(made)


class TestEnsure:
    def test_brings_back_what_was_removed_stopped_or_killed(self, docker: Docker) -> None:
        revision = docker.live("1.0.0", 3)
        api, (first, second, third) = docker.engine.api, docker.provider.running.of(revision.key)
        api.remove_container(first.id, force=True)
        api.stop(second.id, timeout=1)
        done = docker.another().ensure()
        assert len(done) == 2
        docker.await_answering(revision, 3)
        ids = [container.id for container in docker.provider.running.of(revision.key)]
        assert ids[0] != first.id
        assert ids[1:] == [second.id, third.id]
        assert docker.provider.ensure() == []

    def test_the_engine_itself_starts_again_what_crashed(self, docker: Docker) -> None:
        revision = docker.up(docker.pinned("1.0.0"), 1)
        (replica,) = docker.provider.observe().replicas(revision.key)
        assert replica.address is not None
        with pytest.raises(OSError):
            ask(replica.address, "/exit/3")
        eventually(lambda: docker.provider.observe().replicas(revision.key)[0].restarts == 1)
        docker.await_answering(revision, 1)
        assert docker.provider.observe().replicas(revision.key)[0].address == replica.address

    def test_does_nothing_while_a_write_is_under_way(self, docker: Docker) -> None:
        revision = docker.live("1.0.0", 1)
        docker.engine.api.stop(docker.provider.running.of(revision.key)[0].id, timeout=1)
        with docker.provider.fence.passed(docker.write()):
            assert docker.another().ensure() == []
        assert len(docker.another().ensure()) == 1


class TestConfinement:
    def test_a_container_can_do_little(self, docker: Docker) -> None:
        revision = docker.up(docker.pinned("1.0.0"), 1)
        found = inspected(docker, revision)
        host, config = found["HostConfig"], found["Config"]
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["Privileged"]
        assert host["SecurityOpt"] == ["no-new-privileges"]
        assert host["Tmpfs"] == {"/tmp": "size=64m"}
        assert host["PidsLimit"] == 1024
        assert config["User"] == "65534:65534"
        assert host["LogConfig"]["Config"] == {"max-size": str(10 << 20), "max-file": "3"}
        (binding,) = host["PortBindings"]["8080/tcp"]
        assert binding["HostIp"] == "127.0.0.1"

    def test_limits_mounts_networks_and_variables_are_as_configured(
        self, make_docker: Make, tmp_path: Path
    ) -> None:
        network = f"orc-{free_port()}"
        (tmp_path / "shared").mkdir()
        docker = make_docker(
            variables={"COLOUR": "red", "LEVEL": "2"},
            config={
                "memory": "64MiB",
                "cpus": 0.5,
                "pids": 50,
                "user": "1234:1234",
                "environment": ["COLOUR=blue", "SHAPE=round"],
                "volumes": [f"{tmp_path}/shared:/shared:ro", {"source": "kept", "target": "/data"}],
                "networks": [network],
                "tmpfs": ["/run:size=1m"],
            },
        )
        api = docker.engine.api
        bad = [finding for finding in docker.provider.probe() if finding.name == "network"]
        assert [finding.fix for finding in bad] == [f"docker network create {network}"]
        made = api.create_network(network)["Id"]
        try:
            revision = docker.up(docker.release("1.0.0"), 1)
            found = inspected(docker, revision)
            host = found["HostConfig"]
            assert (host["Memory"], host["MemorySwap"]) == (64 << 20, 64 << 20)
            assert (host["NanoCpus"], host["PidsLimit"]) == (500_000_000, 50)
            assert list(found["NetworkSettings"]["Networks"]) == [network]
            mounts = {m["Destination"]: (m["Type"], m["RW"]) for m in found["Mounts"]}
            assert mounts["/shared"] == ("bind", False)
            assert mounts["/data"] == ("volume", True)
            (replica,) = docker.provider.observe().replicas(revision.key)
            seen = ask(str(replica.address)).body["env"]
            assert (seen["COLOUR"], seen["LEVEL"], seen["SHAPE"]) == ("red", "2", "round")
            assert seen["ORCHESTRATE_VERSION"] == "1.0.0"
            docker.provider.stop(revision.ref, docker.write())
            eventually(lambda: not docker.provider.observe().running)
            docker.provider.running.forget(revision.key)
        finally:
            api.remove_network(made)
            api.remove_volume("kept")
        assert docker.provider.restorable(revision).lost == (f"network {network} is gone",)

    def test_a_container_that_needs_too_much_memory_says_so(self, make_docker: Make) -> None:
        docker = make_docker(config={"memory": "24MiB"})
        revision = docker.release("1.0.0", HUNGRY)
        docker.provider.start(revision, 1, docker.write())

        def told() -> bool:
            (replica,) = docker.provider.observe().replicas(revision.key)
            return replica.reason == "killed: it needed more than its memory of 24 MiB"

        eventually(told)


class TestReasons:
    def test_what_cannot_be_started_is_told_with_the_reason(self, make_docker: Make) -> None:
        docker = make_docker(config={"command": ["/no/such/program"], "init": False})
        revision = docker.release("1.0.0")
        with pytest.raises(ExitedAtOnce) as raised:
            docker.provider.start(revision, 1, docker.write())
        assert "/no/such/program" in raised.value.why[0]

    def test_a_port_that_is_taken_gives_another_unless_it_has_traffic(self, docker: Docker) -> None:
        idle, live = docker.up(docker.pinned("1.0.0"), 1), docker.live("1.1.0", 1)
        for revision, moved in ((idle, True), (live, False)):
            (container,) = docker.provider.running.of(revision.key)
            docker.engine.api.stop(container.id, timeout=1)
            with socket.create_server(("127.0.0.1", container.port)):
                if not moved:
                    with pytest.raises(PortTaken):
                        docker.another().ensure()
                else:
                    docker.another().ensure()
                    docker.await_answering(revision, 1)
                    assert docker.provider.running.of(revision.key)[0].port != container.port

    def test_an_engine_that_is_not_there_is_told_with_what_provides_it(
        self, make_docker: Make, tmp_path: Path
    ) -> None:
        docker = make_docker()
        docker.config = {"host": f"unix://{tmp_path}/none.sock"}
        findings = docker.another().probe()
        (bad,) = [finding for finding in findings if not finding.ok]
        assert bad.name == "engine"
        assert bad.fix is not None and "apt-get install docker.io" in bad.fix
        with pytest.raises(ProviderUnavailable):
            docker.another().observe()
        docker.config = {}

    def test_a_tag_that_is_gone_keeps_nobody_from_going_back(self, make_docker: Make) -> None:
        docker = make_docker()
        (bad,) = [finding for finding in docker.provider.probe() if not finding.ok]
        assert (bad.name, bad.code) == ("image", "artifact_missing")
        revision = docker.live("1.0.0", 1)
        docker.engine.remove_images(f"{docker.repository}:")
        assert [finding for finding in docker.provider.probe() if not finding.ok] == []
        assert docker.provider.restorable(revision).ok

    def test_logs_have_the_time_of_each_line(self, docker: Docker) -> None:
        revision = docker.up(docker.pinned("1.0.0"), 1)
        (line,) = docker.provider.logs(revision.ref, 5)
        assert line.text == "serving 1.0.0"
        assert line.at is not None and line.at.startswith("20") and line.at.endswith("Z")

    def test_logs_of_what_was_stopped_are_kept(self, docker: Docker) -> None:
        revision = docker.live("1.0.0", 1)
        docker.provider.stop(revision.ref, docker.write())
        eventually(lambda: not docker.provider.observe().running)
        assert [line.text for line in docker.provider.logs(revision.ref, 5)] == ["serving 1.0.0"]


class TestHealthCheck:
    """The application answers its HTTP gate in all of these."""

    def test_that_says_unhealthy_fails_the_gate_with_its_words(self, make_docker: Make) -> None:
        docker = make_docker()
        check = "import sys; print('no database'); sys.exit(1)"
        probe = f'HEALTHCHECK --interval=200ms --retries=1 CMD ["python3", "-c", "{check}"]'
        driver = Driver(docker, None, docker.release("1.0.0", APP, probe))
        with pytest.raises(Unhealthy) as raised:
            gate(driver, 5)
        told = "replica 0 is starting: its own health check says unhealthy: no database"
        assert told in raised.value.why

    def test_is_waited_for_while_it_says_starting(self, make_docker: Make) -> None:
        # It looks for a file that the application is made to write only later.
        test = "import os, sys; sys.exit(not os.path.exists('/tmp/ready'))"
        checked = {"test": ["CMD", "python3", "-c", test], "interval": "200ms", "retries": 1000}
        docker = make_docker(config={"healthcheck": checked})
        revision = docker.release("1.0.0")
        driver = Driver(docker, None, revision)
        with pytest.raises(Unhealthy, match="1s"):
            gate(driver, 1)
        (replica,) = docker.provider.observe().replicas(revision.key)
        assert replica.state == "starting" and ask(str(replica.address)).status == 200
        (container,) = docker.provider.running.of(revision.key)
        api = docker.engine.api
        write = api.exec_create(container.id, ["python3", "-c", "open('/tmp/ready', 'w')"])
        api.exec_start(write["Id"])
        gate(driver, 30)
        assert docker.provider.observe().replicas(revision.key)[0].state == "running"

    def test_of_the_config_replaces_the_images(self, make_docker: Make) -> None:
        docker = make_docker(config={"healthcheck": {"disable": True}})
        probe = 'HEALTHCHECK --interval=1s --retries=1 CMD ["/no/such/program"]'
        revision = docker.release("1.0.0", APP, probe)
        gate(Driver(docker, None, revision), 30)
        assert inspected(docker, revision)["Config"]["Healthcheck"]["Test"] == ["NONE"]


def gate(driver: Driver, within_s: float) -> None:
    """Start one replica and carry it through its gate. Raises Unhealthy."""
    ref = driver.new.ref
    driver.carry_out(
        [Start(revision=ref, replicas=1), AwaitHealthy(revision=ref, replicas=1, within_s=within_s)]
    )


class TestGrace:
    def test_a_program_that_does_not_end_is_killed_after_its_grace(self, make_docker: Make) -> None:
        docker = make_docker(
            config={"grace": "1s", "init": False}, health=HealthGate(interval_s=0.1)
        )
        # The first process of a container ignores SIGTERM unless it says otherwise.
        revision = docker.live("1.0.0", 1)
        docker.provider.stop(revision.ref, docker.write())
        (replica,) = docker.provider.observe().replicas(revision.key)
        assert replica.state == "stopping"
        eventually(lambda: not docker.provider.observe().running)
        assert inspected(docker, revision)["State"]["ExitCode"] == 137
