"""The shop's web server: HTTP/1.1 with keep-alive on asyncio, and an end that loses nothing.

Standard library only, and the same file in every release: a release's directory runs on its own.
"""

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

log = logging.getLogger("shop")

IDLE_S = 75.0  # longer than the traffic shifter keeps an idle connection: it closes first
GRACE_S = 9.0  # for what is under way at SIGTERM
QUIET_S = 0.2  # so long nothing was asked before the last connections are closed
HEAD_LIMIT, BODY_LIMIT = 16 * 1024, 1024 * 1024


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    body: bytes | AsyncIterator[bytes]
    type: str = "application/json"
    status: int = 200


class Refused(Exception):
    """The request is answered with this status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def in_json(what: Mapping[str, object], status: int = 200) -> Reply:
    return Reply(json.dumps(what).encode(), status=status)


Handler = Callable[[Request], Awaitable[Reply]]
Routes = Mapping[tuple[str, str], Handler]  # by method and path


@dataclass(eq=False)
class Connection:
    writer: asyncio.StreamWriter
    since: float  # when it became busy, or idle
    busy: bool = False


def serve(version: str, routes: Routes) -> None:
    """Answers on $HOST:$PORT (0: any free port, told in the log) until SIGTERM, then drains."""
    logging.basicConfig(
        level=os.environ.get("LOG_LEVEL", "info").upper(),
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stdout,
    )
    if not os.environ.get("PORT", "").isdigit():
        sys.exit("shop: PORT is not set to a number; try PORT=8000 python3 shop.py")
    try:
        asyncio.run(Server(version, routes).run(int(os.environ["PORT"])))
    except OSError as problem:
        sys.exit(f"shop: {problem}")


class Server:
    def __init__(self, version: str, routes: Routes) -> None:
        self._version, self._routes = version, routes
        self._connections: set[Connection] = set()
        self._draining = False
        self._asked = 0.0  # when the latest request came

    async def run(self, port: int) -> None:
        self._loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, stop.set)
        listener = await asyncio.start_server(
            self._converse, os.environ.get("HOST", "127.0.0.1"), port, limit=HEAD_LIMIT, backlog=512
        )
        where = "http://{}:{}".format(*listener.sockets[0].getsockname())
        log.info("shop %s listens on %s", self._version, where)
        sweeper = asyncio.create_task(self._close_idle())
        await stop.wait()
        sweeper.cancel()
        listener.close()
        await self._drain()

    async def _drain(self) -> None:
        """Finishes what is under way and what still comes on open connections."""
        self._draining = True
        end = self._loop.time() + GRACE_S
        log.info("draining: %d requests under way", sum(c.busy for c in self._connections))
        while (now := self._loop.time()) < end:
            if not any(c.busy for c in self._connections) and now - self._asked > QUIET_S:
                break
            await asyncio.sleep(0.02)
        log.info("done: %d requests cut off", sum(c.busy for c in self._connections))
        for connection in self._connections:
            connection.writer.close()

    async def _close_idle(self) -> None:
        while True:
            await asyncio.sleep(5)
            for c in self._connections:
                if not c.busy and self._loop.time() - c.since > IDLE_S:
                    c.writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(writer, self._loop.time())
        self._connections.add(connection)
        try:
            while await self._exchange(reader, connection):
                connection.busy, connection.since = False, self._loop.time()
        except (ConnectionError, asyncio.IncompleteReadError):
            log.debug("a client went away")
        finally:
            self._connections.discard(connection)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, connection: Connection) -> bool:
        """One request and its answer. False: the connection is to be closed."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self._asked = connection.since = self._loop.time()
            connection.busy = True
            line, *fields = head.decode("latin-1").split("\r\n")
            headers = {n.lower(): v.strip() for n, _, v in (f.partition(":") for f in fields)}
            request = _request(line, await _body(reader, headers))
            keep = headers.get("connection", "").lower() != "close"
        except asyncio.LimitOverrunError:
            await self._send(connection, _problem(431, "the head is too long"), False)
            return False
        except Refused as refused:
            await self._send(connection, _problem(refused.status, str(refused)), False)
            return False
        reply = await self._answer(request)
        keep = keep and not self._draining
        await self._send(connection, reply, keep)
        return keep

    async def _answer(self, request: Request) -> Reply:
        handler = self._routes.get((request.method, request.path))
        try:
            if handler:
                return await handler(request)
            known = any(path == request.path for _, path in self._routes)
            return _problem(405, "not this method") if known else _problem(404, "no such page")
        except Refused as refused:
            return _problem(refused.status, str(refused))
        except Exception as failure:
            log.error("%s %s failed: %r", request.method, request.path, failure)
            log.debug("where it failed", exc_info=True)
            return _problem(500, "the shop made a mistake")

    async def _send(self, connection: Connection, reply: Reply, keep: bool) -> None:
        head = f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\n"
        head += f"X-Version: {self._version}\r\nContent-Type: {reply.type}\r\n"
        head += "" if keep else "Connection: close\r\n"
        writer = connection.writer
        if isinstance(reply.body, bytes):
            head += f"Content-Length: {len(reply.body)}\r\n\r\n"
            writer.write(head.encode("latin-1") + reply.body)
        else:
            head += "Cache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n"
            writer.write(head.encode("latin-1"))
            async for piece in reply.body:
                writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
        await writer.drain()


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if "transfer-encoding" in headers:
        raise Refused(411, "say how long the body is")
    length = headers.get("content-length", "0")
    if not length.isdigit():
        raise Refused(400, "a Content-Length that is no number")
    if int(length) > BODY_LIMIT:
        raise Refused(413, "the body is too long")
    return await reader.readexactly(int(length))


def _request(line: str, body: bytes) -> Request:
    words = line.split(" ")
    if len(words) != 3 or words[2] != "HTTP/1.1":
        raise Refused(400, "not an HTTP/1.1 request")
    path, _, query = words[1].partition("?")
    return Request(words[0], unquote(path), dict(parse_qsl(query)), body)


def _problem(status: int, reason: str) -> Reply:
    return in_json({"error": reason}, status)
