"""Threads that look after a program at the same moment are not taken for its supervisor."""

from __future__ import annotations

from pathlib import Path

from orchestrate.providers.processes.program import Program
from tests.support.midway import at_each_moment


def test_two_that_look_at_once_do_not_take_each_other_for_a_supervisor(tmp_path: Path) -> None:
    (tmp_path / "supervisor.lock").touch()
    program, seen = Program(str(tmp_path)), list[bool]()
    looked = at_each_moment(
        Program.supervised.__code__,
        program.supervised,
        lambda: seen.append(program.supervised()),
    )
    assert not any(looked)
    assert seen and not any(seen)
