"""The socket that the shim pumps standard input and output through.

Each connection is one session of newline-delimited JSON-RPC, in either era of the protocol. The
shim's own first line, if there is one, narrows what the session is offered.
"""

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import anyio
import mcp_types as types
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage

from orchestrate.core.errors import InvalidInput
from orchestrate.server.auth import peer_uid
from orchestrate.server.mcp.limits import limits_in
from orchestrate.server.mcp.session import make_server
from orchestrate.tools.operation import Service

log = logging.getLogger(__name__)
DRAIN_S = 10.0
"""How long calls may still take after the client's last line; then they are broken off."""

Incoming = SessionMessage | Exception


class Activity(Protocol):
    """Keeps the service from being idle while a client is connected."""

    connections: int

    def touch(self) -> None: ...


class McpDoor:
    """Accepts connections and serves a session on each."""

    def __init__(self, service: Service, activity: Activity) -> None:
        self._service = service
        self._activity = activity
        self._sessions: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from the first line to the end of input."""
        task = asyncio.current_task()
        assert task is not None
        self._sessions.add(task)
        try:
            with self._counted():
                await _Session(self._service, reader, writer).run()
        except asyncio.CancelledError:
            log.debug("a session ends because the service does")
        finally:
            self._sessions.discard(task)
            writer.close()

    def close(self) -> None:
        """End all sessions."""
        for task in self._sessions:
            task.cancel()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._activity.connections += 1
        try:
            yield
        finally:
            self._activity.connections -= 1
            self._activity.touch()


class _Session:
    """One connection: its lines to messages, its messages to lines."""

    def __init__(
        self, service: Service, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._service = service
        self._reader = reader
        self._writer = writer
        self._unanswered: set[types.RequestId] = set()
        self._answered = asyncio.Event()

    async def run(self) -> None:
        """Serve to the end of input, then until what was asked is answered or DRAIN_S is over.

        A call that is broken off does no harm: what it began is recorded, and goes on by itself.
        """
        try:
            await self._serve()
        except* (ConnectionError, anyio.BrokenResourceError):
            # The latter where it had said more, which has nowhere to go once its answers have not.
            log.debug("a client went away")
        except* InvalidInput as refused:
            log.warning("a session was refused: %s", refused.exceptions[0])
        except* Exception:
            log.exception("a session failed")

    async def _serve(self) -> None:
        limits, first = limits_in(await self._line())
        connection: socket.socket = self._writer.get_extra_info("socket")
        server = make_server(self._service, peer_uid(connection), limits)
        to_server, incoming = anyio.create_memory_object_stream[Incoming]()
        outgoing, from_server = anyio.create_memory_object_stream[SessionMessage]()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read(first, to_server))
            group.create_task(self._write(from_server))
            async with incoming, outgoing:
                await server.run(incoming, outgoing, server.create_initialization_options())

    async def _read(self, first: bytes, to_server: MemoryObjectSendStream[Incoming]) -> None:
        async with to_server:
            line = first or await self._line()
            while line:
                message = _parsed(line)
                self._note(message)
                await to_server.send(message)
                line = await self._line()
            if self._unanswered:
                with anyio.move_on_after(DRAIN_S):
                    await self._answered.wait()

    async def _write(self, from_server: MemoryObjectReceiveStream[SessionMessage]) -> None:
        async with from_server:
            async for sent in from_server:
                text = sent.message.model_dump_json(by_alias=True, exclude_unset=True)
                self._writer.write(text.encode() + b"\n")
                await self._writer.drain()
                if isinstance(sent.message, types.JSONRPCResponse | types.JSONRPCError):
                    self._settle(sent.message.id)

    async def _line(self) -> bytes:
        """The next line; empty at the end of input."""
        try:
            return await self._reader.readline()
        except ValueError:
            log.warning("a client sent a line longer than this service reads; its session ends")
            return b""

    def _note(self, message: Incoming) -> None:
        """What is to be answered yet."""
        if isinstance(message, Exception):
            return
        if isinstance(message.message, types.JSONRPCRequest):
            self._unanswered.add(message.message.id)
            self._answered.clear()
        elif isinstance(message.message, types.JSONRPCNotification):
            told = message.message.params or {}
            if message.message.method == "notifications/cancelled":
                self._settle(told.get("requestId"))

    def _settle(self, request: types.RequestId | None) -> None:
        if request is not None:
            self._unanswered.discard(request)
        if not self._unanswered:
            self._answered.set()


def _parsed(line: bytes) -> Incoming:
    try:
        return SessionMessage(types.jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        return error
