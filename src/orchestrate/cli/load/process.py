"""`Load`: a generator in a process of its own, and what it has to say."""

import json
import math
import select
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from orchestrate.cli.load.tally import Counts, Event, read_event
from orchestrate.cli.load.wire import Address
from orchestrate.core.errors import PermanentError

ANSWER_S = 30.0  # for a reply of the process, beyond what requests in flight may take


class LoadFailed(PermanentError):
    """The generator's process ended, or does not answer: its counts are lost."""

    code = "load_failed"


@dataclass(frozen=True, kw_only=True)
class Result(Counts):
    """The counts at the end, and every request in the order in which they ended."""

    events: tuple[Event, ...]

    def latency_ms(self, percent: float) -> float:
        """The time within which `percent` of the requests that succeeded were answered, in ms.

        From the request's bytes handed over to the answer's last byte; NaN when none succeeded.
        """
        took = sorted(event.end_ns - event.start_ns for event in self.events if not event.kind)
        if not took:
            return math.nan
        return took[max(0, math.ceil(len(took) * percent / 100) - 1)] / 1e6


class Load:
    """A running load. Every request is sent once: what is lost is counted, never tried again.

        with Load.start("http://127.0.0.1:8080", rate=600) as load:
            deploy()
            result = load.stop()
        assert result.failed == 0

    The process ends with `stop`, with the `with` block, and when the process that started it ends.
    """

    def __init__(self, process: subprocess.Popen[bytes], timeout_s: float) -> None:
        self._process = process
        self._timeout_s = timeout_s
        self._result: Result | None = None
        self._lock = threading.Lock()  # two questions at once would mix up their answers

    @classmethod
    def start(
        cls,
        url: str,
        *,
        rate: float = 600.0,
        connections: int = 32,
        path: str | Sequence[str] = "/",
        body: str = "",
        timeout_s: float = 10.0,
        host: str | None = None,
    ) -> Self:
        """Starts a load of `rate` requests a second over at most `connections` connections.

        `path` is `PATH`, `METHOD PATH`, or several of them to be sent in turn; those that are not a
        GET carry `body`. A request without a whole answer after `timeout_s` counts as failed.
        `host` is the Host header, where it is not what `url` says. Raises InvalidInput for an
        address or path that cannot be used, LoadFailed when the process does not start.
        """
        targets = [path] if isinstance(path, str) else list(path)
        address = Address(url, host)
        for target in targets:
            address.request(target)
        # -P: with -m alone, the modules of whatever directory this is would come first.
        command = [sys.executable, "-P", "-m", "orchestrate.cli.load", url]
        command += [f"--rate={rate}", f"--connections={connections}", f"--timeout={timeout_s}"]
        command += [f"--target={target}" for target in targets] + [f"--body={body}"]
        command += [f"--host={host}"] if host else []
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # an interrupt at the terminal is for us; it ends with us
        )
        load = cls(process, timeout_s)
        load._read_line()
        return load

    @property
    def pid(self) -> int:
        """The generator's process."""
        return self._process.pid

    def counts(self) -> Counts:
        """The counts as they stand now; after `stop`, those at the end."""
        with self._lock:
            if self._result is not None:
                return self._result
            self._ask(b"counts\n")
            return Counts(**json.loads(self._read_line()))

    def stop(self) -> Result:
        """Sends nothing more, waits for the answers under way, and ends the process.

        Takes up to `timeout_s` where an answer does not come. A second call gives the same result.
        """
        with self._lock:
            if self._result is None:
                counts, *events = self._last_words().splitlines()
                timeline = tuple(read_event(json.loads(event)) for event in events)
                self._result = Result(**json.loads(counts), events=timeline)
            return self._result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
            self._process.communicate()

    def _ask(self, line: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except BrokenPipeError as problem:
            raise self._failure("ended early") from problem

    def _read_line(self) -> bytes:
        """The one line with which the process answers one question."""
        stdout = self._process.stdout
        assert stdout is not None
        if not select.select([stdout], [], [], ANSWER_S)[0]:
            raise self._failure(f"did not answer within {ANSWER_S:g} s")
        line = stdout.readline()
        if not line:
            raise self._failure("ended early")
        return line

    def _last_words(self) -> bytes:
        within_s = self._timeout_s + ANSWER_S
        try:
            said, complained = self._process.communicate(b"stop\n", timeout=within_s)
        except subprocess.TimeoutExpired as problem:
            raise self._failure(f"did not end within {within_s:g} s") from problem
        if self._process.returncode or not said:
            raise self._failure("ended early", complained)
        return said

    def _failure(self, what: str, complained: bytes = b"") -> LoadFailed:
        if self._process.returncode is None:
            self._process.kill()
            _, complained = self._process.communicate()
        return LoadFailed(
            f"the load generator {what}",
            why=[
                f"exit status {self._process.returncode}",
                *complained.decode(errors="replace").splitlines()[-5:],
            ],
            fix=["start it by hand to see why: python -m orchestrate.cli.load URL --duration 5"],
        )
