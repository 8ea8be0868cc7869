"""Running a configured command: a list of arguments, bounded in time and in what it may say.

No shell reads it. It has an environment in which only what it is given stands, besides what every
program needs. It ends, with all that it started, when its time is over and when this process dies:
whoever goes on after a crash may begin it again.
"""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrate.core.untrusted import clean
from orchestrate.engine.revealed import masked
from orchestrate.providers.processes import contained

KEPT = 64 * 1024
"""Bytes of output that are kept: the last ones."""
GRACE_S = 2.0
"""From SIGTERM to SIGKILL."""
PATIENCE_S = 15.0
"""For the end of all that it started."""
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
    overdue: bool = False
    """Its time was over."""

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
    problem = _unstartable(command[0], surroundings, directory)
    if problem is not None:
        return Ran(None, "", 0.0, f"{command[0]} could not be started: {problem}")
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", contained.__file__, f"--grace={GRACE_S}", *command],
        env={**surroundings, **variables},
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    tail = bytearray()
    reading = threading.Thread(target=_read, args=(process, tail), daemon=True)
    reading.start()
    code = _wait(process, within_s)
    reading.join(GRACE_S)
    took_s = round(time.monotonic() - began, 3)
    # Before anything of it is cut: half a value is found by nobody.
    output = masked(bytes(tail).decode("utf-8", "replace"))
    return Ran(code, output, took_s, _problem(command[0], code, within_s), code is None)


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
    """Its exit code, negative for a signal; None when its time was over."""
    try:
        code = process.wait(timeout=max(within_s, 0.1))
    except subprocess.TimeoutExpired:
        process.terminate()
    else:
        return -(code - 128) if code - 128 in set(signal.Signals) else code
    try:
        process.wait(timeout=GRACE_S + PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return None


def _unstartable(
    program: str, surroundings: Mapping[str, str], directory: str | None
) -> str | None:
    """Why it cannot be started, as the system would say it; None when it can."""
    path = program
    if "/" not in program:
        path = shutil.which(program, path=surroundings.get("PATH", os.defpath)) or program
    whole = os.path.join(directory or ".", path)
    try:
        if not os.path.isfile(whole):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if not os.access(whole, os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return None


def _problem(name: str, code: int | None, within_s: float) -> str | None:
    if code == 0:
        return None
    if code is None:
        return f"{name} did not end within {within_s:g}s"
    if code < 0:
        return f"{name} was ended by {signal.Signals(-code).name}"
    return f"{name} ended with exit code {code}"
