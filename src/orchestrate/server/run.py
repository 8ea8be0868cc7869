"""The service at work: store, worker and doors, from launch to the last request."""

import asyncio
import logging
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import uvicorn

from orchestrate import __version__
from orchestrate.core.errors import OrchestrateError
from orchestrate.engine.changes import Changes
from orchestrate.engine.leases import take_first_free
from orchestrate.engine.worker import Worker
from orchestrate.server.auth import PeerProtocol
from orchestrate.server.mcp import McpDoor
from orchestrate.server.rest import rest_app
from orchestrate.server.serve import Doors
from orchestrate.store import deployments, environments
from orchestrate.store.database import Store, database_url
from orchestrate.tools.operation import Service

log = logging.getLogger(__name__)


class Activity:
    """When somebody last asked something."""

    def __init__(self) -> None:
        self.last = time.monotonic()
        self.connections = 0

    def touch(self) -> None:
        self.last = time.monotonic()


def run(home: Path, doors: Doors, idle_exit_s: float | None) -> None:
    """Serve until told to stop. Raises OrchestrateError when another worker holds the store."""
    store = Store(database_url(home))
    store.migrate()
    changes = Changes()
    lease = take_first_free(home, store.url)
    if lease is None:
        raise OrchestrateError("another service works on this store", why=[str(home)])
    worker = Worker(store, home, lease, changes)
    try:
        worker.launch()
        asyncio.run(_serve(home, doors, idle_exit_s, store, worker, changes))
    finally:
        worker.close()
        lease.drop()
        store.close()


async def _serve(
    home: Path,
    doors: Doors,
    idle_exit_s: float | None,
    store: Store,
    worker: Worker,
    changes: Changes,
) -> None:
    loop = asyncio.get_running_loop()
    changes.bind(loop)
    stop = asyncio.Event()
    activity = Activity()

    def end() -> None:
        loop.call_soon_threadsafe(stop.set)

    service = Service(
        home=home,
        store=store,
        worker=worker,
        changes=changes,
        version=__version__,
        started_at=datetime.now(UTC),
        idle_exit_s=idle_exit_s,
        stop=end,
    )
    worker.lost = service.stop
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    mcp = McpDoor(service, activity)
    api = uvicorn.Server(_config(service, activity))
    listener = await asyncio.start_unix_server(mcp.serve, sock=doors.mcp, limit=8 * 1024 * 1024)
    serving = asyncio.create_task(_quietly(api, doors))
    idle = asyncio.create_task(_watch_idle(service, activity, stop))
    log.info("serving at %s", home)
    await stop.wait()
    log.info("stopping")
    idle.cancel()
    listener.close()
    mcp.close()
    api.should_exit = True
    await serving


def _config(service: Service, activity: Activity) -> uvicorn.Config:
    return uvicorn.Config(
        rest_app(service, activity.touch),
        http=PeerProtocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        # Without it one open stream keeps the service alive for ever after SIGTERM.
        timeout_graceful_shutdown=2,
    )


async def _quietly(api: uvicorn.Server, doors: Doors) -> None:
    """Serve the API. Signals are ours: uvicorn's own handlers would end it behind our back."""
    await api._serve(sockets=[doors.api])


async def _watch_idle(service: Service, activity: Activity, stop: asyncio.Event) -> None:
    """End an auto-started service that nobody needs: never while a deployment has not ended, nor
    while a release is watched over beside the revision that it replaced."""
    if service.idle_exit_s is None:
        return
    while not stop.is_set():
        await asyncio.sleep(min(service.idle_exit_s, 1.0))
        if activity.connections or time.monotonic() - activity.last < service.idle_exit_s:
            continue
        with service.store.session() as session:
            kept = any(row.kept_until for row in environments.every(session))
            busy = kept or bool(deployments.open_ones(session))
        if busy:
            activity.touch()
        else:
            log.info("idle for %gs", service.idle_exit_s)
            stop.set()
