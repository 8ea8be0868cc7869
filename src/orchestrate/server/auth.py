"""Who speaks: on the socket the kernel tells, by SO_PEERCRED at connect."""

import asyncio
import pwd
import socket
import struct

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from orchestrate.engine.credentials import Credentials
from orchestrate.tools.operation import Caller

_CREDENTIALS = struct.Struct("3i")


def peer_uid(connection: socket.socket) -> int:
    """User id of the process that connected. On one host only; it says nothing of who speaks now
    if the socket was handed on."""
    if hasattr(socket, "SO_PEERCRED"):
        data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        _, uid, _ = _CREDENTIALS.unpack(data)
        return int(uid)
    # macOS: LOCAL_PEERCRED (SOL_LOCAL 0, option 1) is struct xucred, the uid its second word.
    return int(struct.unpack("2I", connection.getsockopt(0, 1, 8))[1])


def user_name(uid: int) -> str:
    """The name of a user, or `uid 1234` where the host knows none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def person(credentials: Credentials, uid: int) -> Caller:
    """A person at the CLI."""
    return Caller(credentials.person(uid, user_name(uid)), door="rest")


def agent(credentials: Credentials, name: str, uid: int) -> Caller:
    """An agent, on behalf of the person whose program it is. Its name is its own word."""
    return Caller(credentials.agent(name, uid, user_name(uid)), door="mcp")


class PeerProtocol(HttpToolsProtocol):
    """Hands the peer's user id on as `scope["client"]`: `("uid", 1000)`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # uvicorn narrows the parameter to a type of its own; ours is what asyncio passes.
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family == socket.AF_UNIX:
            self.client = ("uid", peer_uid(connection))
