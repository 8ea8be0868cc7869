"""The service at work: store, worker and doors, from launch to the last request."""

import asyncio
import logging
import signal
import socket
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from orchestrate import __version__
from orchestrate.core.errors import OrchestrateError
from orchestrate.engine.anchor import EVERY_S, Anchor
from orchestrate.engine.changes import Changes
from orchestrate.engine.credentials import Credentials
from orchestrate.engine.leases import take_first_free
from orchestrate.engine.worker import Worker
from orchestrate.server.auth import PeerProtocol
from orchestrate.server.http import CONNECTIONS, GuardedProtocol, HttpDoor, names_of
from orchestrate.server.mcp import McpDoor
from orchestrate.server.rest import rest_app
from orchestrate.server.serve import Doors, Options
from orchestrate.store import deployments, environments, outbox
from orchestrate.store.database import STORE_FAILED, Store, database_url, is_away, unreachable
from orchestrate.tools.operation import Service

log = logging.getLogger(__name__)


class Activity:
    """When somebody last asked something."""

    def __init__(self) -> None:
        self.last = time.monotonic()
        self.connections = 0

    def touch(self) -> None:
        self.last = time.monotonic()


def run(home: Path, doors: Doors, options: Options) -> bool:
    """Serve until told to stop, or until the store is lost: whether it was.

    Raises StoreUnreachable, and OrchestrateError when another worker holds the store.
    """
    store = Store(database_url(home), home)
    changes = Changes()
    try:
        store.migrate()
        with store.session() as session:
            store.keys.check(session)
        lease = take_first_free(home, store.url)
    except STORE_FAILED as error:
        if not is_away(error):
            raise
        raise unreachable(error) from error
    if lease is None:
        raise OrchestrateError("another service works on this store", why=[str(home)])
    worker = Worker(store, home, lease, changes, options.read_only)
    anchor = Anchor(home, store)
    lost = threading.Event()
    worker.lost = lost.set
    try:
        alarm = anchor.open()
        if alarm:
            # What runs according to a trail that was cut or replaced may never have been asked for.
            log.critical("the audit trail is not as its heads say: %s", "; ".join(alarm))
        else:
            worker.launch()
        service = _service(home, options, store, worker, changes, anchor, tuple(alarm))
        asyncio.run(_serve(service, doors, options, lost))
        return lost.is_set()
    finally:
        worker.close()
        anchor.close()
        lease.drop()
        store.close()


def _service(
    home: Path,
    options: Options,
    store: Store,
    worker: Worker,
    changes: Changes,
    anchor: Anchor,
    alarm: tuple[str, ...],
) -> Service:
    return Service(
        home=home,
        store=store,
        worker=worker,
        changes=changes,
        version=__version__,
        started_at=datetime.now(UTC),
        anchor=anchor,
        credentials=Credentials(home, store),
        idle_exit_s=options.idle_exit_s,
        read_only=options.read_only,
        alarm=alarm,
    )


async def _serve(service: Service, doors: Doors, options: Options, lost: threading.Event) -> None:
    loop = asyncio.get_running_loop()
    service.changes.bind(loop)
    stop = asyncio.Event()
    activity = Activity()

    def end() -> None:
        loop.call_soon_threadsafe(stop.set)

    def end_lost() -> None:
        lost.set()
        end()

    service = replace(service, stop=end)
    service.worker.lost = end_lost
    if lost.is_set():
        end()  # before there was anybody to be told
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    mcp = McpDoor(service, activity)
    app = rest_app(service, activity.touch)
    servers = [(uvicorn.Server(_config(app)), doors.api)]
    if doors.http is not None:
        servers.append(
            (uvicorn.Server(_http_config(app, service, doors.http, options)), doors.http)
        )
    listener = await asyncio.start_unix_server(mcp.serve, sock=doors.mcp, limit=8 * 1024 * 1024)
    serving = [asyncio.create_task(_quietly(server, door)) for server, door in servers]
    idle = asyncio.create_task(_watch_idle(service, activity, stop))
    anchoring = asyncio.create_task(_keep_anchored(service.anchor))
    log.info("serving at %s", service.home)
    await stop.wait()
    log.info("stopping")
    idle.cancel()
    anchoring.cancel()
    listener.close()
    mcp.close()
    for server, _ in servers:
        server.should_exit = True
    await asyncio.gather(*serving)


def _config(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=PeerProtocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        # Without it one open stream keeps the service alive for ever after SIGTERM.
        timeout_graceful_shutdown=2,
    )


def _http_config(
    app: Starlette, service: Service, door: socket.socket, options: Options
) -> uvicorn.Config:
    host, port = door.getsockname()[:2]
    names = names_of(host, port, options.names, options.tls_cert is not None)
    return uvicorn.Config(
        HttpDoor(app, names, service.credentials),
        http=GuardedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # What a proxy says of a client is not believed: anybody can say it.
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=2,
        ssl_certfile=options.tls_cert,
        ssl_keyfile=options.tls_key,
    )


async def _quietly(server: uvicorn.Server, door: socket.socket) -> None:
    """Serve one door. Signals are ours: uvicorn's own handlers would end it behind our back."""
    await server._serve(sockets=[door])


async def _keep_anchored(anchor: Anchor) -> None:
    """Write the head of what was recorded last, should nothing have followed it."""
    while True:
        await asyncio.sleep(EVERY_S)
        await asyncio.to_thread(anchor.flush)


async def _watch_idle(service: Service, activity: Activity, stop: asyncio.Event) -> None:
    """End an auto-started service that nobody needs: never while a deployment has not ended, a
    message is still to be sent, or a release is watched over beside what it replaced."""
    if service.idle_exit_s is None:
        return
    while not stop.is_set():
        await asyncio.sleep(min(service.idle_exit_s, 1.0))
        if activity.connections or time.monotonic() - activity.last < service.idle_exit_s:
            continue
        with service.store.session() as session:
            kept = any(row.kept_until for row in environments.every(session))
            unsent = outbox.waiting(session)
            busy = kept or unsent or bool(deployments.open_ones(session))
        if busy:
            activity.touch()
        else:
            log.info("idle for %gs", service.idle_exit_s)
            stop.set()
