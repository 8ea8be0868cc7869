"""The fence of an environment: the newest write that was carried out, and none older after it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrate.core.errors import FencedOut
from orchestrate.core.protocols import Write
from orchestrate.providers.processes.disk import told_when_full
from orchestrate.providers.processes.files import (
    locked,
    private_directory,
    read_json,
    replace,
    try_lock,
)


class Fence:
    """fence.json in an environment's directory."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.path = os.path.join(directory, "fence.json")

    def newest(self) -> tuple[int, str]:
        """Number and key of the newest write; 0 before the first."""
        data = read_json(self.path) or {}
        return int(str(data.get("number", 0))), str(data.get("key", ""))

    def check(self, write: Write) -> None:
        """Raises FencedOut when the write comes too late."""
        number, key = self.newest()
        if write.number < number or (write.number == number and write.key != key):
            raise FencedOut(
                "a newer change of this environment was made already; this one was not",
                why=[f"write {write.number} ({write.key}) came after {number} ({key})"],
            )

    @contextmanager
    def passed(self, write: Write) -> Iterator[None]:
        """Carry out a write: checked and written down first, alone until it is done."""
        private_directory(self.directory)
        with locked(f"{self.path}.lock"):
            self.check(write)
            if (write.number, write.key) != self.newest():
                self._record(write)
            yield

    @contextmanager
    def unless_busy(self) -> Iterator[bool]:
        """Keep writes out for a while; False, and nothing kept out, while one is under way."""
        if not os.path.isdir(self.directory):
            yield True
            return
        lock = try_lock(f"{self.path}.lock")
        try:
            yield lock is not None
        finally:
            if lock is not None:
                os.close(lock)

    def _record(self, write: Write) -> None:
        with told_when_full("nothing was changed"):
            replace(self.path, json.dumps(vars(write)))
