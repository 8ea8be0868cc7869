"""How long a client waits before it can begin: an agent for its tools, a person for a status.

`warm` and `cold` are from the spawn of `orchestrate mcp` to its answer to `tools/list`, with the
service up and with none; the peer is the same for a Python MCP server with one tool. `status` is
`orchestrate deploy status --env staging` from spawn to exit; the floor is a Python that does
nothing.
"""

import json
import os
import subprocess
import sys
import time
from statistics import median

from harness import BIN, HERE, compile_all, in_turn, last_line, row, show

from orchestrate.cli import client, start
from orchestrate.cli import home as places
from orchestrate.cli.demo.place import end_all, own_home

ROUNDS = 25
COLD_ROUNDS = 5
ORCHESTRATE = str(BIN / "orchestrate")
SHIM = [ORCHESTRATE, "mcp"]
STATUS = [ORCHESTRATE, "deploy", "status", "--env", "staging"]
ONE_TOOL = [sys.executable, str(HERE / "peers" / "one_tool.py")]
NOTHING = [sys.executable, "-c", "pass"]
STAGING = {
    "app": "bench",
    "name": "staging",
    "type": "staging",
    "provider": "local",
    "url": "http://127.0.0.1:48080",
    "config": {
        "root": str(HERE.parent / "examples" / "shop"),
        "command": ["{python}", "shop.py"],
        "artifact": "releases/{version}",
    },
}
HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "1"},
}
TALK = [
    {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO},
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
]


def main() -> None:
    compile_all()
    with own_home() as home:
        service = client.default(lambda text: None)
        service.post("/api/environments", {"environments": [STAGING]})
        samples = in_turn(
            ROUNDS,
            {
                "warm": lambda: to_tools(SHIM),
                "peer": lambda: to_tools(ONE_TOOL),
                "status": lambda: to_exit(STATUS),
                "floor": lambda: to_exit(NOTHING),
            },
        )
        size = len(tools_list(SHIM))
        cold = [cold_start(home) for _ in range(COLD_ROUNDS)]
    show(
        "From spawn to an answer",
        [
            row("orchestrate mcp, service up", samples["warm"], "to tools/list"),
            row("orchestrate mcp, no service", cold, "to tools/list"),
            row("peer: one-tool mcp server", samples["peer"], "to tools/list"),
            row("orchestrate deploy status", samples["status"], "to exit"),
            row("floor: python -c pass", samples["floor"], "to exit"),
        ],
    )
    warm, peer = median(samples["warm"]), median(samples["peer"])
    status, floor = median(samples["status"]), median(samples["floor"])
    print(f"{peer / warm:.1f} times ahead of the peer; status {status / floor:.1f} floors\n")
    last_line(
        "start",
        warm_ms=warm,
        cold_ms=median(cold),
        one_tool_mcp_ms=peer,
        status_ms=status,
        python_pass_ms=floor,
        tools_list_bytes=size,
    )


def to_tools(command: list[str]) -> float:
    """Milliseconds from spawn to the whole answer to `tools/list`."""
    began = time.perf_counter()
    process = _spawn(command)
    _ask(process)
    took = time.perf_counter() - began
    _end(process)
    return took * 1e3


def tools_list(command: list[str]) -> bytes:
    """The answer to `tools/list`, as it came."""
    process = _spawn(command)
    answer = _ask(process)
    _end(process)
    return answer


def to_exit(command: list[str]) -> float:
    """Milliseconds from spawn to exit."""
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=False)
    took = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{command} ended with {done.returncode}: {done.stderr.decode()}")
    return took * 1e3


def cold_start(home: str) -> float:
    """`to_tools` with no service; the next one finds none either."""
    end_all(home)
    assert start.connect(places.socket_path(home, places.API)) is None
    return to_tools(SHIM)


def _spawn(command: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=dict(os.environ),
    )


def _ask(process: "subprocess.Popen[bytes]") -> bytes:
    """Say hello and ask for the tools; what came is the line with the answer."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b"".join(json.dumps(each).encode() + b"\n" for each in TALK))
    process.stdin.flush()
    for line in process.stdout:
        if b'"id":2' in line or json.loads(line).get("id") == 2:
            assert b'"tools"' in line, line
            return bytes(line)
    raise SystemExit("the server ended without an answer")


def _end(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.close()
    process.stdout.read()
    process.wait(timeout=10)


if __name__ == "__main__":
    main()
