"""The hands of a deployment: its steps' effects on the world, each answered as JSON.

At-least-once: any of these may run twice after a crash, so each observes first or is idempotent
on the write's key.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import urlsplit

from pydantic import JsonValue, TypeAdapter

from orchestrate.core.error_codes import known
from orchestrate.core.errors import (
    OrchestrateError,
    PlanChanged,
    StepFailed,
    TemporaryError,
)
from orchestrate.core.plan import Plan
from orchestrate.core.protocols import Write
from orchestrate.core.revision import Revision
from orchestrate.core.steps import Analyse, Bake, Step
from orchestrate.core.validation import Checks
from orchestrate.core.windows import refusal
from orchestrate.engine import journal
from orchestrate.engine.answers import object_in
from orchestrate.engine.approving import Approving
from orchestrate.engine.checks import GATES, logs, run
from orchestrate.engine.checks.subject import Subject
from orchestrate.engine.executors import executor
from orchestrate.engine.executors.look import Look, Scene, paced, watched
from orchestrate.engine.executors.traffic import serving
from orchestrate.engine.gatekeeping import Job, asks_exemption, exemption_of
from orchestrate.engine.growing import added
from orchestrate.engine.hushing import hushed
from orchestrate.engine.journal import Order
from orchestrate.engine.planning import redraft
from orchestrate.engine.returning import elsewhere
from orchestrate.engine.seal import Seal
from orchestrate.engine.site import Place, Site, metrics_of, revision_of, secrets_of, site_of
from orchestrate.engine.validating import keep, subject_of
from orchestrate.store import deployments, environments, revisions, verification
from orchestrate.store.database import STORE_FAILED

log = logging.getLogger(__name__)

Json = dict[str, JsonValue]
PATIENCE_S = 2.0
"""How long one look waits for the checks to answer."""


class WorldlyHands:
    """The effects, through the environment's provider."""

    def __init__(self, place: Place, lease: str, changed: Callable[[int], None]) -> None:
        self.approving = Approving(Seal(place.home))
        self.place = self._place = place
        self._store = place.store
        self._lease = lease
        self._changed = changed
        self._jobs: dict[int, Job[Json]] = {}

    def order(self, seq: int) -> Order:
        """What to carry out. It does not change any more once the environment is taken."""
        with self._store.session() as session:
            return journal.order_of(session, seq)

    @hushed
    def validate(self, order: Order, seq: int) -> Json:
        """Ask the gates: the plan may have been made a while ago.

        What they run can take long, so that this answers `{"pending": text}` meanwhile. They go on
        in this process alone: after a crash they are asked from the beginning.
        """
        job = self._jobs.get(seq)
        if job is None:
            job = self._jobs[seq] = Job(lambda stop: self._gates_say(order, seq, stop))
        try:
            answer = job.wait(PATIENCE_S)
        except BaseException:
            self._jobs.pop(seq, None)  # asked anew by whoever goes on
            raise
        if answer is None:
            return {"pending": "checks run"}
        self._jobs.pop(seq, None)
        return answer

    def give_up(self, seq: int) -> None:
        """Nobody wants the answer of the gates any more: what they run is ended."""
        job = self._jobs.pop(seq, None)
        if job is not None:
            job.stop()

    def window(self, order: Order, seq: int) -> Json:
        """Whether the environment may be changed now: `closed` says why not."""
        now = datetime.now(UTC)
        try:
            with self._store.session() as session:
                row = environments.get(session, order.environment_id)
                calendar = environments.as_environment(row).calendar
                exempt = exemption_of(session, seq) is not None
            closed = None if exempt else refusal(calendar, now, 0)
        except Exception as error:
            return _answer(_told(error))
        return {"closed": closed, "now": now.timestamp()}

    def _gates_say(self, order: Order, seq: int, stop: threading.Event) -> Json:
        try:
            return self._ask_gates(order, seq, stop)
        except Exception as error:
            return _answer(_told(error))

    def _ask_gates(self, order: Order, seq: int, stop: threading.Event) -> Json:
        plan = Plan.model_validate(order.plan)
        with self._store.session() as session:
            row = deployments.get(session, seq)
            subject = subject_of(
                session,
                self._place,
                environments.get(session, order.environment_id),
                plan=plan,
                revision=revisions.as_revision(revisions.get(session, row.to_revision_id)),
                exemption=exemption_of(session, seq),
                asks_exemption=asks_exemption(session, seq),
                stop=stop,
            )
        if plan.gates != (subject.checks.digest if subject.checks != Checks() else None):
            return _answer(_other_gates(subject))
        results = run(subject, GATES)
        if stop.is_set():
            return _answer(StepFailed("the checks were stopped"))
        with self._store.session() as session:
            keep(session, subject, results, seq)
        bad = [r for r in results if r.blocks]
        if not bad:
            took = round(sum(r.duration_s for r in results), 3)
            passed = sum(1 for r in results if r.result == "pass")
            return {"text": f"{passed} checks passed", "took_s": took}
        kind = known().get(bad[0].code or "", StepFailed)
        error = kind(
            f"{subject.version} cannot be deployed: {bad[0].text}",
            why=[f"{r.name}: {r.text}" for r in bad],
            fix=[r.fix for r in bad if r.fix],
        )
        return _answer(error)

    def plan_again(self, seq: int) -> Json:
        """The plan of a deployment as it is made now: `{"digest": ...}`. For what was approved a
        while ago."""
        try:
            with self._store.session() as session:
                row = deployments.get(session, seq)
                environment = environments.get(session, row.environment_id)
                asked = Plan.model_validate(row.plan)
                draft = redraft(session, self._place, environment, asked, row.forced)
        except Exception as error:
            return _answer(_told(error))
        return {"digest": draft.plan.digest}

    @hushed
    def act(self, order: Order, step: Step, number: int, key: str) -> Json:
        """Send the step's write."""
        act = executor(step).act
        if act is None:
            return {}
        try:
            act(step, self._scene(order, step), Write(number=number, key=key, lease=self._lease))
        except Exception as error:
            return _answer(_told(error))
        return {}

    def act_counting(self, order: Order, step: Step, number: int, key: str) -> Json:
        """Send the step's write and count meanwhile: what must be fast does not wait for numbers.

        `requests` in the answer is what `count` answers.
        """
        with ThreadPoolExecutor(1, "count") as beside:
            counting = beside.submit(self.count, order)
            answer = self.act(order, step, number, key)
            return {**answer, "requests": counting.result()}

    @hushed
    def look(self, order: Order, step: Step, memory: Json) -> Json:
        """Ask how the step stands."""
        if executor(step).look is None:
            return _say(Look(True, _done_text(step)), memory)
        try:
            return look_at(step, self._scene(order, step), memory)
        except Exception as error:
            return _answer(_told(error))

    def observe(self, order: Order) -> Json:
        """What serves now, by version; `elsewhere` when that is not what served before, and
        `arrived` when all of it is what the plan leads to."""
        try:
            seen = self._site(order).provider.observe()
        except Exception as error:
            log.warning("what serves could not be observed: %s", _told(error).message)
            return {}
        plan = Plan.model_validate(order.plan)
        arrived = plan.new is not None and seen.percent(plan.new.key) == 100
        answer: Json = {"serving": serving(seen), "arrived": arrived}
        wrong = elsewhere(seen, plan)
        return {**answer, "elsewhere": _answer(wrong)["error"]} if wrong else answer

    def count(self, order: Order) -> Json:
        """Requests so far by revision: total, failed, not answered by any replica."""
        try:
            counts = self._site(order).provider.requests()
        except Exception as error:
            log.warning("requests could not be counted: %s", _told(error).message)
            return {}
        lost = ("502", "503", "504")
        return {
            key: [c.total, c.failed, sum(c.codes.get(code, 0) for code in lost)]
            for key, c in counts.items()
        }

    def now(self) -> float:
        return time.time()

    def changed(self, seq: int) -> None:
        self._changed(seq)

    def _site(self, order: Order) -> Site:
        with self._store.session() as session:
            row = environments.get(session, order.environment_id)
            return site_of(row, self._place)

    def _scene(self, order: Order, step: Step) -> Scene:
        site = self._site(order)

        def find(key: str) -> Revision:
            with self._store.session() as session:
                found = revision_of(session, site.id, key)
            if found is None:
                raise StepFailed(f"revision {key} is not recorded", why=["the store lost it"])
            return found

        def logged(key: str) -> dict[str, JsonValue] | None:
            with self._store.session() as session:
                return verification.newest_of(session, site.id, key, logs.NAME)

        host = urlsplit(site.environment.url).netloc if site.environment.url else None
        # What the plan says, and not what the environment says by now.
        asked = step.policy.metrics if isinstance(step, Analyse | Bake) else None
        return Scene(
            provider=site.provider,
            revision=find,
            host=host,
            plan=Plan.model_validate(order.plan),
            environment=site.environment,
            deadline=order.deadline,
            secrets=secrets_of(site.environment, self._place),
            logged=logged,
            source=metrics_of(asked, site.environment, self._place),
        )


def look_at(step: Step, scene: Scene, memory: Json) -> Json:
    """How a step stands, as it is journalled: what it remembers is told by what it adds to
    `memory` (`growing`)."""
    look = executor(step).look
    assert look is not None
    now = watched(memory, scene.clock())
    said = _say(paced(look(step, scene, now), scene.provider.capabilities.ask_every_s), now)
    return {**said, "memory": added(memory, object_in(said["memory"]))}


def _say(look: Look, memory: Json) -> Json:
    clock = {name: memory[name] for name in ("watched", "last") if name in memory}
    answer: dict[str, object] = {
        "done": look.done,
        "text": look.text,
        "memory": look.memory | clock | {"again": look.again_s},
        "data": look.data,
        "again_s": look.again_s,
    }
    if look.error is not None:
        answer["error"] = look.error.as_dict()
    return TypeAdapter(Json).validate_python(answer)


def _answer(error: OrchestrateError) -> Json:
    return {"error": TypeAdapter(JsonValue).validate_python(error.as_dict())}


def _told(error: Exception) -> OrchestrateError:
    """Our own errors as they are; an unexpected one is logged and named."""
    if isinstance(error, OrchestrateError):
        return error
    if isinstance(error, STORE_FAILED):
        raise error  # the store's own: the workflow breaks off here, and goes on once it is back
    log.error("a step broke off", exc_info=error)
    if isinstance(error, ConnectionError | TimeoutError):
        return TemporaryError(f"the provider did not answer: {type(error).__name__}")
    return StepFailed(
        "a step broke off unexpectedly",
        why=[f"{type(error).__name__}; the service's log has the trace"],
        fix=["orchestrate doctor"],
    )


def _other_gates(subject: Subject) -> OrchestrateError:
    name = subject.site.environment.name
    return PlanChanged(
        f"the checks of {name} are others than when the plan was made",
        why=["what must be known before a deployment is part of its plan"],
        fix=[f"look at the plan again: orchestrate deploy diff --env {name}"],
    )


def _done_text(step: Step) -> str:
    replicas = getattr(step, "replicas", None)
    return f"{replicas} asked for" if replicas is not None else "done"
