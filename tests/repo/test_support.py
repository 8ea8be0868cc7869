"""The tests' own tools: a home that leaves nothing behind, real parts, golden files."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import processes, real
from tests.support.docker.engine import daemon
from tests.support.repository import ROOT
from tests.support.snapshot import Snapshot

pytestmark = pytest.mark.system

SLEEPER = "import sys, time; print('up', flush=True); time.sleep(60)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPER


@pytest.fixture
def start() -> Iterator[Started]:
    started = Started()
    yield started
    started.end()


class Started:
    """Processes of one test, ended by pid whatever the test did."""

    def __init__(self) -> None:
        self._all: list[subprocess.Popen[bytes]] = []

    def __call__(
        self, *arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None
    ) -> int:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE,
        )
        self._all.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        return process.pid

    def end(self) -> None:
        for process in self._all:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


def test_finds_a_process_by_directory_argument_and_environment(
    tmp_path: Path, start: Started
) -> None:
    inside = tmp_path / "home" / "releases"
    inside.mkdir(parents=True)
    home = tmp_path / "home"
    started = {
        start("-c", SLEEPER, cwd=inside),
        start("-c", SLEEPER, f"--config={home}/edge.yaml"),
        start("-c", SLEEPER, env={"ORCHESTRATE_HOME": str(home)}),
    }
    assert {left.pid for left in processes.of_home(home)} == started


def test_a_home_whose_name_only_begins_alike_is_somebody_elses(
    tmp_path: Path, start: Started
) -> None:
    other = tmp_path / "home-2"
    other.mkdir()
    start("-c", SLEEPER, str(other), cwd=other, env={"ORCHESTRATE_HOME": str(other)})
    assert processes.of_home(tmp_path / "home") == []


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path, start: Started) -> None:
    pid = start("-c", DEAF, cwd=tmp_path)
    processes.end(pid, grace_s=0.2)
    assert processes.of_home(tmp_path) == []


def test_ending_a_process_that_is_gone_is_fine() -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    processes.end(process.pid)


INNER_CONFTEST = "from tests.conftest import *  # noqa: F403\n"
LEAVES = """
import subprocess, sys
def test_leaves(home):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], cwd=home)
    assert len(str(home / "service.sock")) < 100
"""
SKIPS = """
from tests.support.real import need_module, need_program
def test_program():
    need_program("no-such-program", "apt-get install no-such-program")
def test_module():
    need_module("no_such_module", "pip install no-such-module")
"""


def test_a_test_that_leaves_a_process_fails_and_names_it(tmp_path: Path) -> None:
    out = run_pytest(tmp_path, LEAVES)
    assert out.returncode == 1
    assert "left running" in out.stdout
    assert "time.sleep(60)" in out.stdout
    pid = int(out.stdout.partition("left running:\n")[2].split()[0])
    assert not Path(f"/proc/{pid}").exists()


def test_a_missing_part_skips_with_the_command_that_provides_it(tmp_path: Path) -> None:
    out = run_pytest(tmp_path, SKIPS)
    assert out.returncode == 0
    assert "get it with: apt-get install no-such-program" in out.stdout
    assert "get it with: pip install no-such-module" in out.stdout
    assert "2 skipped" in out.stdout


def test_a_missing_part_fails_where_real_ones_are_required(tmp_path: Path) -> None:
    out = run_pytest(tmp_path, SKIPS, "--require-real")
    assert out.returncode == 1
    assert "2 failed" in out.stdout


def test_snapshots_are_not_written_in_ci(tmp_path: Path) -> None:
    out = run_pytest(tmp_path, SKIPS, "--update-snapshots", env={"CI": "true"})
    assert out.returncode == 4
    assert "not for CI" in out.stderr


def test_a_program_that_is_there_is_returned_by_path() -> None:
    assert Path(real.need_program("pytest", "make setup")).is_absolute()


def test_a_snapshot_differs_until_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "golden.txt"
    with pytest.raises(pytest.fail.Exception, match=r"\+two"):
        Snapshot(update=False).check(file, "one\ntwo\n")
    Snapshot(update=True).check(file, "one\ntwo\n")
    Snapshot(update=False).check(file, "one\ntwo\n")


def run_pytest(
    directory: Path, test: str, *options: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a test file in a pytest of its own, with this repository's conftest."""
    root = Path(__file__).parents[2]
    (directory / "conftest.py").write_text(INNER_CONFTEST, encoding="utf-8")
    (directory / "test_inner.py").write_text(test, encoding="utf-8")
    (directory / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    clean = {k: v for k, v in os.environ.items() if k != "CI" and not k.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", *options, str(directory)],
        cwd=directory,
        env={**clean, "PYTHONPATH": str(root), **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )


SLOW_END = """
import time
from pathlib import Path
from tests.support.ending import at_end, end_all

def end():
    time.sleep(1)
    Path("ended").touch()

def pytest_configure(config):
    from xdist.workermanage import NodeManager
    NodeManager.EXIT_TIMEOUT = 0.2

def pytest_sessionfinish():
    end_all()
"""


def test_what_takes_long_to_end_is_not_cut_off_in_a_worker(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(SLOW_END)
    (tmp_path / "test_it.py").write_text(
        "from conftest import at_end, end\ndef test_it(): at_end(end)\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-n", "1", "-p", "no:cacheprovider"]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    run = subprocess.run(
        command,
        cwd=tmp_path,
        env={**clean, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert (tmp_path / "ended").exists()


# An engine beside the run's own, with a network of its own: there is one bridge docker0 in each,
# and even an engine that wants none takes it away from the other.
ENGINE = """
import os, shutil, sys
from pathlib import Path
from tests.support.docker import engine
from tests.support.ending import end_all

engine.OURS = Path(sys.argv[1])
engine.CURRENT = engine.OURS / "current"
engine.WITHIN = ("unshare", "--net")
os.environ["DOCKER_HOST"] = "unix:///nowhere"
one = engine.engine()
"""
KILLED = """
remove = shutil.rmtree
def killed(room):
    remove(room / "data" / "overlay2" / "l")
    os.kill(os.getpid(), 9)
shutil.rmtree = killed
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts an engine")
def test_an_engine_whose_end_was_cut_off_spoils_no_later_one(home: Path) -> None:
    real.need(daemon() is not None, "dockerd", "apt-get install docker.io")

    def process(script: str) -> int:
        command = [sys.executable, "-c", ENGINE + script, str(home / "e")]
        return subprocess.run(command, cwd=ROOT, timeout=150, check=False).returncode

    build = 'one.build("small:1", {"a": "b"})\n'
    try:
        assert process(build + KILLED + "end_all()") == -9
    finally:
        assert process(build + "end_all()") == 0
    assert not list((home / "e").glob("engine-*"))
