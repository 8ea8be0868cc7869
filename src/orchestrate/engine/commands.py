"""Running a configured command: a list of arguments, bounded in time and in what it may say.

No shell reads it. It has a process group of its own, which is ended whole when the time is over,
and an environment in which only what it is given stands, besides what every program needs.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrate.core.untrusted import clean
from orchestrate.engine.revealed import masked

KEPT = 64 * 1024
"""Bytes of output that are kept: the last ones."""
GRACE_S = 2.0
"""From SIGTERM to SIGKILL."""
_NEEDED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "USER", "LOGNAME")
LINES = 10


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int | None
    """Exit code, negative for a signal; None when its time was over or it could not be started."""
    output: str
    """The last KEPT bytes that it wrote, to either stream, masked. Untrusted."""
    took_s: float
    problem: str | None
    """What was wrong, in one line; None when it ended with 0."""

    @property
    def lines(self) -> list[str]:
        """The last lines it wrote, marked as from outside."""
        found = [line for line in self.output.splitlines() if line.strip()][-LINES:]
        return [f"untrusted | {clean(line, limit=200)}" for line in found]


def run(
    command: Sequence[str], *, variables: Mapping[str, str], directory: str | None, within_s: float
) -> Ran:
    """Run `command` to its end, at most `within_s` seconds. Never raises for how it ends."""
    began = time.monotonic()
    surroundings = {name: os.environ[name] for name in _NEEDED if name in os.environ}
    try:
        process = subprocess.Popen(
            list(command),
            env={**surroundings, **variables},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return Ran(None, "", 0.0, f"{command[0]} could not be started: {reason}")
    tail = bytearray()
    reading = threading.Thread(target=_read, args=(process, tail), daemon=True)
    reading.start()
    code = _wait(process, within_s)
    # What it left behind in its group holds the pipe, and has no business any more.
    _signal(process, signal.SIGKILL)
    reading.join(GRACE_S)
    took_s = round(time.monotonic() - began, 3)
    # Before anything of it is cut: half a value is found by nobody.
    output = masked(bytes(tail).decode("utf-8", "replace"))
    return Ran(code, output, took_s, _problem(command[0], code, within_s))


def filled(command: Sequence[str], **values: str) -> tuple[str, ...]:
    """The arguments with `{name}` of each of `values` filled in, and `{python}`, the interpreter
    that this program runs on. Anything else in braces stays."""
    found: list[str] = []
    for argument in command:
        for name, value in {"python": sys.executable, **values}.items():
            argument = argument.replace("{" + name + "}", value)
        found.append(argument)
    return tuple(found)


def _read(process: "subprocess.Popen[bytes]", tail: bytearray) -> None:
    assert process.stdout is not None
    with process.stdout as pipe:
        while chunk := os.read(pipe.fileno(), 8192):
            tail += chunk
            del tail[: max(len(tail) - KEPT, 0)]


def _wait(process: "subprocess.Popen[bytes]", within_s: float) -> int | None:
    try:
        return process.wait(timeout=max(within_s, 0.1))
    except subprocess.TimeoutExpired:
        _signal(process, signal.SIGTERM)
    try:
        process.wait(timeout=GRACE_S)
    except subprocess.TimeoutExpired:
        _signal(process, signal.SIGKILL)
        process.wait()
    return None


def _signal(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return  # the whole group is gone


def _problem(name: str, code: int | None, within_s: float) -> str | None:
    if code == 0:
        return None
    if code is None:
        return f"{name} did not end within {within_s:g}s"
    if code < 0:
        return f"{name} was ended by {signal.Signals(-code).name}"
    return f"{name} ended with exit code {code}"
