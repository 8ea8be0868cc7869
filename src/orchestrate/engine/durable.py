"""The thin glue to DBOS: what is journalled, so that a killed worker goes on where it was.

Rules (each was measured): a constant application version; the executor id is a leased slot; JSON,
never pickle; nothing is hard-cancelled; messages steer a running workflow.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from dbos import DBOS, DBOSPortableJSONSerializer, SetWorkflowID, SQLAlchemyDatasource
from pydantic import JsonValue

from orchestrate.store.database import STORE_FAILED, Session, Store, make_engine

WORKFLOW_SCHEMA = "1"
"""DBOS's application version. Never raise it: what runs would be stranded. Use DBOS.patch()."""
CONTROL = "control"
MOST_RECOVERIES = 10
"""Starts of a service at which a workflow goes on by itself. After that it is asked whether it may
(`deaths`), since one that takes the process along must not do so for ever."""

J = TypeVar("J")
"""JSON: what is journalled must be."""


@dataclass(frozen=True)
class WorkflowState:
    """What the journal says of a workflow."""

    status: str
    executor: str | None

    @property
    def running(self) -> bool:
        return self.status == "PENDING"

    @property
    def resumed_too_often(self) -> bool:
        """It did not end, and does not go on by itself any more."""
        return self.status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED"

    @property
    def broke_off(self) -> bool:
        """It ended without an answer, and will not go on."""
        return self.status not in ("PENDING", "ENQUEUED", "DELAYED", "SUCCESS")


class Stopping(BaseException):
    """This worker stops: a workflow breaks off here and goes on at the next launch.

    Not an Exception, so that no workflow takes it for a failure and undoes what it did; and DBOS
    records no outcome for it.
    """


class JournalFailed(BaseException):
    """The journal cannot be written, on a full disk for one: a workflow breaks off here.

    Nothing is undone, since that could not be journalled either. `Durable.resume` goes on.
    """


class Durable:
    """Workflows over one store, executed under one slot."""

    def __init__(self, store: Store, executor: str) -> None:
        self._store = store
        self._executor = executor
        self._engine = make_engine(store.url, durable=False)
        self._workflow: Callable[[int, bool], str] | None = None
        self._source: SQLAlchemyDatasource | None = None
        self._closing = threading.Event()

    def interrupted(self, executor: str | None = None) -> list[str]:
        """Workflows that the last holder of this slot, or of another one, left unfinished. Before
        `launch`, which goes on with them at once: so DBOS's table is asked itself (it is described
        at docs.dbos.dev under "System Tables")."""
        schema = None if self._store.url.startswith("sqlite") else "dbos"
        with self._engine.connect() as connection:
            if not sa.inspect(connection).has_table("workflow_status", schema=schema):
                return []
            table = sa.table(
                "workflow_status",
                sa.column("workflow_uuid", sa.String),
                sa.column("status", sa.String),
                sa.column("executor_id", sa.String),
                schema=schema,
            )
            statement = sa.select(table.c.workflow_uuid).where(
                table.c.status == "PENDING", table.c.executor_id == (executor or self._executor)
            )
            return [str(name) for name in connection.scalars(statement)]

    def launch(self, workflow: Callable[[int, bool], str]) -> None:
        """Begin executing: first whatever a former holder of the slot left unfinished."""
        serializer = DBOSPortableJSONSerializer()
        DBOS(
            config={
                "name": "orchestrate",
                "system_database_engine": self._engine,
                "application_version": WORKFLOW_SCHEMA,
                "executor_id": self._executor,
                "serializer": serializer,
                "console_log_level": "WARNING",
                "notification_listener_polling_interval_sec": 0.1,
            }
        )
        self._source = SQLAlchemyDatasource.create(
            self._store.url,
            engine=self._store.engine,
            serializer=serializer,
            sessionmaker=self._store.unbound_sessions,
        )

        def deployment(seq: int, undo_only: bool) -> str:
            # DBOS marks the function it is given, which a bound method does not allow.
            return workflow(seq, undo_only)

        self._workflow = DBOS.workflow(name="deployment", max_recovery_attempts=MOST_RECOVERIES)(
            deployment
        )
        DBOS.launch()

    def close(self) -> None:
        """Stop executing. What runs goes on at the next launch."""
        self._closing.set()
        DBOS.destroy(destroy_registry=True)
        self._engine.dispose()

    def start(self, name: str, seq: int, undo_only: bool = False) -> None:
        """Carry out deployment `seq` as workflow `name`, now, in this process. Idempotent."""
        assert self._workflow is not None
        with SetWorkflowID(name):
            DBOS.start_workflow(self._workflow, seq, undo_only)

    def resume(self, name: str) -> None:
        """Go on with a workflow that JournalFailed broke off in this process."""
        DBOS.resume_workflow(name)

    def state(self, name: str) -> WorkflowState | None:
        """How a workflow stands; None when it was never started."""
        found = DBOS.list_workflows(workflow_ids=[name], load_input=False, load_output=False)
        return WorkflowState(found[0].status, found[0].executor_id) if found else None

    def send(self, name: str, message: dict[str, JsonValue], key: str) -> None:
        """Leave a message for a workflow; with the same key only once."""
        DBOS.send(name, message, topic=CONTROL, idempotency_key=key)

    def adopt(self, is_free: Callable[[str], bool], noting: Callable[[list[str]], None]) -> None:
        """Take over what workers left whose slot is free, after `noting` it. For several workers
        on one database."""
        pending = DBOS.list_workflows(status=["PENDING"], load_input=False, load_output=False)
        for slot in {w.executor_id for w in pending} - {None, self._executor}:
            if slot is not None and is_free(slot):
                noting(self.interrupted(slot))
                # Underscored, and idempotent in SQL; held by a test of ours at each upgrade.
                DBOS._recover_pending_workflows([slot])

    def forget(self, older_than: datetime) -> int:
        """Delete the journals of workflows that ended before; the records stay. Returns how many.

        DBOS itself keeps every step's answer for ever.
        """
        ended = DBOS.list_workflows(
            status=["SUCCESS", "ERROR"],
            end_time=older_than.isoformat(),
            limit=100,
            load_input=False,
            load_output=False,
        )
        if ended:
            DBOS.delete_workflows([workflow.workflow_id for workflow in ended])
        return len(ended)

    # Inside a workflow:

    def step(self, name: str, act: Callable[[], J]) -> J:
        """Run `act` and journal what it returns. At least once: `act` must be idempotent."""

        def tried() -> J:
            try:
                return act()
            except STORE_FAILED as error:
                # DBOS would journal it as what the step came to, and the workflow find it there
                # when it goes on, and undo what it did.
                raise JournalFailed from error

        with self._journal():
            return DBOS.run_step({"name": name}, tried)

    def record(self, name: str, write: Callable[[Session], J]) -> J:
        """Write rows, committed together with the journal entry: exactly once.

        Recorded as all other rows are: what is read after a lock is what is there now. DBOS's own
        SERIALIZABLE shows what was there before the lock, so that of two writers of the trail one
        failed. SQLite has one writer at a time, and no other level.
        """
        source = self._source
        assert source is not None

        def transaction() -> J:
            session = source.sql_session()
            assert isinstance(session, Session)
            return write(session)

        with self._journal():
            if self._store.engine.dialect.name == "postgresql":
                return source.run_tx_step(
                    {"name": name, "isolation_level": "READ COMMITTED"}, transaction
                )
            return source.run_tx_step({"name": name}, transaction)

    def receive(self, timeout_s: float) -> dict[str, JsonValue] | None:
        """The next message, or None after `timeout_s` seconds."""
        with self._journal():
            message: Any = DBOS.recv(CONTROL, timeout_seconds=timeout_s)
        return message if isinstance(message, dict) else None

    def patched(self, change: str) -> bool:
        """Whether to take the steps as they are since `change`: False in the replay of a workflow
        that passed this place before it."""
        with self._journal():
            return DBOS.patch(change)

    @contextmanager
    def _journal(self) -> Iterator[None]:
        """Tell what DBOS raises while it is being closed apart from what a step raises."""
        if self._closing.is_set():
            raise Stopping
        try:
            yield
        except Exception as error:
            if self._closing.is_set():
                raise Stopping from error
            if isinstance(error, STORE_FAILED):
                raise JournalFailed from error
            raise
