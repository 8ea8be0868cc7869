"""Keeping deployments out of closed windows, and asking the gates beside everything else."""

import threading
from collections.abc import Callable, Hashable
from datetime import UTC, datetime
from typing import Generic, TypeVar

from orchestrate.core.deployment import Kind
from orchestrate.core.errors import WindowClosed
from orchestrate.core.steps import takes
from orchestrate.core.windows import Exemption, refusal
from orchestrate.engine.checks.window import BREAK_GLASS
from orchestrate.engine.planning import Draft
from orchestrate.engine.requesting import break_glass_of
from orchestrate.store.database import Session

T = TypeVar("T")


class Job(Generic[T]):
    """One question that takes its time, in a thread of its own."""

    def __init__(self, ask: Callable[[threading.Event], T]) -> None:
        self._ask = ask
        self._stop, self._done = threading.Event(), threading.Event()
        self._answer: T | None = None
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="gates", daemon=True)
        self._thread.start()

    def wait(self, timeout_s: float) -> T | None:
        """The answer, None when there is none within `timeout_s`. Raises what asking raised."""
        if not self._done.wait(timeout_s):
            return None
        if self._problem is not None:
            raise self._problem
        return self._answer

    def stop(self) -> None:
        """Have it end; returns when it has, or after half a minute."""
        self._stop.set()
        self._thread.join(30.0)

    @property
    def done(self) -> bool:
        return self._done.is_set()

    def _run(self) -> None:
        try:
            self._answer = self._ask(self._stop)
        except BaseException as problem:
            self._problem = problem
        finally:
            self._done.set()


class Jobs(Generic[T]):
    """Questions by what they are about: who asks the same meanwhile waits for the same answer."""

    def __init__(self) -> None:
        self._jobs: dict[Hashable, Job[T]] = {}
        self._lock = threading.Lock()

    def ask(self, key: Hashable, ask: Callable[[threading.Event], T], timeout_s: float) -> T | None:
        """The answer, None while there is none: ask again."""
        with self._lock:
            job = self._jobs.get(key)
            if job is None or job.done:
                job = self._jobs[key] = Job(ask)
        answer = job.wait(timeout_s)
        with self._lock:
            if job.done and self._jobs.get(key) is job:
                del self._jobs[key]
        return answer


def exemption_of(session: Session, deployment: int) -> Exemption | None:
    """By what a deployment passes a closed window: a reason, and the yes of a second person. None:
    it does not."""
    glass = break_glass_of(session, deployment)
    if glass is None or glass.approved_by is None:
        return None
    return Exemption(reason=glass.reason, asked_by=glass.asked_by, approved_by=glass.approved_by)


def asks_exemption(session: Session, deployment: int) -> bool:
    """Whether it was asked for with a reason to pass a closed window. The second person's yes comes
    after the gates: before its first change the window is looked at once more."""
    return break_glass_of(session, deployment) is not None


def closed_to(draft: Draft) -> str | None:
    """Why the plan may not begin now; None when it may. A rollback is never kept out, nor is what
    only stops what was kept."""
    plan = draft.plan
    if plan.kind is Kind.ROLLBACK or (plan.kind is Kind.RETIRE and not plan.migrates):
        return None
    needs_s = sum(takes(step) for step in plan.steps)
    return refusal(draft.site.environment.calendar, datetime.now(UTC), needs_s)


def refuse_closed(draft: Draft, exempt: bool) -> None:
    """Raises WindowClosed for a change that may not begin now."""
    closed = None if exempt else closed_to(draft)
    if closed is None:
        return
    name = draft.row.name
    raise WindowClosed(
        f"{name} may not be changed now",
        why=[closed],
        fix=[
            BREAK_GLASS,
            f"a rollback is never kept out: orchestrate deploy rollback --env {name}",
        ],
    )
