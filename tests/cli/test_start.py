"""The service is started by whoever needs it, once, and renewed after an upgrade."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrate import __version__
from orchestrate.cli import start
from orchestrate.cli.client import over_socket
from tests.support import processes
from tests.support.cli import WITHIN_S, environment

STUB = Path(__file__).parents[1] / "support" / "stub_service.py"
# What a client does, in a process of its own as clients are: reach the service, and ask its pid.
CLIENT = """
import sys
from orchestrate.cli import start
from orchestrate.cli.client import over_socket
from orchestrate.core.errors import OrchestrateError
start.SERVICE = sys.argv[2:]
warn = lambda text: print("warning:", text, file=sys.stderr)
try:
    client = over_socket(lambda: start.reach(sys.argv[1], warn=warn))
    print(client.get("/api/service").document["pid"])
except OrchestrateError as error:
    sys.exit("\\n".join([error.code, error.message, *error.why, *error.fix]))
"""


@pytest.fixture
def place(home: Path) -> Iterator[Path]:
    """A home whose stub service is ended, as a user ends it."""
    yield home
    deadline = time.monotonic() + WITHIN_S
    # One that was started in vain may come to the lock only now, and serve.
    while (left := processes.of_home(home)) and time.monotonic() < deadline:
        link = start.connect(str(home / "run" / "api.sock"))
        if link is not None:
            over_socket(lambda link=link: link).post("/api/service/stop")
        _wait_for_end(left[0].pid, 1.0)


def client(home: Path, *stub: str, **env: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(STUB), *stub]
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(home), *command],
        env=environment(**{"ORCHESTRATE_NO_AUTOSTART": "0", **env}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ask(home: Path, *stub: str, **env: str) -> tuple[int, str, str]:
    process = client(home, *stub, **env)
    out, err = process.communicate(timeout=WITHIN_S)
    return process.returncode, out.strip(), err.strip()


def served(home: Path) -> list[list[str]]:
    return [line.split() for line in (home / "served").read_text().splitlines()]


def test_the_first_client_starts_it_and_the_next_finds_it(place: Path) -> None:
    assert ask(place, __version__) == ask(place, __version__)
    assert len(served(place)) == 1


def test_many_clients_at_once_have_one_service_between_them(place: Path) -> None:
    clients = [client(place, __version__) for _ in range(6)]
    answers = [process.communicate(timeout=WITHIN_S) for process in clients]
    assert [err for _, err in answers] == [""] * 6
    assert {out.strip() for out, _ in answers} == {served(place)[-1][1]}
    assert len(served(place)) == 1


def test_it_is_nobody_s_child_and_in_a_session_of_its_own(place: Path) -> None:
    _, pid, _ = ask(place, __version__)
    assert os.getsid(int(pid)) == int(pid)
    status = Path(f"/proc/{pid}/status").read_text()
    parent = next(line.split()[1] for line in status.splitlines() if line.startswith("PPid:"))
    assert int(parent) != os.getpid()
    assert Path(f"/proc/{pid}/cwd").resolve() == place


def test_its_home_is_private_and_it_cannot_be_replaced_by_the_directory_one_is_in(
    place: Path,
) -> None:
    place.rmdir()
    _, pid, _ = ask(place, __version__)
    assert (place.stat().st_mode & 0o777, (place / "service.log").stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    assert b"PYTHONSAFEPATH=1" in variables


def test_one_that_finds_a_holder_about_to_end_is_started_again(place: Path, tmp_path: Path) -> None:
    code, _, err = ask(place, __version__, "--once", str(tmp_path / "marker"))
    assert (code, err) == (0, "")


def test_one_that_cannot_start_is_told_with_its_last_words(place: Path) -> None:
    (place / "service.log").write_text("from a day before\n")
    code, _, err = ask(place, __version__, "--fail", "no module named dbos")
    assert code == 1
    assert err.splitlines()[:4] == [
        "service_unreachable",
        "cannot start the service",
        "it ended with exit code 3",
        "its last words:",
    ]
    assert "no module named dbos" in err and "from a day before" not in err


def test_one_that_may_not_be_started_is_not(place: Path) -> None:
    code, _, err = ask(place, __version__, ORCHESTRATE_NO_AUTOSTART="1")
    assert code == 1
    assert "ORCHESTRATE_NO_AUTOSTART=1 forbids" in err
    assert not (place / "served").exists()


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = ask(tmp_path / "file", __version__)
    assert code == 1
    assert "set ORCHESTRATE_HOME" in err


@pytest.mark.attack("UP05", "a client meets an idle service of another version", "it is renewed")
def test_an_idle_service_of_another_version_is_renewed(place: Path) -> None:
    _, old, _ = ask_old(place)
    code, new, err = ask(place, __version__)
    assert (code, err) == (0, "")
    assert new != old
    assert [version for version, _ in served(place)] == ["0.0.1", __version__]


@pytest.mark.attack(
    "UP05", "a client meets a busy service of another version", "it goes on, and the client says so"
)
def test_a_busy_service_of_another_version_goes_on_and_the_client_says_so(place: Path) -> None:
    _, old, _ = ask_old(place, "--busy")
    code, new, err = ask(place, __version__)
    assert (code, new) == (0, old)
    assert err.startswith("warning: the service is of another version")


def test_a_service_that_has_not_written_its_card_yet_is_not_taken_for_the_one_before(
    place: Path,
) -> None:
    _, pid, _ = ask(place, __version__)
    (place / "service.json").write_text('{"version": "0.0.1", "pid": 1}')
    assert ask(place, __version__) == (0, pid, "")


def test_a_log_that_has_grown_is_begun_anew(place: Path) -> None:
    (place / "service.log").write_bytes(b"x" * (start.LOG_BYTES + 1))
    ask(place, __version__)
    assert (place / "service.log").stat().st_size < 1000
    assert (place / "service.log.1").stat().st_size == start.LOG_BYTES + 1


def ask_old(home: Path, *more: str) -> tuple[int, str, str]:
    """A service of version 0.0.1, started by a client of that version."""
    old = CLIENT.replace("start.SERVICE", "start.__version__ = '0.0.1'; start.SERVICE")
    process = subprocess.run(
        [sys.executable, "-c", old, str(home), sys.executable, str(STUB), "0.0.1", *more],
        env=environment(ORCHESTRATE_NO_AUTOSTART="0"),
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
    )
    return process.returncode, process.stdout.strip(), process.stderr.strip()


def _wait_for_end(pid: int, within_s: float) -> None:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        select.select([handle], [], [], within_s)
    finally:
        os.close(handle)
