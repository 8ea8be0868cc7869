"""Runs one command and leaves nothing behind: `python -I -S contained.py PROGRAM ARGUMENT...`.

With `--grace=SECONDS` before the program its group is told to end, and has that long, when this
process is; not when the process that started it dies.

Of the standard library alone. Whatever the command starts, in sessions of its own too, becomes a
child of this process when its parent ends, and is killed when the command has ended, when this
process is told to end, and when the process that started it dies. Exits as the command did, with
128 + signal when one ended it.
"""

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from types import FrameType

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
_PATIENCE_S = 10.0


class _Told(BaseException):
    """Somebody wants it to end."""


def main(command: list[str]) -> int:
    grace_s = 0.0
    if command[0].startswith("--grace="):
        grace_s = float(command[0].partition("=")[2])
        command = command[1:]
    parent = os.getppid()
    signal.signal(signal.SIGTERM, _end)
    control = ctypes.CDLL(None, use_errno=True).prctl
    control(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    control(_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        return 128 + signal.SIGTERM  # it died before that was in force
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    process = None
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            # Should this process be killed itself, there is nobody to kill what it runs.
            preexec_fn=lambda: control(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0),
        )
        code = process.wait()
    except _Told:
        code = -signal.SIGTERM
        if process is not None and grace_s and os.getppid() == parent:
            _ask_to_end(process, grace_s, parent)
    except OSError as problem:
        print(f"{command[0]}: {problem.strerror}", file=sys.stderr)
        return 127
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _kill_all()
    return 128 - code if code < 0 else code


def _end(number: int, frame: FrameType | None) -> None:
    raise _Told


def _ask_to_end(process: "subprocess.Popen[bytes]", grace_s: float, parent: int) -> None:
    """Until it has ended, its time is over, or nobody is there any more who gave it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        os.killpg(process.pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    until = time.monotonic() + grace_s
    while process.poll() is None and time.monotonic() < until and os.getppid() == parent:
        time.sleep(0.005)


def _kill_all() -> None:
    """Kill the children until there are none: those of a killed one become ours."""
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until:
        for child in _children():
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.005)


def _children() -> list[int]:
    me = str(os.getpid())
    found: list[int] = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # The program's name stands in brackets and may hold anything.
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if fields[1].decode() == me:
            found.append(int(name))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
