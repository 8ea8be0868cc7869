"""What is written down about a replica's process: its pid, by itself, and each effect, once."""

import json
import os
from datetime import UTC, datetime

from orchestrate.providers.processes.files import Json, append_line, read_json, say
from orchestrate.providers.processes.identity import Identity, boot, start_of
from orchestrate.providers.processes.spec import identity_of

PID_FILE_BYTES = 512


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Record:
    """pids/<number>.json and the journal effects.jsonl in a supervisor's directory.

    The pid file has a fixed size, so that a full disk cannot keep a pid from it. The journal is
    evidence: a full disk costs lines of it, not replicas.
    """

    def __init__(self, directory: str, number: int) -> None:
        self.number = number
        self.pid_path = os.path.join(directory, "pids", f"{number}.json")
        self.effects_path = os.path.join(directory, "effects.jsonl")

    def open(self) -> int:
        """A handle on the pid file, for `sign_on`."""
        handle = os.open(self.pid_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.fstat(handle).st_size < PID_FILE_BYTES:
            os.pwrite(handle, b" " * PID_FILE_BYTES, 0)
        return handle

    def sign_on(self, handle: int, port: int | None, write: int) -> None:
        """Note that a process started. Called by itself, before it becomes the program."""
        pid, at = os.getpid(), now()
        record: Json = {"pid": pid, "start": start_of(pid), "boot": boot(), "port": port, "at": at}
        os.pwrite(handle, json.dumps(record).encode().ljust(PID_FILE_BYTES), 0)
        self._note({"what": "started", "replica": self.number, "pid": pid, "at": at}, write)

    def sign_off(self, pid: int | None, code: int | None, reason: str | None, write: int) -> None:
        """Note that it ended."""
        handle = self.open()
        os.pwrite(handle, b" " * PID_FILE_BYTES, 0)
        os.close(handle)
        effect: Json = {"what": "exited", "replica": self.number, "pid": pid, "at": now()}
        self._note({**effect, "exit_code": code, "reason": reason}, write)

    def read(self) -> "SignedOn | None":
        """The process that signed on last and did not sign off; it may be gone."""
        data = read_json(self.pid_path)
        found = identity_of(data) if data else None
        if data is None or found is None:
            return None
        port = data.get("port")
        return SignedOn(found, port if isinstance(port, int) else None, str(data.get("at")))

    def _note(self, effect: Json, write: int) -> None:
        try:
            append_line(self.effects_path, {**effect, "write": write})
        except OSError as problem:
            say(f"effect not written down: {problem}: {effect}")


class SignedOn:
    """What a process wrote down about itself."""

    def __init__(self, identity: Identity, port: int | None, at: str) -> None:
        self.identity, self.port, self.at = identity, port, at
