"""Configured commands: what they see, and that nothing of them is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from orchestrate.providers.processes import contained
from orchestrate.providers.processes.command import KEPT_OUTPUT, Ran, environment, found, run
from tests.support.waiting import eventually

pytestmark = pytest.mark.system

PYTHON = sys.executable


def python(directory: Path, code: str, timeout_s: float = 60, **more: object) -> Ran:
    variables = environment(str(directory), {})
    return run([PYTHON, "-I", "-c", code], str(directory), variables, timeout_s, **more)  # type: ignore[arg-type]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_command_ends_with_its_code_and_what_it_printed(tmp_path: Path) -> None:
    ran = python(tmp_path, "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert (ran.ended, ran.code, ran.output, ran.errors) == ("exit", 3, b"out\n", b"err\n")


@pytest.mark.attack("SP01", "shell syntax in the arguments of a command", "one argument, as it is")
@pytest.mark.parametrize(
    "text", ["; touch X", "$(touch X)", "`touch X`", "a\ntouch X", "| touch X"]
)
def test_an_argument_is_an_argument(tmp_path: Path, text: str) -> None:
    code = "import sys; print(sys.argv[1:])"
    ran = run([PYTHON, "-I", "-c", code, text], str(tmp_path), environment(str(tmp_path), {}), 60)
    assert ran.output.decode() == f"{[text]}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.attack("SP05", "hostile variables of the service's environment", "not handed on")
def test_a_command_sees_a_clean_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LD_PRELOAD", "PYTHONPATH", "GIT_SSH_COMMAND", "BASH_ENV", "PLANTED_SECRET"):
        monkeypatch.setenv(name, "/planted")
    monkeypatch.setenv("PATH", f".:relative:{os.environ['PATH']}")
    ran = python(tmp_path, "import os; print(sorted(os.environ)); print(os.environ['PATH'])")
    names, path = ran.output.decode().splitlines()
    assert names == "['CI', 'HOME', 'LANG', 'PATH', 'TMPDIR']"
    assert not {".", "relative"} & set(path.split(":"))


@pytest.mark.attack("SP05", "a program and a module planted in the checkout", "not taken")
def test_nothing_of_the_checkout_is_taken_for_ours(tmp_path: Path) -> None:
    (tmp_path / "subprocess.py").write_text("open('X', 'w')\n")
    planted = tmp_path / "true"
    planted.write_text("#!/bin/sh\ntouch X\n")
    planted.chmod(0o755)
    variables = environment(str(tmp_path), {})
    program = found("true", variables)
    assert program is not None and program.startswith("/") and not program.startswith(str(tmp_path))
    assert run([program], str(tmp_path), variables, 60).code == 0
    assert not (tmp_path / "X").exists()


@pytest.mark.attack("SP06", "a command that never ends", "killed at its timeout")
def test_a_command_that_never_ends_is_ended(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(999)"
    assert python(tmp_path, code, timeout_s=0.5).ended == "timeout"


@pytest.mark.attack("SP06", "a command that floods its output", "capped, and ended")
def test_a_flood_is_capped(tmp_path: Path) -> None:
    code = "import sys\nwhile True: sys.stdout.write('x' * 65536); sys.stderr.write('y' * 65536)"
    ran = python(tmp_path, code, timeout_s=2)
    assert (ran.ended, len(ran.output) <= KEPT_OUTPUT, len(ran.errors)) == ("timeout", True, 16384)


ESCAPES = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        with open("pid", "w") as file:
            file.write(str(os.getpid()))
        os.rename("pid", "pid.there")
        time.sleep(999)
    os._exit(0)
while not os.path.exists("pid.there"):
    time.sleep(0.01)
{then}
"""


@pytest.mark.attack("SP06", "a daemon of a session of its own that holds the pipe", "killed")
@pytest.mark.parametrize("then", ["sys.exit(0)", "time.sleep(999)"])
def test_what_a_command_left_running_is_killed(tmp_path: Path, then: str) -> None:
    ran = python(tmp_path, ESCAPES.replace("{then}", then), timeout_s=10)
    pid = int((tmp_path / "pid.there").read_text())
    assert not alive(pid)
    assert ran.ended == ("exit" if "exit" in then else "timeout")


def test_whoever_wants_it_to_stop_stops_it(tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    assert python(tmp_path, "import time; time.sleep(999)", stop=stop).ended == "stopped"


@pytest.mark.attack("SP06", "the service is killed while a command runs", "the command ends too")
def test_a_command_does_not_outlive_the_one_who_wanted_it(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-I', '-S', {contained.__file__!r}, sys.executable,"
        " '-I', '-c', sys.argv[1]])\n"
        "time.sleep(999)"
    )
    inner = ESCAPES.replace("{then}", "time.sleep(999)")
    process = subprocess.Popen([PYTHON, "-I", "-c", code, inner], cwd=tmp_path)
    eventually((tmp_path / "pid.there").exists)
    pid = int((tmp_path / "pid.there").read_text())
    assert alive(pid)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    eventually(lambda: not alive(pid))


def test_a_command_ends_with_whoever_contains_it(tmp_path: Path) -> None:
    inner = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(999)"
    command = [sys.executable, "-I", "-S", contained.__file__, PYTHON, "-I", "-c", inner]
    process = subprocess.Popen(command, cwd=tmp_path)
    pid = int(eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    process.kill()
    process.wait(10)
    eventually(lambda: not alive(pid))


def test_a_command_whose_time_is_over_ends_at_once_when_nobody_waits_any_more(
    tmp_path: Path,
) -> None:
    inner = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: open('told', 'w'))\n"
        "open('pid', 'w').write(str(os.getpid()))\n"
        "while True: time.sleep(9)"
    )
    code = (
        "import os, subprocess, sys, time\n"
        f"its = subprocess.Popen([sys.executable, '-I', '-S', {contained.__file__!r},"
        " '--grace=999', sys.executable, '-I', '-c', sys.argv[1]])\n"
        "while not os.path.exists('pid') or not open('pid').read(): time.sleep(0.01)\n"
        "its.terminate(); time.sleep(999)"
    )
    process = subprocess.Popen([PYTHON, "-I", "-c", code, inner], cwd=tmp_path)
    eventually((tmp_path / "told").exists)
    pid = int((tmp_path / "pid").read_text())
    assert alive(pid), "it has its grace"
    process.kill()
    process.wait(10)
    eventually(lambda: not alive(pid))


def test_a_program_that_is_not_there_is_said(tmp_path: Path) -> None:
    ran = run([str(tmp_path / "no")], str(tmp_path), environment(str(tmp_path), {}), 60)
    assert ran.code == 127 and b"No such file" in ran.errors
