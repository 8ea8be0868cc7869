"""Running a configured command: no shell, a clean environment, bounded in time and in output."""

import os
import selectors
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Literal

from orchestrate.providers.processes import contained

BLOCK = 1 << 16
KEPT_OUTPUT = 32 << 20
KEPT_ERRORS = 16 << 10
LOOK_S = 0.2
PATIENCE_S = 15.0


@dataclass(frozen=True)
class Ran:
    """How a command ended. What it printed is text from outside."""

    ended: Literal["exit", "timeout", "stopped"]
    code: int
    output: bytes
    """The beginning of its standard output."""
    errors: bytes
    """The end of its standard error."""
    took_s: float
    cut: bool = False
    """It printed more than was kept."""


def environment(directory: str, more: Mapping[str, str]) -> dict[str, str]:
    """The variables of a command: nothing of the service's own but where programs are."""
    path = [p for p in os.environ.get("PATH", os.defpath).split(os.pathsep) if os.path.isabs(p)]
    return {
        "PATH": os.pathsep.join(path),
        "HOME": directory,
        "TMPDIR": directory,
        "LANG": "C.UTF-8",
        "CI": "true",
        **more,
    }


def found(program: str, variables: Mapping[str, str]) -> str | None:
    """The program a command begins with: on PATH, or where a path of its own says."""
    if "/" in program:
        return program
    return shutil.which(program, path=variables["PATH"])


def run(
    command: Sequence[str],
    directory: str,
    variables: Mapping[str, str],
    timeout_s: float,
    stop: threading.Event | None = None,
) -> Ran:
    """Run `command` in `directory`, and end whatever it started. `stop` ends it before its time."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", contained.__file__, *command],
        cwd=directory,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        umask=0o077,
    )
    heard = _Heard(process)
    ended: Literal["exit", "timeout", "stopped"] = "exit"
    try:
        while heard.listen(LOOK_S) or process.poll() is None:
            if process.poll() is not None:
                break
            if stop is not None and stop.is_set():
                ended = "stopped"
                break
            if time.monotonic() - started > timeout_s:
                ended = "timeout"
                break
    finally:
        _end(process)
    heard.rest()
    took = round(time.monotonic() - started, 3)
    output, errors = bytes(heard.output), bytes(heard.errors)
    return Ran(ended, process.returncode, output, errors, took, heard.cut)


class _Heard:
    """What a process prints, as much as is kept of it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.output, self.errors, self.cut = bytearray(), bytearray(), False
        self._selector = selectors.DefaultSelector()
        assert process.stdout is not None and process.stderr is not None
        for pipe, keep in ((process.stdout, self._output), (process.stderr, self._errors)):
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ, keep)

    def listen(self, timeout_s: float) -> bool:
        """Take what there is; whether more can come."""
        if not self._selector.get_map():
            time.sleep(timeout_s)
            return False
        for key, _ in self._selector.select(timeout_s):
            block = os.read(key.fd, BLOCK)
            if block:
                key.data(block)
            else:
                self._close(key)
        return bool(self._selector.get_map())

    def rest(self) -> None:
        """What is left in the pipes, once nobody writes any more."""
        until = time.monotonic() + PATIENCE_S
        while self.listen(0) and time.monotonic() < until:
            pass
        for key in list(self._selector.get_map().values()):
            self._close(key)
        self._selector.close()

    def _close(self, key: selectors.SelectorKey) -> None:
        self._selector.unregister(key.fileobj)
        pipe: IO[bytes] = key.fileobj  # type: ignore[assignment]  # as it was registered
        pipe.close()

    def _output(self, block: bytes) -> None:
        room = KEPT_OUTPUT - len(self.output)
        self.output += block[:room]
        self.cut = self.cut or len(block) > room

    def _errors(self, block: bytes) -> None:
        self.errors += block
        del self.errors[:-KEPT_ERRORS]


def _end(process: subprocess.Popen[bytes]) -> None:
    """Have it end what it started, and itself."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
