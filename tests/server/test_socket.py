"""The service's sockets: whose they are, and what was planted where they are looked for."""

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrate.cli import start
from orchestrate.core.errors import ServiceUnreachable
from tests.support.api import Api
from tests.support.cli import Terminal
from tests.support.real import need
from tests.support.service import Service
from tests.support.service import world as a_world
from tests.support.waiting import eventually

pytestmark = pytest.mark.system
NOBODY = 65534


@pytest.mark.attack("HT08", "the socket's directory is open, its names are links and stale files",
                    "0700 and 0600, what they led to is untouched")  # fmt: skip
def test_a_socket_is_made_anew_and_private_whatever_stood_there(home: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine", encoding="utf-8")
    run = home / "run"
    run.mkdir(mode=0o755)
    home.chmod(0o755)
    (run / "api.sock").symlink_to(victim)
    (run / "mcp.sock").write_text("stale", encoding="utf-8")
    service = Service(home)
    service.start()
    try:
        for path, mode in ((home, 0o700), (run, 0o700), (run / "api.sock", 0o600)):
            assert stat.S_IMODE(path.lstat().st_mode) == mode
        assert stat.S_ISSOCK((run / "mcp.sock").lstat().st_mode)
        assert victim.read_text(encoding="utf-8") == "mine"
    finally:
        service.stop()


@pytest.mark.attack("FS06", "the state directory, or the one of its sockets, is a link, another "
                    "user's, or open to others", "the service does not start")  # fmt: skip
@pytest.mark.parametrize("name", [".", "run"])
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: link(path), "it is a symbolic link"),
        (lambda path: path.chmod(0o770), "others may write it: its mode is 0770"),
        (lambda path: path.chmod(0o707), "others may write it: its mode is 0707"),
        (lambda path: give_away(path), f"it belongs to user {NOBODY}"),
    ],
)
def test_a_state_directory_that_is_not_the_services_own_is_refused(
    tmp_path: Path, name: str, spoil: Callable[[Path], None], said: str
) -> None:
    (tmp_path / "home" / "run").mkdir(parents=True, mode=0o700)
    home = tmp_path / "home"
    spoil(home / name)
    done = subprocess.run(
        [sys.executable, "-m", "orchestrate", "serve"],
        env={**Service(home).surroundings(), "ORCHESTRATE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2 and said in done.stderr
    assert "chmod 700" in done.stderr or "ORCHESTRATE_HOME" in done.stderr
    assert not (home / "store.db").exists() and not (home / "run" / "service.lock").exists()


def test_a_client_tells_why_its_service_does_not_start_there(home: Path) -> None:
    home.chmod(0o777)
    with pytest.raises(ServiceUnreachable) as caught:
        start.reach(str(home), warn=lambda text: None)
    assert any("others may write it: its mode is 0777" in line for line in caught.value.why)


def link(path: Path) -> None:
    """Put a link to it in its place."""
    path = path.resolve()
    path.rename(moved := path.with_name("moved"))
    path.symlink_to(moved)


def give_away(path: Path) -> None:
    need(os.geteuid() == 0, "root", "sudo make test")
    os.chown(path, NOBODY, -1)


@pytest.mark.attack("HT09", "50 services are started on one home at once", "one serves")
def test_of_many_that_start_one_serves(home: Path) -> None:
    services = [Service(home) for _ in range(50)]
    started = [service._spawn(()) for service in services]
    try:
        eventually(lambda: sum(each.poll() is None for each in started) == 1, within_s=60)
        assert {each.wait() for each in started if each.poll() is not None} == {0}
        eventually(Api(home).alive, within_s=30)
        (left,) = [each for each in started if each.poll() is None]
        assert services[0].pid == left.pid
    finally:
        for each in started:
            if each.poll() is None:
                each.terminate()
                each.wait(timeout=30)


@pytest.mark.parametrize("option", [("--read-only",), ("--http", "127.0.0.1:1")])
def test_who_asks_for_more_than_the_one_that_lives_does_is_told(
    home: Path, option: tuple[str, ...]
) -> None:
    service = Service(home)
    service.start()
    try:
        other = Service(home, option)
        assert other.start_and_wait() == 2
        assert f"it was not asked for {option[0]}" in other.complaints()
        assert Api(home).alive()
    finally:
        service.stop()


@pytest.fixture
def rogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A socket that root listens on, open to everybody, in a directory open to everybody."""
    need(os.geteuid() == 0, "root", "sudo make test")
    directory = Path("/tmp") / f"orc-rogue-{os.getpid()}"
    directory.mkdir()
    directory.chmod(0o777)
    path = directory / "api.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen()
        yield path
    path.unlink()
    directory.rmdir()


@pytest.mark.attack(
    "HT10", "another user listens where a client looks for its service", "not spoken to"
)
@pytest.mark.parametrize("owner", [0, NOBODY])
def test_a_client_speaks_to_its_own_service_alone(rogue: Path, owner: int) -> None:
    os.chown(rogue.parent, owner, -1)
    with as_user(NOBODY), pytest.raises(ServiceUnreachable) as caught:
        start.connect(str(rogue))
    assert caught.value.message == "what listens there is not your service"
    assert "user 0 listens" in caught.value.why[0]


@pytest.mark.attack(
    "ID07", "a program makes itself the first administrator", "refused: no terminal"
)
def test_the_first_administrator_is_made_at_a_terminal_alone() -> None:
    with a_world() as world:
        refused = subprocess.run(
            [sys.executable, "-m", "orchestrate", "init", "--admin", "lee"],
            env=world.service.surroundings(),
            capture_output=True,
            text=True,
            input="y\n",
            check=False,
        )
        assert refused.returncode == 2
        assert "by a person at a terminal" in refused.stderr
        assert world.api.call("GET", "/api/access")["people"] is False
        with Terminal(
            ["init", "--admin", "lee"], env={"ORCHESTRATE_HOME": str(world.home)}
        ) as screen:
            screen.wait_for("make lee the first administrator of the service here? [y/N]")
            screen.press(b"y\n")
            screen.wait_for("lee administers this service now")
            assert screen.end() == 0
        found = world.api.call("GET", "/api/access")
        assert (found["name"], found["roles"], found["people"]) == ("lee", ["admin"], True)


@contextmanager
def as_user(uid: int) -> Iterator[None]:
    """This process as another user for a moment."""
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
