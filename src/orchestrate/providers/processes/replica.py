"""One supervised process: start it, watch it, end it with its whole group."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack
from types import MappingProxyType

from orchestrate.providers.processes import logs
from orchestrate.providers.processes.identity import (
    Identity,
    boot,
    executable_of,
    group_alive,
    start_of,
)
from orchestrate.providers.processes.record import Record, now
from orchestrate.providers.processes.spec import Seen, Spec

STEADY_S = 60.0
"""After this long up, the next exit counts as a first one again."""
DEAD_GROUP_S = 2.0
"""How long after SIGKILL the remains of a group are waited for."""
UNSEEN = "ended while no supervisor was there to see"


class Replica:
    """Replica `number` of the program in `directory`.

    Its pid file is written by the process itself before it becomes the program, so no supervisor
    that comes later can miss it.
    """

    def __init__(self, directory: str, number: int, seen: Seen | None = None) -> None:
        self.directory, self.number = directory, number
        self.record = Record(directory, number)
        self.child: subprocess.Popen[bytes] | None = None
        self.identity: Identity | None = None
        self.executable: str | None = None
        self.port: int | None = seen.port if seen else None
        self.state = "exited"
        self.restarts = seen.restarts if seen else 0
        self.exit_code = seen.exit_code if seen else None
        self.reason = seen.reason if seen else None
        self.started_at = seen.started_at if seen else None
        self.pidfd: int | None = None
        self.next_start = 0.0
        self.up_since = 0.0
        self.failures = 0
        self.kill_at: float | None = None
        self.give_up_at: float | None = None
        self._adopt(seen)

    @property
    def seen(self) -> Seen:
        return Seen(
            number=self.number,
            state=self.state,
            identity=self.identity,
            executable=self.executable,
            port=self.port,
            restarts=self.restarts,
            exit_code=self.exit_code,
            reason=self.reason,
            started_at=self.started_at,
        )

    @property
    def gone(self) -> bool:
        return self.state == "exited"

    def start(self, spec: Spec, hidden: Mapping[str, str] = MappingProxyType({})) -> None:
        """Start it now, with the variables in `hidden` too. A program that cannot be run counts
        as one that exited."""
        self.port = spec.ports.get(self.number)
        with ExitStack() as handles:
            log = logs.open_log(self.directory, self.number)
            handles.callback(os.close, log)
            signing = self.record.open()
            handles.callback(os.close, signing)
            self.restarts += self.failures > 0
            try:
                self.child = self._spawn(spec, hidden, log, signing)
            except (OSError, subprocess.SubprocessError) as problem:
                self._failed(f"cannot run {spec.command[0]}: {problem}", None, spec)
                return
        self._running(self.child.pid)

    def stop(self, grace_s: float) -> None:
        """Ask it to end: SIGTERM to its group now, SIGKILL after the grace."""
        if self.state != "running" or self.identity is None:
            self.next_start = 0.0
            return
        self.state = "stopping"
        self.kill_at = time.monotonic() + grace_s
        self._signal(signal.SIGTERM)

    def look(self, spec: Spec, wanted: bool) -> bool:
        """Notice an exit, and kill what is over its grace. True when something changed."""
        if self.gone:
            return False
        code = self._exit_code()
        if self.state == "stopping":
            return self._look_stopping(code, spec)
        if code is None:
            return False
        self._signal(signal.SIGKILL)
        self._reap()
        if wanted:
            self._failed(_spoken(code.value, time.monotonic() - self.up_since), code.value, spec)
        else:
            self._stopped(code.value, "stopped", spec)
        return True

    def due(self) -> float | None:
        """When (monotonic) it needs a look though nothing happens; None when it does not."""
        return self.give_up_at or self.kill_at

    def _look_stopping(self, code: "_Exit | None", spec: Spec) -> bool:
        group = self.identity.pid if self.identity else 0
        over = time.monotonic() >= (self.kill_at or 0)
        if code is not None and not group_alive(group):
            self._reap()
            self._stopped(code.value, "stopped", spec)
            return True
        if self.give_up_at is not None and time.monotonic() >= self.give_up_at and code is not None:
            self._reap()
            self._stopped(code.value, "stopped; processes of its group are left", spec)
            return True
        if over and self.give_up_at is None:
            self._signal(signal.SIGKILL)
            self.give_up_at = time.monotonic() + DEAD_GROUP_S
        return False

    def _spawn(
        self, spec: Spec, hidden: Mapping[str, str], log: int, signing: int
    ) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [self._fill(part) for part in spec.command],
            cwd=spec.cwd,
            env={**self._environment(spec), **hidden},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            umask=0o022,
            # There is one thread only, so Python may run between fork and exec.
            preexec_fn=lambda: self.record.sign_on(signing, self.port, spec.write.number),
        )

    def _running(self, pid: int) -> None:
        self.identity = Identity(pid, start_of(pid) or "", boot())
        self.executable = executable_of(pid)
        self.started_at = now()
        self.up_since = time.monotonic()
        self.state = "running"
        self.kill_at = self.give_up_at = None

    def _adopt(self, seen: Seen | None) -> None:
        """Take over a process that an earlier supervisor started."""
        found = self.record.read()
        if found is None or not found.identity.alive:
            if found is not None or (seen is not None and seen.state != "exited"):
                self.reason, self.exit_code = UNSEEN, None
                self.failures = 1
            if found is not None:
                self.record.sign_off(found.identity.pid, None, UNSEEN, 0)
            return
        self.identity, self.port, self.started_at = found.identity, found.port, found.at
        self.executable = executable_of(found.identity.pid)
        self.up_since = time.monotonic()
        self.state = "running"
        self.pidfd = _pidfd(found.identity.pid)

    def _exit_code(self) -> "_Exit | None":
        """How it ended; None while it runs. The process is left to be reaped."""
        if self.child is not None:
            found = os.waitid(os.P_PID, self.child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is None:
                return None
            killed = found.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
            return _Exit(-found.si_status if killed else found.si_status)
        if self.pidfd is not None:
            return _Exit(None) if select.select([self.pidfd], [], [], 0)[0] else None
        return _Exit(None) if self.identity is None or not self.identity.alive else None

    def _reap(self) -> None:
        if self.child is not None:
            self.child.wait()
            self.child = None
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None

    def _ended(self, code: int | None, reason: str, spec: Spec) -> None:
        pid = self.identity.pid if self.identity else None
        self.state, self.exit_code, self.reason = "exited", code, reason
        self.identity, self.kill_at, self.give_up_at = None, None, None
        self.record.sign_off(pid, code, reason, spec.write.number)

    def _stopped(self, code: int | None, reason: str, spec: Spec) -> None:
        """It ended as asked: the next start is a first one."""
        self.failures = self.restarts = 0
        self.next_start = 0.0
        self._ended(code, reason, spec)

    def _failed(self, reason: str, code: int | None, spec: Spec) -> None:
        """It ended unasked: note when to start it again."""
        steady = self.state == "running" and time.monotonic() - self.up_since >= STEADY_S
        self.failures = 1 if steady else self.failures + 1
        pause = 0.0
        if self.failures > 1:
            pause = min(spec.restart_first_s * 2 ** (self.failures - 2), spec.restart_most_s)
        self.next_start = time.monotonic() + pause
        self._ended(code, reason, spec)

    def _signal(self, number: signal.Signals) -> None:
        """To the group. The leader is not reaped yet, so the number cannot mean another's."""
        if self.identity is None:
            return
        try:
            os.killpg(self.identity.pid, number)
        except (ProcessLookupError, PermissionError):
            return

    def _environment(self, spec: Spec) -> Mapping[str, str]:
        found = dict(spec.environment)
        if spec.replica_variable:
            found[spec.replica_variable] = str(self.number)
        if spec.port_variable and self.port is not None:
            found[spec.port_variable] = str(self.port)
        return found

    def _fill(self, text: str) -> str:
        return text.replace("{port}", str(self.port)).replace("{replica}", str(self.number))


class _Exit:
    """That it ended, and with what code when that could be seen."""

    def __init__(self, value: int | None) -> None:
        self.value = value


def _pidfd(pid: int) -> int | None:
    """A handle that becomes readable when the process ends; None where the system has none."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def _spoken(code: int | None, up_s: float) -> str:
    after = f"{up_s:.1f} s after its start"
    if code is None:
        return "ended; its exit code could not be seen"
    if code < 0:
        return f"killed by {signal.Signals(-code).name} {after}"
    return f"exited with code {code} {after}"
