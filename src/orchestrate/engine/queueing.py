"""Whose turn it is: the oldest waiting deployment of each environment that is free."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydantic import JsonValue, TypeAdapter

from orchestrate.core.deployment import Phase
from orchestrate.core.errors import NoDataError, OrchestrateError, TemporaryError
from orchestrate.engine import asking
from orchestrate.engine.approving import held
from orchestrate.engine.site import Place
from orchestrate.store import deployments

log = logging.getLogger(__name__)

AGAIN_S = 10.0
"""When its turn came and it could not be planned, until it is tried again."""


@dataclass
class Queue:
    """The deployments that wait for an environment. `changed` is told of what happens to one."""

    place: Place
    changed: Callable[[int], None]
    take: Callable[[Place, int], bool] = asking.take_waiting
    clock: Callable[[], float] = time.monotonic
    _not_before: dict[int, float] = field(default_factory=dict)
    _said: dict[int, str] = field(default_factory=dict)

    def begin_due(self, begin: Callable[[int], None]) -> None:
        """Have the oldest of each free environment take it, and `begin` those that did. What goes
        wrong with one is no other's affair."""
        for seq in self._next():
            with told(f"beginning d{seq}"):
                if self._take(seq):
                    begin(seq)

    def _next(self) -> list[int]:
        with self.place.store.session() as session:
            open_ones = deployments.open_ones(session)
        self._forget({row.seq or 0 for row in open_ones})
        taken = {row.environment_id for row in open_ones if row.taken_at is not None}
        found: list[int] = []
        for row in open_ones:
            if row.environment_id in taken:
                continue
            taken.add(row.environment_id)
            if self.clock() >= self._not_before.get(row.seq or 0, 0.0):
                found.append(row.seq or 0)
        return found

    def _take(self, seq: int) -> bool:
        """Whether it has its environment now. One that cannot be carried out any more ends here;
        where that cannot be known it keeps its turn."""
        try:
            return self.take(self.place, seq)
        except (NoDataError, TemporaryError) as error:
            self._put_off(seq, error)
        except Exception as error:
            self._end(
                seq, error if isinstance(error, OrchestrateError) else _unexpected(seq, error)
            )
        return False

    def _put_off(self, seq: int, error: OrchestrateError) -> None:
        self._not_before[seq] = self.clock() + (error.retry_after_s or AGAIN_S)
        if self._said.get(seq) == error.message:
            return
        self._said[seq] = error.message
        with self.place.store.session() as session:
            text = f"it cannot begin yet, and is tried again: {error.message}"
            deployments.tell(session, seq, "deploy", "waiting", text)
        self.changed(seq)

    def _end(self, seq: int, error: OrchestrateError) -> None:
        said = TypeAdapter(dict[str, JsonValue]).validate_python(error.as_dict())
        with self.place.store.session() as session:
            row = held(session, seq)
            if Phase(row.phase).terminal:
                return  # somebody withdrew it meanwhile
            deployments.end_waiting(session, row, Phase.FAILED, error.code, said, error.message)
        self.changed(seq)

    def _forget(self, waiting: set[int]) -> None:
        for known in (self._not_before, self._said):
            for seq in known.keys() - waiting:
                del known[seq]


@contextmanager
def told(what: str) -> Iterator[None]:
    """What goes wrong inside is logged, and the next one has its turn."""
    try:
        yield
    except Exception:
        log.exception("%s failed; it is tried again", what)


def _unexpected(seq: int, error: Exception) -> OrchestrateError:
    log.error("deployment d%s could not begin", seq, exc_info=error)
    return OrchestrateError(
        "an unexpected error kept it from beginning",
        why=[f"{type(error).__name__}; the service's log has the trace"],
        fix=["orchestrate doctor"],
    )
