"""The supervisor: runs what <directory>/spec.json asks for, and outlives whoever asked.

It is alive while it holds `supervisor.lock`. A program it is about to start holds that lock too,
until the program's pid is written down: so a supervisor that comes after a killed one finds every
process, and starts none twice. SIGHUP means "read the spec again"; SIGTERM ends it and leaves the
programs running for the next one.

Secrets come by standard input when it is started, are kept in its memory, and go into the
environment of the programs it starts: so a crashed program gets them again while the service is
away. Nobody else can read that memory but root: the supervisor is not dumpable.
"""

import json
import os
import select
import signal
import time
from collections.abc import Mapping

from orchestrate.providers.processes import logs
from orchestrate.providers.processes.dump import undumpable
from orchestrate.providers.processes.files import (
    Complaints,
    Json,
    locked,
    private_directory,
    read_json,
    replace,
    say,
    try_lock,
)
from orchestrate.providers.processes.identity import identify
from orchestrate.providers.processes.replica import Replica
from orchestrate.providers.processes.spec import Seen, Spec, seen_of, spec_of

TICK_S = 0.5
"""Longest time between two looks at the spec, the logs and adopted processes."""
LOCK_S = 0.3
HELD = 3
"""Exit code: another supervisor has this directory."""


def main(directory: str) -> int:
    """Leave the caller's session and supervise; the calling process returns once that is so."""
    hidden = given()
    ready, tell = os.pipe()
    if os.fork() > 0:
        os.close(tell)
        told = os.read(ready, 16)
        return {b"ok": 0, b"held": HELD}.get(told, 1)
    os.close(ready)
    os.setsid()
    os.chdir(directory)
    if not _locked():
        os.write(tell, b"held")
        os._exit(HELD)
    supervisor = Supervisor(directory, hidden)
    supervisor.step()
    os.write(tell, b"ok")
    os.close(tell)
    supervisor.run()
    os._exit(0)


def _locked() -> bool:
    """Take the lock for good. Somebody who only looks may hold it for a moment."""
    until = time.monotonic() + LOCK_S
    while try_lock("supervisor.lock") is None:
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def given() -> Mapping[str, str]:
    """What whoever started us hands over on standard input, which is nobody's afterwards."""
    undumpable()
    with os.fdopen(os.dup(0), "rb") as pipe:
        text = pipe.read()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    found = json.loads(text or b"{}")
    return {str(name): str(value) for name, value in found.items()}


class Supervisor:
    def __init__(self, directory: str, hidden: Mapping[str, str]) -> None:
        self.directory = directory
        self.hidden = hidden
        self.spec: Spec | None = None
        self.stamp: tuple[int, int] | None = None
        self.written: str | None = None
        me = identify(os.getpid())
        self.identity: Json = vars(me) if me else {}
        self.leaving = False
        self.complaints = Complaints()
        for name in ("logs", "pids"):
            private_directory(os.path.join(directory, name))
        self.wakeup, self.wake = os.pipe()
        for end in (self.wakeup, self.wake):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self.wake, warn_on_full_buffer=False)
        # Handlers, not SIG_IGN: what is ignored here would be ignored in every program too.
        for number in (signal.SIGHUP, signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGTERM, self._leave)
        self.replicas = self._adopted()

    def run(self) -> None:
        """Until nothing is wanted and nothing is left, or SIGTERM."""
        while not self.leaving:
            self._wait()
            try:
                self.step()
            except OSError as problem:  # a full disk, mostly: the programs must not pay for it
                self.complaints.say(f"tried again soon: {problem}")
                time.sleep(TICK_S)

    def step(self) -> None:
        """Look at everything once and do what is due."""
        self._read_spec()
        if self.spec is None:
            return
        for replica in self.replicas.values():
            replica.look(self.spec, replica.number < self.spec.wanted)
        self._stop_extra(self.spec)
        self._start_missing(self.spec)
        self._rotate(self.spec)
        self._write_state(self.spec)
        if self.spec.wanted == 0 and all(r.gone for r in self.replicas.values()):
            self._finish()

    def _read_spec(self) -> None:
        path = os.path.join(self.directory, "spec.json")
        try:
            found = os.stat(path)
        except FileNotFoundError:
            return
        stamp = (found.st_ino, found.st_mtime_ns)
        if stamp == self.stamp:
            return
        try:
            self._follow(spec_of(read_json(path) or {}))
        except (ValueError, KeyError) as problem:
            say(f"spec.json is not usable, the one before stays: {problem}")
        # Last: what could not be read, for want of handles or of a disk, is read at the next look.
        self.stamp = stamp

    def _follow(self, spec: Spec) -> None:
        """Take a new spec. Being asked anew ends every pause before a restart."""
        if self.spec is None or spec.write != self.spec.write or spec.ports != self.spec.ports:
            for replica in self.replicas.values():
                replica.next_start = 0.0
        self.spec = spec

    def _stop_extra(self, spec: Spec) -> None:
        for number in sorted(self.replicas, reverse=True):
            if number >= spec.wanted and self.replicas[number].state == "running":
                self.replicas[number].stop(spec.grace_s)

    def _start_missing(self, spec: Spec) -> None:
        for number in range(spec.wanted):
            replica = self.replicas.get(number)
            if replica is None:  # to make one is to take over whatever it finds running
                replica = self.replicas[number] = Replica(self.directory, number)
            if replica.gone and time.monotonic() >= replica.next_start:
                replica.start(spec, self.hidden)

    def _rotate(self, spec: Spec) -> None:
        for number in self.replicas:
            logs.rotate(logs.path_of(self.directory, number), spec.log_bytes, spec.log_files)

    def _write_state(self, spec: Spec) -> None:
        """Only when it says something new. A full disk is tried again at the next look."""
        state: Json = {
            **self.identity,
            "wanted": spec.wanted,
            "write": vars(spec.write),
            "replicas": [self.replicas[n].seen.as_json() for n in sorted(self.replicas)],
        }
        text = json.dumps(state)
        if text == self.written:
            return
        try:
            replace(os.path.join(self.directory, "state.json"), text, durable=False)
            self.written = text
        except OSError as problem:
            self.complaints.say(f"state not written: {problem}")

    def _finish(self) -> None:
        """End, unless something was asked for meanwhile: asking holds the same lock."""
        with locked(os.path.join(self.directory, "spec.lock")):
            self._read_spec()
            if self.spec is not None and self.spec.wanted == 0:
                os._exit(0)

    def _wait(self) -> None:
        handles = [self.wakeup, *(r.pidfd for r in self.replicas.values() if r.pidfd is not None)]
        dues = [due for r in self.replicas.values() if (due := self._due(r)) is not None]
        pause = min([TICK_S, *(max(0.0, due - time.monotonic()) for due in dues)])
        if any(r.state == "stopping" for r in self.replicas.values()):
            pause = min(pause, 0.1)  # the rest of a group ends without a signal to us
        ready, _, _ = select.select(handles, [], [], pause)
        if self.wakeup in ready:
            os.read(self.wakeup, 4096)

    def _due(self, replica: Replica) -> float | None:
        wanted = self.spec is not None and replica.number < self.spec.wanted
        return replica.next_start if replica.gone and wanted else replica.due()

    def _adopted(self) -> dict[int, Replica]:
        """What an earlier supervisor left: by its state, and by the pids programs wrote down."""
        state = read_json(os.path.join(self.directory, "state.json")) or {}
        seen = {s.number: s for s in _replicas(state)}
        pids = os.listdir(os.path.join(self.directory, "pids"))
        numbers = {int(name.removesuffix(".json")) for name in pids if name.endswith(".json")}
        return {
            number: Replica(self.directory, number, seen.get(number))
            for number in sorted(numbers | set(seen))
        }

    def _leave(self, *_: object) -> None:
        self.leaving = True


def _replicas(state: Json) -> list[Seen]:
    found = state.get("replicas")
    return [seen_of(item) for item in found] if isinstance(found, list) else []
