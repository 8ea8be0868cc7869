"""A stand-in for `orchestrate serve`: takes the lock, listens, answers, and obeys its arguments.

    python stub_service.py VERSION [--busy] [--fail TEXT] [--once MARKER]

`--busy` answers retire with no, `--fail` says TEXT and ends with 3, `--once` ends with 0 the first
time, as one does that found the lock held by a service about to end.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import socket
import sys
import threading
from pathlib import Path

HOME = Path(os.environ["ORCHESTRATE_HOME"])


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("version")
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--fail")
    parser.add_argument("--once", type=Path)
    given, _ = parser.parse_known_args()
    if given.fail:
        sys.stderr.write(given.fail)
        return 3
    if given.once and not given.once.exists():
        given.once.touch()
        return 0
    (HOME / "run").mkdir(mode=0o700, exist_ok=True)
    with open(HOME / "run" / "stub.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        return _serve(given.version, given.busy)


def _serve(version: str, busy: bool) -> int:
    paths = [HOME / "run" / name for name in ("api.sock", "mcp.sock")]
    doors = []
    for path in paths:
        path.unlink(missing_ok=True)
        door = socket.socket(socket.AF_UNIX)
        door.bind(str(path))
        door.listen()
        doors.append(door)
    (HOME / "service.json").write_text(json.dumps({"version": version, "pid": os.getpid()}))
    with open(HOME / "served", "a") as served:
        served.write(f"{version} {os.getpid()}\n")
    threading.Thread(target=_greet, args=(doors[1],), daemon=True).start()
    while _answer(doors[0], busy):
        pass
    for path in paths:
        path.unlink(missing_ok=True)
    return 0


def _greet(door: socket.socket) -> None:
    while True:
        link, _ = door.accept()
        with link, contextlib.suppress(BrokenPipeError):
            link.sendall(b"hello\n")


def _answer(door: socket.socket, busy: bool) -> bool:
    """False when it was asked to end."""
    link, _ = door.accept()
    with link, link.makefile("rb") as file, contextlib.suppress(BrokenPipeError):
        path = file.readline().split()[1:2]  # none from a client that only looks
        length = 0
        while line := file.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        file.read(length)
        retire = path == [b"/api/service/retire"]
        body = json.dumps({"retired": not busy} if retire else {"pid": os.getpid()}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n"
        link.sendall(head.encode() + body)
    return path != [b"/api/service/stop"] and not (retire and not busy)


if __name__ == "__main__":
    sys.exit(main())
