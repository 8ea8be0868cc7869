"""Run the command as a user does: as a process, piped or at a terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from fcntl import ioctl
from types import TracebackType
from typing import Any, NamedTuple, Self

import pyte

WITHIN_S = 30.0
# Makes the pty the controlling terminal, so that its ^C is a real one, and becomes the command.
_LAUNCH = (
    "import fcntl, os, sys, termios;"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)
_NEUTRAL = (
    "CI", "BUILDKITE", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "TF_BUILD", "JENKINS_URL",
    "ACCESSIBLE", "ORCHESTRATE_PLAIN", "ORCHESTRATE_ENV", "ORCHESTRATE_URL", "ORCHESTRATE_TOKEN",
    "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "COLUMNS", "LINES",
)  # fmt: skip


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one document on standard output, with nothing on standard error."""
        assert self.err == ""
        assert self.out.count("\n") == 1
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


def environment(**more: str) -> dict[str, str]:
    """The variables of this process without those that change how things are shown."""
    kept = {k: v for k, v in os.environ.items() if k not in _NEUTRAL}
    fixed = {"TZ": "UTC", "PYTHONIOENCODING": "utf-8", "ORCHESTRATE_NO_AUTOSTART": "1"}
    return {**kept, **fixed, **more}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "orchestrate", *arguments]


def run(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: str | os.PathLike[str] | None = None
) -> Result:
    """The command with its output piped and nobody to ask."""
    done = subprocess.run(
        command(*arguments),
        env=environment(**(env or {})),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=WITHIN_S,
    )
    return Result(done.returncode, done.stdout, done.stderr)


class Terminal:
    """The command at a terminal of `rows` by `columns`, kept in memory by an emulator."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        rows: int = 24,
        columns: int = 100,
        env: Mapping[str, str] | None = None,
        heartbeat_s: float | None = None,
    ) -> None:
        self.columns = columns
        self.raw = b""
        self._screen = pyte.HistoryScreen(columns, rows, history=1000)
        self._stream = pyte.ByteStream(self._screen)
        self._master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-c", _LAUNCH, *_program(heartbeat_s), *arguments],
            env=environment(TERM="xterm-256color", **(env or {})),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._master)

    def lines(self) -> list[str]:
        """What a person sees, scrolled back to the beginning."""
        above = [
            "".join(row[column].data for column in range(self.columns))
            for row in self._screen.history.top
        ]
        found = [line.rstrip() for line in [*above, *self._screen.display]]
        while found and not found[-1]:
            found.pop()
        return found

    @property
    def text(self) -> str:
        return "\n".join(self.lines())

    def wait_for(self, text: str) -> None:
        """Until `text` is on the screen. Fails with the screen when it does not come."""
        deadline = time.monotonic() + WITHIN_S
        while text not in self.text:
            if not self._feed(deadline - time.monotonic()):
                raise AssertionError(f"{text!r} did not come:\n{self.text}")

    def press(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def end(self) -> int:
        """The exit code, after everything that was written was read."""
        deadline = time.monotonic() + WITHIN_S
        while self._feed(deadline - time.monotonic()):
            pass
        return self._process.wait(timeout=WITHIN_S)

    def _feed(self, within_s: float) -> bool:
        if within_s <= 0 or not select.select([self._master], [], [], within_s)[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other end is closed
            return False
        self.raw += data
        self._stream.feed(data)
        return bool(data)


def _program(heartbeat_s: float | None) -> list[str]:
    """What the interpreter is to run: the command, or the command with a faster pulse."""
    if heartbeat_s is None:
        return ["-m", "orchestrate"]
    pulse = f"from orchestrate.cli import main, views; views.HEARTBEAT_S = {heartbeat_s};"
    return ["-c", f"import sys; {pulse} sys.exit(main.main(sys.argv[1:]))"]
