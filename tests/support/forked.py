"""Services forked by the launcher: ready in a fraction of a second, and able to die on a call."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.api import Api
from tests.support.service import Service, World, end_all
from tests.support.waiting import eventually


class Launcher:
    """The process that forks services."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("launcher.py"))],
            env=Service(Path("/")).surroundings(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._lock = threading.Lock()

    def start(self, home: Path) -> int:
        """Pid of a new service of `home`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(f"{home}\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=10)


@dataclass
class ForkedService(Service):
    """A service that the launcher forks."""

    launcher: Launcher | None = None
    handle: int | None = field(default=None, init=False)

    def start(self, *options: str) -> None:
        assert self.launcher is not None
        assert not options
        self.handle = os.pidfd_open(self.launcher.start(self.home))
        eventually(lambda: self.dead() or Api(self.home).alive(), within_s=30)
        assert not self.dead(), self.complaints()

    def dead(self, within_s: float = 0.0) -> bool:
        """Whether it has ended, once it has or the time is over."""
        if self.handle is None:
            return True
        poll = select.poll()
        poll.register(self.handle, select.POLLIN)
        return bool(poll.poll(within_s * 1000))

    def die_at(self, label: str, when: str) -> None:
        """Have it kill itself on a call; see launcher."""
        part = self.home / "die.part"
        part.write_text(json.dumps({"at": label, "when": when}), encoding="utf-8")
        part.replace(self.home / "die.json")

    def live_on(self) -> bool:
        """Start it again where it died; False when it did not."""
        (self.home / "die.json").unlink()
        if not self.dead():
            return False
        self._forget()
        self.start()
        return True

    def calls(self, deployment: str) -> dict[str, str]:
        """A deployment's journalled calls, in order: `step`, `record` or `receive` by label."""
        rows = (self.home / "calls.jsonl").read_text(encoding="utf-8").splitlines()
        calls = map(json.loads, rows)
        return {label: kind for workflow, label, kind in calls if workflow == deployment}

    def _end(self, number: signal.Signals) -> None:
        if self.handle is not None:
            if not self.dead():
                signal.pidfd_send_signal(self.handle, number)
            assert self.dead(30)
            self._forget()

    def _forget(self) -> None:
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None


@contextmanager
def forked_world(launcher: Launcher) -> Iterator[World]:
    """As `world`, with a forked service."""
    home = Path(tempfile.mkdtemp(prefix="orc-", dir="/tmp")).resolve()
    service = ForkedService(home, launcher=launcher)
    try:
        service.start()
        yield World(home, service, Api(home), home / "source")
    finally:
        end_all(home, service)
        shutil.rmtree(home)
