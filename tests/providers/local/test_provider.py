"""What local alone promises: clean processes, kept alive, on ports of their own."""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import pytest

from orchestrate.core.errors import DiskFull, PortTaken, ProviderConfigInvalid
from orchestrate.core.protocols import Replica
from orchestrate.core.revision import Revision
from orchestrate.core.validation import Checks, GitHub
from orchestrate.providers.local import LocalProvider
from orchestrate.providers.processes import ports
from orchestrate.providers.processes.ports import is_free
from tests.support.disk import fill, no_space, small_disk
from tests.support.local import APP, Local, ask
from tests.support.ports import free_port
from tests.support.secrets import GivenSecrets, NoSecrets, planted
from tests.support.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.fault]

Make = Callable[..., Local]


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def supervisor_pid(local: Local, revision: Revision) -> int:
    return eventually(local.provider.running.program(revision.key).supervisor).pid


def all_pids(local: Local, revision: Revision) -> list[int]:
    """Every process of the environment: replicas, their supervisor, Traefik and its own."""
    engine = local.provider.edge.engine
    traefik, guard = engine.process(), engine.program.supervisor()
    assert traefik is not None and traefik.identity is not None and guard is not None
    return [guard.pid, traefik.identity.pid, supervisor_pid(local, revision), *local.pids(revision)]


class TestProcesses:
    def test_see_a_clean_environment(
        self, make_local: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not for the application")
        local = make_local(variables={"LOG_LEVEL": "info", "BRACES": "{port}"})
        revision = local.live(replicas=1)
        body = local.ask().body
        env = body["env"]
        assert isinstance(env, dict)
        assert env["BRACES"] == "{port}"
        assert set(env) - {"LC_CTYPE", "TZ"} == {
            *("PATH", "LANG", "HOME", "TMPDIR", "PORT", "LOG_LEVEL", "BRACES"),
            *(f"ORCHESTRATE_{n}" for n in ("APP", "ENVIRONMENT", "VERSION", "REVISION", "REPLICA")),
        }
        assert env["ORCHESTRATE_REVISION"] == revision.key
        assert env["ORCHESTRATE_APP"] == "shop"
        assert Path(str(env["HOME"])).stat().st_mode & 0o777 == 0o700

    def test_are_given_their_secrets_and_none_of_this_programs(self, make_local: Make) -> None:
        local = make_local(secrets={"DB": "postgres://secret", "GIT_TOKEN": "of-our-own"})
        checks = Checks(github=GitHub(token="GIT_TOKEN"))
        environment = local.environment.model_copy(update={"checks": checks})
        local.provider = LocalProvider(environment, str(local.home), GivenSecrets(**local.secrets))
        pins = planted(environment)
        assert "GIT_TOKEN" in pins
        revision = local.release("1.0.0").model_copy(update={"secret_versions": pins})
        local.up(revision, 1)
        local.route((revision, 100))
        env = local.ask().body["env"]
        assert isinstance(env, dict)
        assert env["DB"] == "postgres://secret" and "GIT_TOKEN" not in env

    def test_run_in_their_own_version_that_never_changes(self, local: Local) -> None:
        revision = local.live(replicas=1)
        cwd = Path(str(local.ask().body["cwd"]))
        assert cwd == Path(local.provider.versions.path(revision.key))
        assert cwd.stat().st_mode & 0o777 == 0o555
        assert {p.stat().st_mode & 0o777 for p in cwd.iterdir()} == {0o444}

    def test_may_not_have_their_own_names_overridden(self, make_local: Make) -> None:
        local = make_local(variables={"ORCHESTRATE_VERSION": "9"})
        with pytest.raises(ProviderConfigInvalid, match="ORCHESTRATE_VERSION"):
            local.up(local.release("1.0.0"))
        assert local.provider.observe().running == ()

    def test_a_command_that_is_missing_is_told_before_anything_starts(
        self, make_local: Make
    ) -> None:
        local = make_local(config={"command": ["no-such-program"]})
        with pytest.raises(ProviderConfigInvalid, match="no-such-program"):
            local.provider.start(local.release("1.0.0"), 1, local.write())
        assert local.provider.observe().running == ()
        bad = [finding.name for finding in local.provider.probe() if not finding.ok]
        assert bad == ["command"]

    @pytest.mark.parametrize("program", ["../../../bin/sh", "./missing", "./app.py"])
    def test_a_command_in_the_version_must_be_a_program_there(
        self, make_local: Make, program: str
    ) -> None:
        local = make_local(config={"command": [program]})
        with pytest.raises(ProviderConfigInvalid):
            local.provider.start(local.release("1.0.0"), 1, local.write())

    def test_a_command_in_the_version_is_run_from_there(self, make_local: Make) -> None:
        local = make_local(config={"command": ["./app.py"]})
        local.release("1.0.0", f"#!{sys.executable} -ISs\n{APP}")
        (local.root / "releases" / "1.0.0" / "app.py").chmod(0o755)
        local.up(local.pinned("1.0.0"), 1)


class TestSurvival:
    def test_a_crashed_replica_is_back_on_its_own_port(self, local: Local) -> None:
        revision = local.live(replicas=2)
        before = local.provider.observe().replicas(revision.key)
        first = before[0].pid
        assert first is not None
        kill(first)

        def back() -> Replica | None:
            now = local.provider.observe().replicas(revision.key)[0]
            return now if now.state == "running" and now.pid != first else None

        after = eventually(back)
        assert after.address == before[0].address
        assert after.restarts == 1
        assert "SIGKILL" in str(after.reason)

    def test_everything_killed_comes_back_as_it_was(self, local: Local) -> None:
        """As after a reboot: only the files are left."""
        old, new = local.up(local.release("1.0.0"), 2), local.up(local.release("1.1.0"), 1)
        local.route((old, 0), (new, 100), fallback=old)
        local.provider.scale(old.ref, 1, local.write())
        eventually(lambda: len(local.pids(old)) == 1)
        before = local.provider.observe()
        kill(*all_pids(local, old), supervisor_pid(local, new), *local.pids(new))
        eventually(lambda: not local.pids(old) and not local.pids(new))
        local.another().ensure()
        local.await_answering(old, 1)
        local.await_answering(new, 1)
        after = local.provider.observe()
        assert local.ask().version == "1.1.0"
        assert (after.shares, after.fallback, after.write) == (
            before.shares,
            before.fallback,
            before.write,
        )
        for revision in (old, new):
            assert [r.address for r in after.replicas(revision.key)] == [
                r.address for r in before.replicas(revision.key)
            ]

    def test_ensure_leaves_alone_what_is_well(self, local: Local) -> None:
        revision = local.live(replicas=2)
        before = all_pids(local, revision)
        assert local.another().ensure() == []
        assert all_pids(local, revision) == before

    def test_ensure_starts_nothing_for_what_was_never_deployed(self, local: Local) -> None:
        assert local.provider.ensure() == []
        assert local.provider.edge.engine.process() is None

    def test_ensure_keeps_out_of_a_write(self, local: Local) -> None:
        revision = local.live(replicas=1)
        kill(supervisor_pid(local, revision))
        eventually(lambda: not local.provider.running.program(revision.key).supervised())
        with local.provider.fence.passed(local.write()):
            assert local.another().ensure() == []
        assert local.another().ensure() != []

    def test_a_dismantled_environment_is_gone_and_can_be_made_again(self, local: Local) -> None:
        revision = local.live(replicas=1)
        local.provider.dismantle()
        assert local.provider.observe().running == ()
        assert local.provider.edge.engine.process() is None
        assert not local.provider.versions.has(revision.key, revision.artifact)
        assert local.provider.running.keys() == [], "its logs stay"
        assert local.another().ensure() == []
        assert local.provider.edge.engine.process() is None
        local.number = local.provider.observe().write
        local.live(replicas=1)
        assert local.ask().version == "1.0.0"

    def test_what_was_stopped_stays_stopped(self, local: Local) -> None:
        revision = local.live(replicas=1)
        local.provider.stop(revision.ref, local.write())
        local.provider.running.program(revision.key).wait_gone()
        local.provider.ensure()
        assert local.pids(revision) == []

    def test_observe_believes_processes_and_not_files(self, local: Local) -> None:
        revision = local.live(replicas=1)
        kill(supervisor_pid(local, revision), *local.pids(revision))
        eventually(lambda: not local.pids(revision))
        (replica,) = local.provider.observe().replicas(revision.key)
        assert (replica.state, replica.reason) == ("exited", "its process is gone")


class TestPorts:
    def test_a_taken_public_port_is_told_and_nothing_is_started(self, make_local: Make) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            local = make_local(url=f"http://127.0.0.1:{server.getsockname()[1]}")
            with pytest.raises(PortTaken):
                local.provider.start(local.release("1.0.0"), 1, local.write())
            assert local.provider.observe().running == ()
            assert [f.name for f in local.provider.probe() if not f.ok] == ["port"]

    def test_two_environments_that_choose_at_the_same_moment_choose_different_ones(
        self, make_local: Make, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = make_local(name="one"), make_local(name="two")
        both = Barrier(2)

        def looked(port: int, address: str) -> bool:
            with suppress(BrokenBarrierError):
                both.wait(0.5)  # for the other, who looks at it now as well or is kept out
            return is_free(port, address)

        for each in (first, second):
            each.provider.edge.ensure()  # which chooses a port too
        monkeypatch.setattr(ports, "is_free", looked)
        monkeypatch.setattr(random, "sample", lambda numbers, count: list(numbers)[:count])
        revisions = [each.release("1.0.0") for each in (first, second)]
        with ThreadPoolExecutor(2) as pool:
            calls = [
                pool.submit(each.provider.start, revision, 1, each.write())
                for each, revision in zip((first, second), revisions, strict=True)
            ]
            assert [call.exception(30) for call in calls] == [None, None]
        one, two = (
            each.provider.running.addresses(revision.key)
            for each, revision in zip((first, second), revisions, strict=True)
        )
        assert one != two

    def test_a_replica_whose_port_was_taken_meanwhile_moves(self, local: Local) -> None:
        revision = local.up(local.release("1.0.0"), 1)
        address = local.provider.observe().replicas(revision.key)[0].address
        kill(supervisor_pid(local, revision), *local.pids(revision))
        eventually(lambda: not local.pids(revision))
        with socket.create_server(("127.0.0.1", int(str(address).rsplit(":", 1)[1]))):
            assert local.provider.ensure()
            local.await_answering(revision, 1)
            assert local.provider.observe().replicas(revision.key)[0].address != address

    def test_a_replica_with_traffic_keeps_its_port_and_says_who_has_it(self, local: Local) -> None:
        revision = local.live(replicas=1)
        address = local.provider.observe().replicas(revision.key)[0].address
        kill(supervisor_pid(local, revision), *local.pids(revision))
        eventually(lambda: not local.pids(revision))
        with socket.create_server(("127.0.0.1", int(str(address).rsplit(":", 1)[1]))):
            local.provider.ensure()

            def told() -> bool:
                (found,) = local.provider.observe().replicas(revision.key)
                return f"(pid {os.getpid()})" in str(found.reason)

            eventually(told)
            assert local.provider.observe().replicas(revision.key)[0].address == address
        eventually(lambda: local.ask().status == 200)

    def test_an_environment_without_url_keeps_a_port(self, make_local: Make, home: Path) -> None:
        local = make_local()
        plain = local.environment.model_copy(update={"url": None})
        first = type(local.provider)(plain, str(home), NoSecrets())
        assert first.edge.place == type(local.provider)(plain, str(home), NoSecrets()).edge.place

    def test_a_changed_url_leaves_nothing_behind(self, make_local: Make) -> None:
        local = make_local()
        revision = local.live(replicas=1)
        before = local.provider.edge.place.url
        local.url = f"http://127.0.0.1:{free_port()}"
        local.provider = local.another()
        local.route((revision, 100))
        assert local.ask().version == "1.0.0"
        with pytest.raises(ConnectionRefusedError):
            ask(before)

    def test_two_environments_share_a_port_by_host(self, make_local: Make) -> None:
        port = free_port()
        one = make_local(name="one", url=f"http://one.localhost:{port}")
        two = make_local(name="two", url=f"http://two.localhost:{port}")
        one.live("1.0.0", 1)
        two.live("1.1.0", 1)
        url = f"http://127.0.0.1:{port}"
        assert ask(url, host=f"one.localhost:{port}").version == "1.0.0"
        assert ask(url, host=f"two.localhost:{port}").version == "1.1.0"
        assert ask(url, host="three.localhost").status == 404

    def test_two_environments_of_one_place_are_refused(self, make_local: Make) -> None:
        one = make_local(name="one")
        two = make_local(name="two", url=one.url)
        live = one.live("1.0.0", 1)
        revision = two.up(two.release("1.1.0"), 1)
        with pytest.raises(ProviderConfigInvalid, match="another environment"):
            two.route((revision, 100))
        assert one.ask().version == live.version
        assert any("shop--one" in finding.text for finding in two.provider.probe())


class TestVersions:
    def test_the_oldest_are_forgotten_but_never_what_runs(self, make_local: Make) -> None:
        local = make_local(config={"keep": 1})
        revisions = [local.release(f"1.{n}.0") for n in range(4)]
        for revision in revisions:
            local.up(revision, 1)
        local.route((revisions[0], 100))
        for revision in revisions[1:]:
            local.provider.stop(revision.ref, local.write())
            local.provider.running.program(revision.key).wait_gone()
        local.provider.stop(revisions[1].ref, local.write())
        here = [r for r in revisions if local.provider.versions.has(r.key, r.artifact)]
        assert here == [revisions[0], revisions[3]]
        assert local.ask().version == "1.0.0"

    def test_what_was_forgotten_is_restorable_while_the_artifact_is_there(
        self, local: Local
    ) -> None:
        revision = local.release("1.0.0")
        assert local.provider.restorable(revision).ok
        local.release("1.0.0", APP + "# changed\n")
        found = local.provider.restorable(revision)
        assert not found.ok and "not what it was" in found.lost[0]
        (local.root / "releases" / "1.0.0" / "app.py").unlink()
        (local.root / "releases" / "1.0.0").rmdir()
        assert "no artifact for version 1.0.0" in local.provider.restorable(revision).lost[0]

    def test_a_half_unpacked_version_is_unpacked_again(self, local: Local) -> None:
        revision = local.release("1.0.0")
        part = Path(local.provider.versions.path(revision.key) + ".part")
        part.mkdir(parents=True)
        (part / "half").write_text("x", encoding="utf-8")
        local.up(revision, 1)
        assert not part.exists()

    def test_a_rollback_uses_the_config_of_its_own_revision(self, make_local: Make) -> None:
        local = make_local(variables={"GREETING": "old"})
        revision = local.release("1.0.0")
        local.variables = {"GREETING": "new"}
        local.provider = local.another()
        local.up(revision, 1)
        local.route((revision, 100))
        env = local.ask().body["env"]
        assert isinstance(env, dict) and env["GREETING"] == "old"


class TestFullDisk:
    @pytest.fixture
    def small(self, home: Path) -> Iterator[Path]:
        """A home on a disk of its own."""
        with small_disk(home, "4m"):
            yield home

    def test_a_write_that_cannot_be_written_down_changes_nothing(
        self, local: Local, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old, new = local.live("1.0.0", 1), local.up(local.release("1.1.0"), 1)
        with no_space(monkeypatch), pytest.raises(DiskFull):
            local.route((new, 100))
        with no_space(monkeypatch), pytest.raises(DiskFull):
            local.provider.start(local.release("1.2.0"), 1, local.write())
        assert local.ask().version == old.version
        assert len(local.provider.observe().running) == 2
        local.route((new, 100))
        assert local.ask().version == new.version

    def test_no_change_goes_through_and_what_serves_goes_on(
        self, small: Path, make_local: Make
    ) -> None:
        local = make_local()
        old, new = local.live("1.0.0", 1), local.up(local.release("1.1.0"), 1)
        third = local.release("1.2.0")
        filler = fill(small)
        with pytest.raises(DiskFull) as raised:
            local.route((new, 100))
        assert raised.value.fix
        with pytest.raises(DiskFull):
            local.provider.start(third, 1, local.write())
        assert local.ask().version == old.version
        filler.unlink()
        local.route((new, 100))
        assert local.ask().version == new.version

    def test_a_replica_that_crashes_meanwhile_is_still_restarted(
        self, small: Path, make_local: Make
    ) -> None:
        local = make_local()
        revision = local.live("1.0.0", 1)
        first = local.ask().body["pid"]
        filler = fill(small)
        kill(int(str(first)))
        eventually(lambda: _answers(local) and local.ask().body.get("pid") not in (None, first))
        filler.unlink()
        second = local.ask().body["pid"]
        kill(supervisor_pid(local, revision))
        eventually(lambda: not local.provider.running.program(revision.key).supervised())
        local.provider.ensure()
        assert local.ask().body["pid"] == second


def _answers(local: Local) -> bool:
    try:
        return local.ask().status == 200
    except OSError:
        return False
