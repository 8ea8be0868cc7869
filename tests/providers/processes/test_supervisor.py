"""A supervisor keeps what was asked for running, and nothing twice, whoever is killed."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrate.core.errors import StepFailed
from orchestrate.providers.processes.identity import Identity, identify
from orchestrate.providers.processes.program import Program
from orchestrate.providers.processes.spec import Seen, Spec, Stamp
from tests.support.waiting import eventually

pytestmark = [pytest.mark.system, pytest.mark.fault]

SLEEP = "import time; time.sleep(600)"
Run = Callable[..., Program]


@pytest.fixture
def run(home: Path) -> Iterator[Run]:
    """Runs Python source as a supervised program, which is ended after the test."""
    programs: list[Program] = []

    def start(source: str = SLEEP, wanted: int = 1, **settings: object) -> Program:
        program = Program(str(home / f"program-{len(programs)}"))
        programs.append(program)
        spec = Spec(
            wanted=wanted,
            command=(sys.executable, "-I", "-S", "-c", source),
            cwd=str(home),
            grace_s=5.0,
            restart_first_s=0.05,
            restart_most_s=0.1,
        )
        program.ask(lambda _: replace(spec, **settings))  # type: ignore[arg-type]
        return program

    yield start
    for program in programs:
        program.ensure()
        scale(program, 0)
        program.wait_gone()


def scale(program: Program, wanted: int) -> None:
    program.ask(lambda spec: replace(spec, wanted=wanted) if spec else None)


def scale_unless_killed(program: Program, wanted: int) -> None:
    with suppress(StepFailed):
        scale(program, wanted)


def pids(program: Program) -> list[int]:
    return [seen.identity.pid for seen in program.alive() if seen.identity]


def only(program: Program) -> Seen:
    (seen,) = program.replicas()
    return seen


def effects(program: Program, what: str) -> list[int]:
    path = Path(program.directory) / "effects.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [line["pid"] for line in lines if line["what"] == what]


def kill_supervisor(program: Program) -> None:
    supervisor = eventually(program.supervisor)
    os.kill(supervisor.pid, signal.SIGKILL)
    eventually(lambda: not program.supervised())


def kill_any_supervisor(program: Program) -> None:
    """As far as it has said who it is; it need not have."""
    supervisor = program.supervisor()
    if supervisor is not None:
        os.kill(supervisor.pid, signal.SIGKILL)
        eventually(lambda: not supervisor.alive)


def limit_handles(program: Program, most: int) -> None:
    """How many descriptors its supervisor may have from now on, beside those it has."""
    supervisor = eventually(program.supervisor)
    _, hard = resource.prlimit(supervisor.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(supervisor.pid, resource.RLIMIT_NOFILE, (most, hard))


def followed(program: Program) -> int:
    """The write its supervisor has acted on."""
    text = (Path(program.directory) / "state.json").read_text(encoding="utf-8")
    return int(json.loads(text)["write"]["number"])


def marked(mark: str) -> list[int]:
    """Processes that have the mark on their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


class TestAdoption:
    def test_a_killed_supervisor_leaves_the_programs_to_the_next(self, run: Run) -> None:
        program = run(wanted=2)
        before = pids(program)
        kill_supervisor(program)
        assert pids(program) == before
        assert program.ensure()
        assert program.supervised()
        assert pids(program) == before
        assert effects(program, "started") == before

    def test_an_adopted_program_is_restarted_and_stopped_like_any_other(self, run: Run) -> None:
        program = run()
        kill_supervisor(program)
        program.ensure()
        (old,) = pids(program)
        os.kill(old, signal.SIGKILL)
        (new,) = eventually(lambda: [pid for pid in pids(program) if pid != old])
        assert effects(program, "started") == [old, new]
        scale(program, 0)
        eventually(lambda: not program.supervised())
        assert identify(new) is None

    def test_a_program_that_ended_unseen_is_started_again(self, run: Run) -> None:
        program = run()
        (old,) = pids(program)
        kill_supervisor(program)
        os.kill(old, signal.SIGKILL)
        eventually(lambda: not program.alive())
        assert only(program).reason == "its process is gone"
        program.ensure()
        assert pids(program) not in ([], [old])
        assert only(program).restarts == 1

    def test_no_program_is_started_twice_whenever_the_supervisor_is_killed(self, run: Run) -> None:
        mark = f"twice-{os.getpid()}-{random.random()}"
        program = run(f"'{mark}'; {SLEEP}", wanted=0)
        for round_ in range(12):
            # A new supervisor is killed while it is busy with the first starts.
            asking = threading.Thread(target=scale_unless_killed, args=(program, 4))
            asking.start()
            eventually(lambda: program.supervised() or pids(program), every_s=0.001)
            time.sleep(round_ * 0.002)  # not a wait: the moment of the kill is what varies
            kill_any_supervisor(program)
            asking.join()
            program.ensure()
            eventually(lambda: len(pids(program)) == 4)
            assert sorted(marked(mark)) == sorted(pids(program))
            scale(program, 0)
            eventually(lambda: not program.supervised())
            assert marked(mark) == []

    def test_a_second_supervisor_gives_way(self, run: Run) -> None:
        program = run()
        first = program.supervisor()
        assert not program.ensure()
        assert program.supervisor() == first

    def test_sigterm_ends_the_supervisor_alone(self, run: Run) -> None:
        program = run()
        before, supervisor = pids(program), program.supervisor()
        assert supervisor is not None
        os.kill(supervisor.pid, signal.SIGTERM)
        eventually(lambda: not program.supervised())
        assert pids(program) == before

    def test_a_pid_of_another_boot_or_start_is_nobody(self) -> None:
        me = identify(os.getpid())
        assert me is not None and me.alive
        assert not Identity(me.pid, me.start, "another-boot").alive
        assert not Identity(me.pid, str(int(me.start) - 1), me.boot).alive


class TestRestart:
    def test_a_program_that_exits_is_started_again_and_told_about(self, run: Run) -> None:
        program = run("import sys; sys.exit(3)")
        eventually(lambda: only(program).restarts >= 3)
        eventually(lambda: str(only(program).reason).startswith("exited with code 3 "))
        assert only(program).exit_code == 3

    def test_a_signal_is_named(self, run: Run) -> None:
        program = run()
        os.kill(pids(program)[0], signal.SIGKILL)
        eventually(lambda: only(program).restarts == 1)
        assert "SIGKILL" in str(only(program).reason)

    def test_the_pauses_grow_and_end_when_asked_anew(self, run: Run) -> None:
        program = run("import sys; sys.exit(3)", restart_first_s=300.0, restart_most_s=600.0)
        seen = eventually(lambda: s if (s := only(program)).restarts == 1 else None)
        eventually(lambda: only(program).state == "exited")
        stamp = replace(program.spec().write, number=9)  # type: ignore[union-attr]
        program.ask(lambda spec: replace(spec, write=stamp) if spec else None)
        eventually(lambda: only(program).restarts > seen.restarts)

    def test_a_program_that_is_not_there_is_told(self, run: Run) -> None:
        program = run(command=("/nonexistent/program",))
        seen = eventually(lambda: only(program))
        assert seen.state == "exited"
        assert "/nonexistent/program" in str(seen.reason)

    def test_children_of_a_crashed_program_are_killed_before_the_next(self, run: Run) -> None:
        mark = f"child-{random.random()}"
        fork = f"import os, time; os.fork() and print('{mark}', flush=True); time.sleep(600)"
        program = run(f"'{mark}'; {fork}")
        eventually(lambda: len(marked(mark)) == 2)
        before = set(marked(mark))
        os.kill(pids(program)[0], signal.SIGKILL)
        eventually(lambda: len(marked(mark)) == 2 and not before & set(marked(mark)))


class TestHandles:
    def test_a_supervisor_looks_any_number_of_times_with_few(self, run: Run) -> None:
        program = run()
        limit_handles(program, 24)
        for number in range(1, 41):
            stamp = Stamp(number)
            program.ask(lambda spec, stamp=stamp: replace(spec, write=stamp) if spec else None)
            eventually(lambda number=number: followed(program) == number)
        scale(program, 0)
        eventually(lambda: not program.supervised())

    def test_a_wish_that_could_not_be_read_is_followed_once_it_can(self, run: Run) -> None:
        program = run()
        limit_handles(program, 0)
        scale(program, 0)
        log = Path(program.directory) / "supervisor.log"
        eventually(lambda: "tried again soon" in log.read_text(encoding="utf-8"))
        assert pids(program)
        limit_handles(program, 256)
        eventually(lambda: not program.supervised())
        assert not program.alive()


class TestStop:
    def test_scaling_down_ends_the_highest(self, run: Run) -> None:
        program = run(wanted=3)
        before = pids(program)
        scale(program, 1)
        eventually(lambda: pids(program) == before[:1])
        eventually(lambda: sorted(effects(program, "exited")) == sorted(before[1:]))

    def test_a_program_that_ignores_sigterm_is_killed_after_its_grace(self, run: Run) -> None:
        ignore = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
        program = run(f"{ignore}; print('ready', flush=True); {SLEEP}", grace_s=0.3)
        eventually(lambda: program.tail(0, 1))
        scale(program, 0)
        eventually(lambda: not program.supervised())
        assert only(program).exit_code == -signal.SIGKILL

    def test_a_graceful_program_ends_with_its_own_code(self, run: Run) -> None:
        polite = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))"
        program = run(f"{polite}; print('ready', flush=True); {SLEEP}")
        eventually(lambda: program.tail(0, 1))
        scale(program, 0)
        eventually(lambda: not program.supervised())
        assert (only(program).exit_code, only(program).reason) == (0, "stopped")

    def test_workers_may_outlive_their_leader_within_the_grace(self, run: Run) -> None:
        mark = f"worker-{random.random()}"
        leader = (
            "import os, signal, sys, time\n"
            f"'{mark}'\n"
            "if os.fork():\n"
            "    print('ready', flush=True); time.sleep(600)\n"
            "signal.signal(signal.SIGTERM, lambda *_: (print('finishing', flush=True),"
            " time.sleep(0.5), print('finished', flush=True), os._exit(0)))\n"
            "time.sleep(600)\n"
        )
        program = run(leader)
        eventually(lambda: program.tail(0, 1) and len(marked(mark)) == 2)
        scale(program, 0)
        eventually(lambda: not program.supervised())
        assert program.tail(0, 2) == ["finishing", "finished"]

    def test_a_wish_made_while_the_supervisor_ends_is_not_lost(self, run: Run) -> None:
        program = run()
        for _ in range(25):
            scale(program, 0)
            eventually(lambda: not program.alive(), every_s=0.001)
            scale(program, 1)
            eventually(lambda: program.alive() and program.supervised())


class TestOutput:
    def test_goes_to_a_log_that_is_rotated_under_the_writer(self, run: Run) -> None:
        writer = (
            "import itertools, time\n"
            "for number in itertools.count():\n"
            "    print(f'line {number:06d}', flush=True); time.sleep(0.0005)\n"
        )
        program = run(writer, log_bytes=4_000, log_files=2)
        folder = Path(program.directory) / "logs"
        eventually(lambda: (folder / "0.log.2").exists())
        first = program.tail(0, 1)
        eventually(lambda: program.tail(0, 1) != first)
        assert {path.name for path in folder.iterdir()} == {"0.log", "0.log.1", "0.log.2"}
        assert len(pids(program)) == 1
        assert only(program).restarts == 0

    def test_is_kept_when_nobody_supervises(self, run: Run) -> None:
        ticking = "import time\nwhile True: print(time.time(), flush=True); time.sleep(0.01)"
        program = run(ticking)
        kill_supervisor(program)
        before = program.tail(0, 1)
        eventually(lambda: program.tail(0, 1) != before)

    def test_the_environment_is_what_was_asked_for_and_no_more(self, run: Run) -> None:
        program = run(
            "import json, os; print(json.dumps(dict(os.environ)), flush=True);" + SLEEP,
            wanted=2,
            environment={"GREETING": "a {port} b"},
            ports={0: 4711, 1: 4712},
            port_variable="PORT",
            replica_variable="NUMBER",
        )
        lines = eventually(lambda: program.tail(1, 1))
        found = json.loads(lines[0])
        found.pop("LC_CTYPE", None)  # set by Python itself
        assert found == {"GREETING": "a {port} b", "PORT": "4712", "NUMBER": "1"}

    def test_everything_kept_is_private(self, run: Run) -> None:
        program = run()
        eventually(lambda: only(program).state == "running")
        for path in Path(program.directory).rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path
