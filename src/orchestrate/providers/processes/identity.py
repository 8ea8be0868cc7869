"""Which process a pid means. A pid alone is no identity: the kernel gives it out again."""

import os
import subprocess
from dataclasses import dataclass

LINUX = os.path.isdir("/proc/self/fd")


@dataclass(frozen=True)
class Identity:
    """A process: pid, start time as the kernel tells it, and the boot it was started in.

    The executable is not part of it: a wrapper that execs its program stays the same process.
    """

    pid: int
    start: str
    boot: str

    @property
    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        return self.pid > 0 and self.boot == boot() and start_of(self.pid) == self.start


def identify(pid: int) -> Identity | None:
    """The process that has `pid` now, None when there is none."""
    start = start_of(pid)
    return Identity(pid, start, boot()) if start else None


def start_of(pid: int) -> str | None:
    """Start time of a process, None when it is gone or a zombie.

    Ticks since boot on Linux, the words of `ps` (to the second) elsewhere.
    """
    if not LINUX:
        return _start_by_ps(pid)
    fields = _stat(pid)
    return fields[19] if fields and fields[0] not in "ZX" else None


def executable_of(pid: int) -> str | None:
    """Path of the program a process runs, None where that cannot be seen."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return None


def name_of(pid: int) -> str:
    """Short name of a process's program, `?` where that cannot be seen."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "?"


def boot() -> str:
    """Names the present boot of this machine; empty where that cannot be seen."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def group_alive(group: int) -> bool:
    """Whether a process group has a member that is no zombie."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    if not LINUX:
        return True
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields and fields[2] == str(group) and fields[0] not in "ZX":
                return True
    return False


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the third (state) on."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None


def _start_by_ps(pid: int) -> str | None:
    asked = subprocess.run(
        ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C"},
    )
    state, _, start = asked.stdout.strip().partition(" ")
    return start.strip() if start and not state.startswith("Z") else None
