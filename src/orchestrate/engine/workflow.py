"""One deployment, carried out: the workflow that survives being killed anywhere.

Everything here is deterministic. Time, the provider and the store are only touched through
`durable.step` and `durable.record`, whose answers are journalled, so that a replay after a crash
takes the same turns and goes on where it was. The undo of a step is recorded before the step
begins; failure undoes in reverse; cancel, pause and promote are messages.
"""

import logging
from collections.abc import Callable
from typing import TypeVar

from pydantic import TypeAdapter

from orchestrate.core.deployment import Kind, Phase, StepState
from orchestrate.core.errors import (
    AnalysisAbort,
    Cancelled,
    DeadlineExceeded,
    ExitedAtOnce,
    FencedOut,
    NoDataError,
    OrchestrateError,
    TemporaryError,
    Unhealthy,
    VerificationFailed,
    WindowClosed,
)
from orchestrate.core.plan import Plan
from orchestrate.core.steps import Analyse, Bake, Step, Stop, Verify, changes_something
from orchestrate.engine import journal
from orchestrate.engine.answers import (
    Json,
    as_kept,
    both,
    error_in,
    not_back,
    noter,
    object_in,
    raise_from,
    requests_during,
    unexpected,
    with_evidence,
)
from orchestrate.engine.awaiting import EndedWaiting, await_approval
from orchestrate.engine.durable import Durable
from orchestrate.engine.effects import Hands
from orchestrate.engine.growing import whole
from orchestrate.engine.journal import Order, Outcome
from orchestrate.engine.steering import Steering
from orchestrate.store.database import Session

log = logging.getLogger(__name__)

RELEASE_AT_FAULT = (Unhealthy, ExitedAtOnce, AnalysisAbort, VerificationFailed)
"""Failures that quarantine the revision. A full disk or a taken port says nothing about it."""
TAKEN_BACK_ANYWAY = (Cancelled, WindowClosed, Unhealthy, ExitedAtOnce)
"""Ends that undo even what has all the traffic already: somebody, or the plan, said so, or it does
not answer."""
ATTEMPTS = 4
UNDO_ATTEMPTS = 40
"""A provider that is away may come back: an undo waits some three minutes for it."""
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
MOST_UNANSWERED = 60
"""Looks without an answer, a second apart, before an undo step counts as failed."""

T = TypeVar("T")


class Run:
    """One run of one deployment's workflow."""

    def __init__(self, durable: Durable, hands: Hands, seq: int) -> None:
        self._durable = durable
        self._hands = hands
        self._seq = seq
        self._steering = Steering(durable, hands, seq, self._record)
        self._before: Json | None = None
        """Requests before the first change; None while they have not been counted."""
        self._evidence: Json = {}  # what analysis has seen so far, carried from weight to weight

    def carry_out(self, undo_only: bool = False) -> str:
        """Do all steps, or undo what was begun. Returns the phase it ended in."""
        # Not journalled: once the environment is taken it changes only by an approval, below.
        self._steering.take(self._hands.order(self._seq))
        plan = Plan.model_validate(self._order.plan)
        try:
            if undo_only:
                raise OrchestrateError("an earlier attempt to carry it out broke off")
            self._open(plan)
            self._do(plan)
            return self._close(Phase.SUCCEEDED, None)
        except EndedWaiting as ended:
            return ended.phase
        except FencedOut as error:
            return self._close(Phase.FAILED, error, moved_on=True)
        except OrchestrateError as error:
            return self._take_back(error)
        except Exception as error:
            log.exception("deployment d%s broke off", self._seq)
            return self._take_back(unexpected(error))

    @property
    def _order(self) -> Order:
        return self._steering.order

    # -- forward

    def _open(self, plan: Plan) -> None:
        """Validate and count. A rollback is in a hurry: it counts while it changes the traffic."""
        if plan.kind is Kind.DEPLOY:
            self._validate()
        if self._order.needs_approval:
            await_approval(_Turn(self), self._hands.approving)
            self._steering.take(self._hands.order(self._seq))
        if plan.kind is not Kind.ROLLBACK:
            self._before = self._durable.step("count", lambda: self._hands.count(self._order))

    def _validate(self) -> None:
        self._record("open", lambda s: journal.open_deployment(s, self._seq))
        answer = self._ask_gates()
        raise_from(answer)
        text, took = str(answer.get("text")), answer.get("took_s")
        took_s = float(took) if isinstance(took, int | float) else None
        self._record("validated", lambda s: journal.validated(s, self._seq, text, took_s))

    def _ask_gates(self) -> Json:
        """The gates' answer; while they look, messages and the deadline are heeded."""
        while True:
            answer = self._durable.step(
                "validate", lambda: self._hands.validate(self._order, self._seq)
            )
            if "pending" not in answer:
                return answer
            try:
                self._steering.heed(0)
            except BaseException:
                self._hands.give_up(self._seq)
                raise

    def _do(self, plan: Plan) -> None:
        phase = Phase.DEPLOYING
        changed = False
        for position, step in enumerate(plan.steps):
            if position > 0:
                self._steering.heed(0)
            if plan.on_close is not None and changes_something(step):
                self._steering.mind_the_window(plan.on_close, changed)
                changed = True
            if isinstance(step, Verify) and step.percent > 0:
                phase = Phase.VERIFYING
            self._carry_out_step(position, step, phase)

    def _carry_out_step(self, position: int, step: Step, phase: Phase) -> None:
        """Begin, act, wait until it is done, end."""
        self._steering.at = position
        try:
            number = self._begin(position, step, phase)
            if number:
                self._act(step, number, position, ATTEMPTS, heeding=True)
            text, data = self._wait(position, step, heeding=True)
        except OrchestrateError as error:
            self._end(position, StepState.FAILED, error.message, {})
            raise
        self._steering.at = None
        self._end(position, StepState.DONE, text, data)

    def _begin(self, position: int, step: Step, phase: Phase | None) -> int:
        writes = changes_something(step) and not (isinstance(step, Stop) and step.after_s > 0)
        return self._record("begin", lambda s: journal.begin(s, self._seq, position, phase, writes))

    def _act(
        self, step: Step, number: int, position: int, attempts: int, heeding: bool = False
    ) -> None:
        """Send the write, again after a temporary failure: its key and number stay the same."""
        key = f"d{self._seq}/{position}/{step.kind}"
        pause = FIRST_PAUSE_S
        for attempt in range(attempts):
            answer = self._send(step, number, key)
            error = error_in(answer)
            if error is None:
                return
            if not isinstance(error, TemporaryError) or attempt == attempts - 1:
                raise error
            self._rest(error.retry_after_s or pause, heeding)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    def _rest(self, pause_s: float, heeding: bool) -> None:
        if heeding and self._durable.patched("heed between attempts"):
            self._steering.heed(pause_s)
        else:
            self._durable.receive(pause_s)

    def _send(self, step: Step, number: int, key: str) -> Json:
        if self._before is not None:
            return self._durable.step(
                "act", lambda: self._hands.act(self._order, step, number, key)
            )
        answer = self._durable.step(
            "act", lambda: self._hands.act_counting(self._order, step, number, key)
        )
        counts = answer.get("requests")
        self._before = counts if isinstance(counts, dict) else {}
        return answer

    def _wait(self, position: int, step: Step, heeding: bool) -> tuple[str, Json]:
        """Look until the step is done; between looks heed messages and the deadline."""
        memory: Json = {"evidence": self._evidence} if isinstance(step, Analyse) else {}
        said = ""
        unanswered = 0
        while True:
            answer = self._look(step, memory)
            error = error_in(answer)
            if "memory" in answer:
                memory = whole(memory, object_in(answer["memory"]))
            text = str(answer.get("text"))
            data = with_evidence(object_in(answer.get("data")), memory)
            if isinstance(error, NoDataError | TemporaryError):
                # Neither pass nor fail: it is asked again, until the deadline.
                unanswered += 1
                if not heeding and unanswered >= MOST_UNANSWERED:
                    raise error
                text, data = error.message, {}
                answer = {"done": False, "again_s": error.retry_after_s or 1.0}
            elif error is not None:
                if data:
                    self._record("note", noter(self._seq, position, text, data))
                raise error
            if isinstance(step, Analyse):
                self._evidence = object_in(memory.get("evidence"))
            if answer["done"]:
                return text, data
            if isinstance(step, Analyse | Bake) and self._steering.promotes(position):
                return f"promoted: {text}", data
            if text != said:
                said = text
                self._record("note", noter(self._seq, position, text, data))
            if isinstance(step, Verify) and self._steering.promotes(position):
                memory = {**memory, "promoted": True}
            again = answer["again_s"]
            pause = float(again) if isinstance(again, int | float) else 0.5
            if heeding:
                self._heed(pause, text)
            else:
                self._durable.receive(pause)

    def _heed(self, pause_s: float, text: str) -> None:
        """Take messages while a step is waited for. One that runs out of time says what for."""
        try:
            self._steering.heed(pause_s)
        except DeadlineExceeded as late:
            late.why = (f"it was waiting: {text}", *late.why)
            raise

    def _look(self, step: Step, memory: Json) -> Json:
        return self._durable.step("look", lambda: self._hands.look(self._order, step, memory))

    # -- backward

    def _take_back(self, error: OrchestrateError) -> str:
        """Undo what was begun, last first, and end."""
        if self._serves_all_the_same(error):
            return self._keep(error)
        cancelled = isinstance(error, Cancelled)
        positions = self._record(
            "undo", lambda s: journal.begin_undo(s, self._seq, error.message, cancelled)
        )
        if not positions:
            return self._close(Phase.CANCELLED if cancelled else Phase.FAILED, error)
        try:
            for position in positions:
                self._undo_step(position)
        except OrchestrateError as second:
            return self._close(Phase.ROLLBACK_FAILED, both(error, second))
        except Exception as second:
            log.exception("undoing deployment d%s broke off", self._seq)
            return self._close(Phase.ROLLBACK_FAILED, both(error, unexpected(second)))
        return self._close(Phase.ROLLED_BACK, error)

    def _serves_all_the_same(self, error: OrchestrateError) -> bool:
        """Whether it has arrived, and what it left must not come back for what failed then. Decided
        by the traffic that is observed."""
        if isinstance(error, TAKEN_BACK_ANYWAY):
            return False
        if self._durable.patched("kept once arrived"):
            may_stay = self._record("may stay", lambda s: journal.may_stay(s, self._seq))
        else:
            rollback = self._order.plan.get("kind") == Kind.ROLLBACK.value
            may_stay = rollback and isinstance(error, VerificationFailed)
        return may_stay and self._observe().get("arrived") is True

    def _keep(self, error: OrchestrateError) -> str:
        """End one that serves and did not end well, loudly."""
        self._record("keep", lambda s: journal.give_up(s, self._seq, error.message))
        plan = Plan.model_validate(self._order.plan)
        return self._close(Phase.ROLLBACK_FAILED, as_kept(error, plan), kept=True)

    def _undo_step(self, position: int) -> None:
        """One undo step; a failure is tried again a few times, since what serves depends on it."""
        step = self._recorded_step(position)
        number = self._begin(position, step, None)
        pause = FIRST_PAUSE_S
        for attempt in range(ATTEMPTS):
            try:
                if number:
                    self._act(step, number, position, UNDO_ATTEMPTS)
                text, data = self._wait(position, step, heeding=False)
                self._end(position, StepState.DONE, text, data)
                return
            except OrchestrateError as error:
                lasting = isinstance(error, FencedOut | TemporaryError)
                if attempt == ATTEMPTS - 1 or lasting:
                    self._end(position, StepState.FAILED, error.message, {})
                    raise
            self._durable.receive(pause)
            pause *= 2

    def _recorded_step(self, position: int) -> Step:
        body = self._record("recorded", lambda s: journal.step_body(s, self._seq, position))
        step: Step = TypeAdapter(Step).validate_python(body)
        return step

    # -- the end

    def _close(
        self,
        phase: Phase,
        error: OrchestrateError | None,
        moved_on: bool = False,
        kept: bool = False,
    ) -> str:
        seen = self._observe()
        if phase is Phase.ROLLED_BACK and error is not None:
            wrong = not_back(seen)
            phase, error = (Phase.ROLLBACK_FAILED, both(error, wrong)) if wrong else (phase, error)
        after = self._durable.step("count", lambda: self._hands.count(self._order))
        serving = seen.get("serving")
        outcome = Outcome(
            phase=phase.value,
            result=error.code if error else None,
            error=TypeAdapter(Json).validate_python(error.as_dict()) if error else None,
            serving=serving if isinstance(serving, dict) else None,
            requests=requests_during(self._order, self._before, after),
            quarantine=self._is_at_fault(error) and not moved_on and not kept,
            kept=kept,
        )
        return self._record("close", lambda s: journal.close(s, self._seq, outcome))

    def _is_at_fault(self, error: OrchestrateError | None) -> bool:
        """Whether it is the release that failed. What was verified here before is not a release."""
        plan = Plan.model_validate(self._order.plan)
        is_release = plan.kind is Kind.DEPLOY and plan.to_digest != plan.from_digest
        return is_release and isinstance(error, RELEASE_AT_FAULT)

    def _observe(self) -> Json:
        """What serves now. A provider that is away may come back."""
        for _ in range(MOST_UNANSWERED):
            seen = self._durable.step("observe", lambda: self._hands.observe(self._order))
            if seen:
                return seen
            self._durable.receive(1.0)
        return {}

    def _end(self, position: int, state: StepState, text: str, data: Json) -> None:
        self._record("end", lambda s: journal.end(s, self._seq, position, state, text, data))

    def _record(self, name: str, write: Callable[[Session], T]) -> T:
        answer = self._durable.record(name, write)
        self._hands.changed(self._seq)
        return answer


class _Turn:
    """What a run lends while it waits for people."""

    def __init__(self, run: Run) -> None:
        self.seq = run._seq
        self.record = run._record
        self.receive = run._durable.receive
        self.obey = run._steering.obey
        self._run = run

    def check_again(self) -> Json:
        run = self._run
        if run._order.plan.get("kind") == Kind.DEPLOY.value:
            run._steering.timed = False  # what people took is not the deployment's
            try:
                run._validate()
            finally:
                run._steering.timed = True
        return run._durable.step("plan", lambda: run._hands.plan_again(run._seq))
