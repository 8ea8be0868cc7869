"""A supervised program as the service sees it: ask for copies of it, see what became of them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace as changed
from pathlib import Path

from orchestrate.core.errors import StepFailed
from orchestrate.providers.processes import launch, logs
from orchestrate.providers.processes.disk import told_when_full
from orchestrate.providers.processes.files import (
    Json,
    locked,
    private_directory,
    read_json,
    replace,
    try_lock,
)
from orchestrate.providers.processes.identity import Identity
from orchestrate.providers.processes.spec import Seen, Spec, identity_of, seen_of, spec_of

START_S = 20.0
Hidden = Callable[[], Mapping[str, str]]


class Program:
    """The program supervised in `directory`, which holds all there is to know about it."""

    def __init__(self, directory: str, hidden: Hidden = dict) -> None:
        """`hidden` gives the variables that are written nowhere; it is called when a supervisor
        is started, and may raise: then none is."""
        self.directory = directory
        self._hidden = hidden

    def ask(self, change: Callable[[Spec | None], Spec | None]) -> Spec | None:
        """Put `change(present spec)` in its place and see that a supervisor acts on it.

        None leaves things as they are. Raises DiskFull, StepFailed.
        """
        private_directory(self.directory)
        with locked(self._path("spec.lock")):
            present = self.spec()
            wanted = change(present)
            if wanted is None:
                return present
            if wanted != present:
                self._write(wanted)
            self._see_to(wanted)
            return wanted

    def ensure(self) -> bool:
        """Start a supervisor when one is needed and none lives. True when it had to."""
        spec = self.spec()
        if spec is None or (spec.wanted == 0 and not self.alive()) or self.supervised():
            return False
        with locked(self._path("spec.lock")):
            return self._start_supervisor()

    def spec(self) -> Spec | None:
        """What was last asked for."""
        data = read_json(self._path("spec.json"))
        return spec_of(data) if data is not None else None

    def replicas(self) -> list[Seen]:
        """Every replica as it is now: a process that is gone is exited, whatever the file says."""
        return [_checked(seen) for seen in self._recorded()]

    def alive(self) -> list[Seen]:
        return [seen for seen in self.replicas() if seen.state != "exited"]

    def supervised(self) -> bool:
        """Whether a supervisor lives."""
        if not os.path.exists(self._path("supervisor.lock")):
            return False
        # Shared, or two that look at once would take each other for it.
        lock = try_lock(self._path("supervisor.lock"), shared=True)
        if lock is None:
            return True
        os.close(lock)
        return False

    def supervisor(self) -> Identity | None:
        """The supervisor's process, None when there is none."""
        found = identity_of(self._state())
        return found if found is not None and found.alive else None

    def wait_gone(self) -> None:
        """Until nothing runs and no supervisor is left, the grace and a little more at most."""
        spec = self.spec()
        until = time.monotonic() + (spec.grace_s if spec else 0) + START_S
        while (self.supervised() or self.alive()) and time.monotonic() < until:
            time.sleep(0.02)

    def tail(self, number: int, lines: int) -> list[str]:
        """The last lines a replica printed, oldest first."""
        return logs.tail(self.directory, number, lines)

    def logged(self) -> list[int]:
        """Numbers of the replicas that ever printed."""
        return logs.numbers(self.directory)

    def _write(self, spec: Spec) -> None:
        with told_when_full("what is to run cannot be written down"):
            replace(self._path("spec.json"), json.dumps(spec.as_json()))

    def _see_to(self, spec: Spec) -> None:
        if spec.wanted == 0 and not self.alive():
            return
        if self._start_supervisor():
            return
        supervisor = self.supervisor()
        if supervisor is not None:
            os.kill(supervisor.pid, signal.SIGHUP)

    def _start_supervisor(self) -> bool:
        """True when it was started, False when there was one."""
        if self.supervised():
            return False
        hidden = json.dumps(dict(self._hidden())).encode()
        with open(self._path("supervisor.log"), "ab", opener=_private) as log:
            started = subprocess.run(
                [sys.executable, "-I", "-S", str(Path(launch.__file__).resolve()), self.directory],
                input=hidden,  # by a pipe: on no disk, in no argument and in no environment
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env={"LANG": "C.UTF-8"},
                start_new_session=True,
                timeout=START_S,
                check=False,
            )
        if started.returncode in (0, 3):
            return started.returncode == 0
        raise StepFailed(
            "the supervisor of processes could not be started",
            why=_last_lines(self._path("supervisor.log")),
            fix=[f"read {self._path('supervisor.log')}"],
        )

    def _recorded(self) -> list[Seen]:
        found = self._state().get("replicas")
        return [seen_of(item) for item in found] if isinstance(found, list) else []

    def _state(self) -> Json:
        return read_json(self._path("state.json")) or {}

    def _path(self, name: str) -> str:
        return os.path.join(self.directory, name)


def _checked(seen: Seen) -> Seen:
    if seen.state == "exited" or (seen.identity is not None and seen.identity.alive):
        return seen
    return changed(seen, state="exited", identity=None, reason="its process is gone")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _last_lines(path: str, lines: int = 5) -> list[str]:
    try:
        return Path(path).read_text("utf-8", "replace").splitlines()[-lines:]
    except OSError:
        return []
