"""Processes that belong to one home: found by what they are, ended by pid."""

from __future__ import annotations

import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Left:
    """A process still alive: its pid, and the command line it was started with."""

    pid: int
    command: str

    def __str__(self) -> str:
        return f"{self.pid} {self.command}"


def of_home(home: Path) -> list[Left]:
    """Return every live process of this user that belongs to a home, by pid.

    One belongs to it when its working directory is inside, when it names the home on its command
    line, or when it was started with ORCHESTRATE_HOME set to it. That finds the service, the edge
    and the deployed application alike, whatever file their pids are written to, and never a
    stranger who was given a pid again.
    """
    ours = {os.getpid(), os.getppid()}
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) in ours:
            continue
        if _belongs(entry, home):
            found.append(Left(int(entry.name), _command(entry)))
    return sorted(found, key=lambda left: left.pid)


def end(pid: int, grace_s: float = 5.0) -> None:
    """End one process: SIGTERM, a bounded wait, SIGKILL. One that is gone already is fine."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, grace_s)):
            try:
                signal.pidfd_send_signal(handle, number)
            except ProcessLookupError:
                break
            if _gone(handle, wait_s):
                break
    finally:
        os.close(handle)
        _reap(pid)


def _belongs(entry: Path, home: Path) -> bool:
    inside = f"{home}/"
    try:
        if _state(entry) in "ZX":
            return False
        cwd = os.readlink(entry / "cwd").removesuffix(" (deleted)")
        if f"{cwd}/".startswith(inside):
            return True
        arguments = (entry / "cmdline").read_bytes().split(b"\0")
        if any(_names(os.fsdecode(argument), home) for argument in arguments):
            return True
        environ = (entry / "environ").read_bytes().split(b"\0")
        return f"ORCHESTRATE_HOME={home}".encode() in environ
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False  # ended while we looked, or another user's


def _names(argument: str, home: Path) -> bool:
    value = argument.rpartition("=")[2]
    return f"{value}/".startswith(f"{home}/")


def _state(entry: Path) -> str:
    # The name before it is in brackets and may hold any character, brackets too.
    return (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2][1]


def _command(entry: Path) -> str:
    try:
        words = (entry / "cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return "(ended)"
    return " ".join(os.fsdecode(word) for word in words if word)


def _gone(handle: int, wait_s: float) -> bool:
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(wait_s * 1000))


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return  # not our child: its own parent, or init, reaps it
