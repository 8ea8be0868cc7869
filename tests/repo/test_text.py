"""What a committed file may not hold: a path of the machine it was written on."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.support.repository import ROOT, tracked

pytestmark = pytest.mark.unit

# Written in two parts, so that this file does not find itself.
MACHINE = re.compile(rb"/(?:" + rb"|".join([b"wo" + b"rk", b"fa" + b"rm"]) + rb")/")
HOME = re.compile(rb"/(?:home|Users)/(?!alice\b|USER\b)[a-z][\w-]*/|/ro" + rb"ot/\.pyenv")


def lines_holding(pattern: re.Pattern[bytes]) -> list[str]:
    found = []
    for path in tracked():
        if not (ROOT / path).is_file():
            continue
        for number, line in enumerate((ROOT / path).read_bytes().splitlines(), start=1):
            if pattern.search(line):
                found.append(f"{path}:{number}: {line[:120]!r}")
    return found


def test_no_file_names_a_path_of_the_machine_it_was_written_on() -> None:
    assert lines_holding(MACHINE) == []


def test_no_file_names_a_persons_home() -> None:
    assert lines_holding(HOME) == []


def test_every_script_is_executable_and_says_what_runs_it() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--stage", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    executable = [
        entry.partition("\t")[2] for entry in listed.stdout.split("\0") if entry[:6] == "100755"
    ]
    present = [name for name in executable if (ROOT / name).exists()]
    assert ".ci/run" in present
    assert [n for n in present if not (ROOT / n).read_bytes().startswith(b"#!/usr/bin/env ")] == []
