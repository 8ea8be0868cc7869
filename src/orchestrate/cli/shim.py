"""The entry point, and what an agent's client spawns: standard input and output to the service.

`orchestrate mcp` is reached before anything else is imported, so that it costs an agent no more
than a Python that does nothing. Every other command goes on to `main`.
"""

import _thread
import os
import socket
import sys

from orchestrate import __version__
from orchestrate.cli import home as places

CHUNK = 65536
MCP_OPTIONS = ("--read-only", "--toolsets")


def main() -> int:
    """Exit code of the command in sys.argv."""
    if sys.argv[1:2] == ["mcp"]:
        first = first_line(sys.argv[2:])
        if first is not None:
            return mcp(first)
    from orchestrate.cli.main import main as every_other

    return every_other(sys.argv[1:])


def first_line(arguments: list[str]) -> bytes | None:
    """What is sent ahead of the client's own bytes: nothing, or a line that narrows what the
    service offers. None when the arguments are not plain, and need to be told what is wrong."""
    read_only, toolsets = False, ""
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--read-only":
            read_only = True
        elif word == "--toolsets" and rest:
            toolsets = rest.pop(0)
        elif word.startswith("--toolsets="):
            toolsets = word.partition("=")[2]
        else:
            return None
    names = [name.strip() for name in toolsets.split(",") if name.strip()]
    if not all(name.replace("_", "").replace("-", "").isalnum() for name in names):
        return None
    return narrowing(read_only, names)


def narrowing(read_only: bool, toolsets: list[str]) -> bytes:
    """The first line for these options; empty without any. Names are letters, digits, `_`, `-`."""
    said = ['"read_only":true'] if read_only else []
    if toolsets:
        said.append('"toolsets":[' + ",".join(f'"{name}"' for name in toolsets) + "]")
    return ('{"orchestrate":{' + ",".join(said) + "}}\n").encode() if said else b""


def mcp(first: bytes) -> int:
    """Pump until the client or the service ends it. 0 when the client did, 1 when the service
    did, 130 after Ctrl-C."""
    try:
        link = _connect()
        if link is None:
            return 1
        with link:
            return _pump(link, first)
    except KeyboardInterrupt:
        return 130


def _connect() -> socket.socket | None:
    if os.environ.get("ORCHESTRATE_URL"):
        _refuse_remote()
        return None
    directory = places.home()
    found = socket.socket(socket.AF_UNIX)
    try:
        found.connect(os.path.join(directory, "run", places.MCP))
        if places.is_ours(places.service_text(directory), __version__):
            return found
    except OSError:
        pass  # `start` finds out why, starts one, or says what is wrong
    found.close()
    return _start(directory)


def _start(directory: str) -> socket.socket | None:
    from orchestrate.cli import start
    from orchestrate.core.errors import OrchestrateError

    try:
        return start.reach(directory, places.MCP, warn=_say)
    except OrchestrateError as problem:
        from orchestrate.cli.render.error import plain

        _say(plain(problem))
        return None


def _pump(link: socket.socket, first: bytes) -> int:
    """Both directions until both ends are closed; `first` goes ahead of what the client says."""
    # A client that made its pipe non-blocking would have us drop what does not fit into it.
    os.set_blocking(0, True)
    os.set_blocking(1, True)
    ended: list[bool] = []
    _thread.start_new_thread(_up, (link, first, ended))
    try:
        while data := link.recv(CHUNK):
            while data:
                data = data[os.write(1, data) :]
    except BrokenPipeError:
        return 0  # the client reads no more: it is gone
    except OSError as problem:
        _say(f"orchestrate mcp: the connection to the service broke: {problem.strerror}")
        return 1
    if ended:
        return 0
    _say("orchestrate mcp: the service ended; start this again to go on")
    return 1


def _up(link: socket.socket, first: bytes, ended: list[bool]) -> None:
    try:
        if first:
            link.sendall(first)
        while data := os.read(0, CHUNK):
            link.sendall(data)
        ended.append(True)
        link.shutdown(socket.SHUT_WR)
    except OSError:
        return  # the service is gone: whoever reads from it sees that, and says so


def _refuse_remote() -> None:
    _say(
        "orchestrate mcp: ORCHESTRATE_URL is set, and this command serves the local service only\n"
        "  fix: give the client the address itself, as an HTTP server: $ORCHESTRATE_URL/mcp\n"
        "       or unset ORCHESTRATE_URL"
    )


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
