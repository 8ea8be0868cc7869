"""Starts services by fork, with everything imported, and lets them die where a test says.

    python tests/support/launcher.py

reads a home a line from standard input, forks a service of it, and prints its pid. Such a service
looks at HOME/die.json before and inside each journalled call of a deployment's workflow:

    {"at": "act@3", "when": "before"}        SIGKILL itself instead of the first act of step 3
    {"at": "act@3", "when": "unrecorded"}    once its effect is done, before that is journalled

and writes down each call it passes in HOME/calls.jsonl. A call is NAME@N: N counts the steps that
were begun; calls repeated within a step count once. The product has no such switch: it is here.
"""

import gc
import json
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import alembic.command  # noqa: F401  (so is what follows: imported once, for all)
import dbos
import httpx2  # noqa: F401
import sqlalchemy.dialects.sqlite  # noqa: F401

import orchestrate.providers.local
import orchestrate.server.run  # noqa: F401
from orchestrate.engine.durable import Durable
from orchestrate.server.serve import serve


def main() -> None:
    """Fork a service for each line, until the end of the input."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps them
    gc.freeze()
    for line in sys.stdin:
        home = Path(line.strip())
        pid = os.fork()
        if pid == 0:
            _be_the_service(home)
        print(pid, flush=True)


def _be_the_service(home: Path) -> None:
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ["ORCHESTRATE_HOME"] = str(home)
    os.chdir(home)
    log = os.open(home / "stderr.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number, handle in enumerate((os.open(os.devnull, os.O_RDONLY), log, log)):
        os.dup2(handle, number)
    Calls(home).watch()
    code = 1
    try:
        serve(str(home))
        code = 0
    finally:
        os._exit(code)


class Calls:
    """The journalled calls of each workflow in this process."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.begun: dict[str, int] = defaultdict(int)
        self.passed: set[tuple[str, str]] = set()

    def watch(self) -> None:
        """Stand before and inside the calls."""
        step, record, receive = Durable.step, Durable.record, Durable.receive

        def watched_step(durable: Durable, name: str, act: Callable[[], object]) -> object:
            label = self.before(name, "step")
            return step(durable, name, self.inside(label, act))

        def watched_record(durable: Durable, name: str, write: Callable[..., object]) -> object:
            label = self.before(name, "record")

            def wrapped(session: object) -> object:
                return self.inside(label, lambda: _flushed(write, session))()

            return record(durable, name, wrapped)

        def watched_receive(durable: Durable, timeout_s: float) -> object:
            self.before("receive", "receive")
            return receive(durable, timeout_s)

        Durable.step = watched_step  # type: ignore[method-assign,assignment]  # stands in for it
        Durable.record = watched_record  # type: ignore[method-assign,assignment]
        Durable.receive = watched_receive  # type: ignore[method-assign,assignment]

    def before(self, name: str, kind: str) -> str | None:
        """The call's label, None when it is not the first of its kind in this step."""
        workflow = str(dbos.DBOS.workflow_id)
        self.begun[workflow] += name == "begin"
        label = f"{name}@{self.begun[workflow]}"
        if (workflow, label) in self.passed:
            return None
        self.passed.add((workflow, label))
        with (self.home / "calls.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps([workflow, label, kind]) + "\n")
        self.die(label, "before")
        return label

    def inside(self, label: str | None, act: Callable[[], object]) -> Callable[[], object]:
        def acting() -> object:
            answer = act()
            if label is not None:
                self.die(label, "unrecorded")
            return answer

        return acting

    def die(self, label: str, when: str) -> None:
        try:
            wanted = json.loads((self.home / "die.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        if wanted == {"at": label, "when": when}:
            os.kill(os.getpid(), signal.SIGKILL)


def _flushed(write: Callable[..., object], session: object) -> object:
    answer = write(session)
    session.flush()  # type: ignore[attr-defined]  # the store's Session
    return answer


if __name__ == "__main__":
    main()
