"""An agent's side of MCP: the SDK's own client through the shim, and bare lines on the socket."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Literal

import mcp_types as types
from mcp import Client, StdioServerParameters

from tests.support.real import need_program

Mode = Literal["auto", "legacy", "2026-07-28"]
MODES: tuple[Mode, ...] = ("auto", "legacy", "2026-07-28")
Json = dict[str, Any]

HELLO: Json = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "bare", "version": "0"},
    },
}
READY: Json = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def surroundings(home: Path, **more: str) -> dict[str, str]:
    """The environment a client gives to the shim."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ORCHESTRATE_", "PYTEST_"))}
    return {**kept, "ORCHESTRATE_HOME": str(home), **more}


def shim() -> str:
    """The program a client starts."""
    return need_program("orchestrate", "make setup")


@asynccontextmanager
async def agent(
    home: Path, *options: str, mode: Mode = "auto", name: str = "claude-code", **client: Any
) -> AsyncIterator[Client]:
    """A connected client, whose server is `orchestrate mcp` with these options."""
    server = StdioServerParameters(
        command=shim(), args=["mcp", *options], env=surroundings(home), cwd=home
    )
    info = types.Implementation(name=name, version="1")
    async with Client(server, mode=mode, client_info=info, **client) as found:
        yield found


def text_of(result: types.CallToolResult) -> str:
    """The text a model is shown."""
    (content,) = result.content
    assert isinstance(content, types.TextContent)
    return content.text


def document(result: types.CallToolResult) -> Json:
    """The document of a call that went well."""
    assert not result.is_error, text_of(result)
    assert isinstance(result.structured_content, dict)
    return result.structured_content


def error(result: types.CallToolResult) -> Json:
    """The error of a call that did not."""
    assert result.is_error, text_of(result)
    assert isinstance(result.structured_content, dict)
    found: Json = result.structured_content["error"]
    return found


class Bare:
    """Lines on the service's MCP socket, without shim or SDK."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._lines = link.makefile("rb")

    def send(self, *messages: Json | bytes) -> None:
        for message in messages:
            line = message if isinstance(message, bytes) else json.dumps(message).encode()
            self._link.sendall(line + b"\n")

    def receive(self) -> Json | None:
        """The next message; None at the end."""
        line = self._lines.readline()
        return json.loads(line) if line else None

    def answer(self, number: int) -> Json:
        """The answer to request `number`; others are passed over."""
        while (found := self.receive()) is not None:
            if found.get("id") == number and "method" not in found:
                return found
        raise AssertionError(f"the session ended before request {number} was answered")

    def half_close(self) -> None:
        """No more is sent; answers are still read."""
        self._link.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._lines.close()
        self._link.close()


@contextmanager
def bare(home: Path) -> Iterator[Bare]:
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(30)
    link.connect(str(home / "run" / "mcp.sock"))
    found = Bare(link)
    try:
        yield found
    finally:
        found.close()


def call(number: int, tool: str, **arguments: object) -> Json:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


def piped(home: Path, said: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    """What `orchestrate mcp` makes of a whole input."""
    return subprocess.run(
        [shim(), "mcp", *options],
        input=said,
        capture_output=True,
        env=surroundings(home),
        cwd=home,
        timeout=60,
    )
