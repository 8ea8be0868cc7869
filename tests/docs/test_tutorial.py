"""docs/tutorial.md is carried out: every command in order, and what it shows is what is printed.

A `console` block holds commands (`$ ...`) and what they print: each line shown must be printed, in
that order, numbers and times aside; `...` stands for what is left out. A `yaml file=NAME` block is
a file to be written. An HTML comment before a block may say `not run: why` or `exit code N`.
"""

from __future__ import annotations

import os
import pty
import pwd
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyte
import pytest

from orchestrate.cli.demo.place import end_all
from tests.support.ports import free_port
from tests.support.repository import ROOT

TUTORIAL = ROOT / "docs" / "tutorial.md"
COLUMNS, ROWS = 96, 24
WITHIN_S = 90.0
SHOWN_PORT = "8080"
SHOWN_USER = "lee"
FENCE = re.compile(
    r"(?:<!-- (?P<note>[^\n]*?) -->\n+)?```(?P<kind>console|yaml file=\S+)\n(?P<body>.*?)```", re.S
)


@dataclass(frozen=True)
class Block:
    """A fenced block, with the note before it."""

    kind: str
    body: str
    note: str
    line: int

    @property
    def commands(self) -> Iterator[tuple[str, list[str]]]:
        """Each command with the lines shown below it."""
        for part in re.split(r"^\$ ", self.body, flags=re.M)[1:]:
            command, *shown = part.replace("\\\n", "").splitlines()
            yield command, [line for line in shown if line.strip()]

    @property
    def exit_code(self) -> int:
        found = re.fullmatch(r"exit code (\d+)", self.note)
        return int(found[1]) if found else 0


def blocks(text: str) -> list[Block]:
    return [
        Block(m["kind"], m["body"], m["note"] or "", text[: m.start("body")].count("\n") + 1)
        for m in FENCE.finditer(text)
    ]


@pytest.mark.unit
def test_a_command_that_is_not_run_says_why() -> None:
    found = blocks(TUTORIAL.read_text(encoding="utf-8"))
    assert len([b for b in found if not b.note.startswith("not run")]) > 8
    for block in found:
        assert re.fullmatch(r"|exit code \d+|not run: \S.+", block.note), block.line


@pytest.mark.system
@pytest.mark.timeout(400)
def test_the_tutorial_does_what_it_says(home: Path) -> None:
    reader = Reader(home)
    try:
        for block in blocks(TUTORIAL.read_text(encoding="utf-8")):
            if not block.note.startswith("not run"):
                reader.follow(block)
    finally:
        reader.end()


class Reader:
    """Somebody who does what the tutorial says, in a terminal, at another port."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._port = str(free_port())
        self._here = home / "clone"
        self._beside: list[subprocess.Popen[bytes]] = []
        shutil.copytree(ROOT / "examples", self._here / "examples")

    def follow(self, block: Block) -> None:
        if block.kind != "console":
            name = block.kind.partition("=")[2]
            (self._here / name).write_text(self._at_our_port(block.body), encoding="utf-8")
            return
        for command, shown in block.commands:
            if command.startswith("cd "):
                self._here = (self._here / command.removeprefix("cd ")).resolve()
                continue
            if command.endswith("&"):
                self._begin(self._at_our_port(command).removesuffix("&"))
                continue
            printed, code = self._run(self._at_our_port(command))
            told = f"docs/tutorial.md:{block.line}: $ {command}\n" + "\n".join(printed)
            assert code == block.exit_code, f"{told}\nexit code {code}"
            missing = not_shown(shown, self._as_in_the_text(printed))
            assert missing is None, f"{told}\nnot printed: {missing}"

    def end(self) -> None:
        for process in self._beside:
            process.kill()
            process.wait()
        end_all(str(self._home))

    def _begin(self, command: str) -> None:
        """What goes on in the background."""
        self._beside.append(
            subprocess.Popen(
                ["bash", "-c", f"exec {command}"], cwd=self._here, env=self._surroundings()
            )
        )

    def _at_our_port(self, text: str) -> str:
        return text.replace(SHOWN_PORT, self._port)

    def _as_in_the_text(self, printed: list[str]) -> list[str]:
        me = pwd.getpwuid(os.getuid()).pw_name
        text = "\n".join(printed).replace(self._port, SHOWN_PORT)
        return re.sub(rf"\b{re.escape(me)}\b", SHOWN_USER, text).splitlines()

    def _run(self, command: str) -> tuple[list[str], int]:
        """What a terminal shows of a command in the end, and its exit code."""
        ours, theirs = pty.openpty()
        with os.fdopen(ours, "rb", buffering=0) as terminal:
            subprocess.run(
                ["stty", "rows", str(ROWS), "cols", str(COLUMNS)], stdin=theirs, check=True
            )
            process = subprocess.Popen(
                ["bash", "-c", command],
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                cwd=self._here,
                env=self._surroundings(),
                start_new_session=True,
            )
            os.close(theirs)
            # Waited for while the terminal is there: closing it hangs up on whoever is still at it.
            return _read(terminal.fileno(), process), process.wait(timeout=10)

    def _surroundings(self) -> dict[str, str]:
        drop = ("ORCHESTRATE_", "PYTEST_", "CI", "NO_COLOR", "FORCE_COLOR", "GITHUB_")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(drop)}
        path = f"{Path(sys.executable).parent}:{kept.get('PATH', '')}"
        return {
            **kept,
            "PATH": path,
            "TERM": "xterm",
            "LANG": "C.UTF-8",
            "ORCHESTRATE_HOME": str(self._home),
        }


def not_shown(shown: list[str], printed: list[str]) -> str | None:
    """The first line shown that was not printed after the one before it."""
    left = iter([_plain(line) for line in printed])
    for line in shown:
        if line.strip() != "..." and not any(_is_shown(line, each) for each in left):
            return line
    return None


def _is_shown(line: str, printed: str) -> bool:
    """Whether `line` shows what was printed; one that ends with `...` shows the beginning."""
    if line.endswith("..."):
        return printed.startswith(_plain(line.removesuffix("...")))
    return printed == _plain(line)


def _plain(line: str) -> str:
    """A line without what differs from run to run: numbers (not versions), digests, spaces, and
    the day of a time that is not of today any more."""
    line = re.sub(r"\b[A-Z][a-z]{2} \d{1,2} [A-Z][a-z]{2} (?=\d\d:\d\d\b)", "", line)
    line = re.sub(r"\b[0-9a-f]{12}\b", "DIGEST", line)
    line = re.sub(r"(?<![\w.])(?!\d+\.\d+\.\d+\b)\d[\d,.:]*(ms|s|m|h|%)?(?![\w.])", "0", line)
    return " ".join(line.split())


def _read(terminal: int, process: subprocess.Popen[bytes]) -> list[str]:
    screen = pyte.HistoryScreen(COLUMNS, ROWS, history=2000)
    stream = pyte.ByteStream(screen)
    until = time.monotonic() + WITHIN_S
    while time.monotonic() < until:
        ready = select.select([terminal], [], [], 0.2)[0]
        if not ready and process.poll() is not None:
            break
        if ready:
            try:
                data = os.read(terminal, 65536)
            except OSError:  # the other end is closed
                break
            stream.feed(data)
    else:
        process.kill()
        pytest.fail(f"{process.args} did not end within {WITHIN_S:g} s")
    rows = [*screen.history.top, *(screen.buffer[y] for y in range(ROWS))]
    lines = ["".join(row[x].data for x in range(COLUMNS)).rstrip() for row in rows]
    return [line for line in lines if line]
