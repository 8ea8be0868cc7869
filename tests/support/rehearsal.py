"""A deployment's workflow on a platform in memory: no process, no wait, and a clock of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import JsonValue, TypeAdapter

from orchestrate.core.deployment import Kind
from orchestrate.core.environment import StrategyName
from orchestrate.core.errors import OrchestrateError
from orchestrate.core.plan import Plan, make_plan, step_keys
from orchestrate.core.protocols import Capabilities, LiveState
from orchestrate.core.steps import Step
from orchestrate.engine import journal
from orchestrate.engine.durable import Durable
from orchestrate.engine.executors.traffic import serving
from orchestrate.engine.journal import Order
from orchestrate.engine.returning import elsewhere
from orchestrate.engine.workflow import Run
from orchestrate.store import deployments, environments, revisions
from orchestrate.store.database import Session, Store
from orchestrate.store.tables import DeploymentRow, now
from tests.support.records import environment, revision
from tests.support.simulator import Platform

Json = dict[str, JsonValue]
T = TypeVar("T")
ABLE = Capabilities(strategies=frozenset(StrategyName), counts_requests=True)


class Undurable(Durable):
    """Steps run, rows are written, and nothing is journalled: for runs that nobody kills."""

    def __init__(self, store: Store, messages: list[Json]) -> None:
        self._own = store
        self._messages = messages

    def step(self, name: str, act: Callable[[], T]) -> T:
        return act()

    def record(self, name: str, write: Callable[[Session], T]) -> T:
        with self._own.session() as session:
            return write(session)

    def patched(self, change: str) -> bool:
        return True

    def receive(self, timeout_s: float) -> Json | None:
        return self._messages.pop(0) if self._messages else None


@dataclass
class Script:
    """What goes wrong, by the step's key."""

    act: dict[str, list[OrchestrateError]] = field(default_factory=dict)
    """Errors of a write, one after the other; then it works."""
    after: dict[str, OrchestrateError] = field(default_factory=dict)
    """The write was carried out, and its answer is this error."""
    look: dict[str, OrchestrateError] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    """Looks at a step, such as `analyse-10`, that find it not done yet."""
    says: dict[str, Json] = field(default_factory=dict)
    """What somebody says just when a step is looked at first: a message."""
    looked: list[str] = field(default_factory=list)
    """The steps that were looked at, in order."""
    late: set[str] = field(default_factory=set)
    """Steps at whose first look the time is up."""
    ignored: set[str] = field(default_factory=set)
    """Writes that the platform accepts and does not carry out."""
    clock: float = 0.0
    """Seconds to the deadline that have passed already, once the first step is done."""


@dataclass
class ScriptedHands:
    """Effects on a platform in memory."""

    store: Store
    platform: Platform
    script: Script
    keys: dict[int, str] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    """Writes that were carried out, in order."""
    messages: list[Json] = field(default_factory=list)

    def order(self, seq: int) -> Order:
        with self.store.session() as session:
            return journal.order_of(session, seq)

    def validate(self, order: Order, seq: int) -> Json:
        return {"text": "checks passed", "took_s": 0.0}

    def give_up(self, seq: int) -> None:
        pass

    def window(self, order: Order, seq: int) -> Json:
        return {"now": self.now(), "closed": None}

    def act_counting(self, order: Order, step: Step, number: int, key: str) -> Json:
        return {**self.act(order, step, number, key), "requests": {}}

    def act(self, order: Order, step: Step, number: int, key: str) -> Json:
        name = self._name(key)
        waiting = self.script.act.get(name)
        if waiting:
            return _error(waiting.pop(0))
        if name not in self.script.ignored:
            self.platform.apply(step)
        self.done.append(name)
        after = self.script.after.pop(name, None)
        return _error(after) if after else {}

    def look(self, order: Order, step: Step, memory: Json) -> Json:
        percent = getattr(step, "percent", None)
        name = step.kind if percent is None else f"{step.kind}-{percent}"
        self.script.looked.append(name)
        if name in self.script.says:
            self.messages.append(self.script.says.pop(name))
        if name in self.script.late:
            self.script.clock = 3600.0
        if self.script.held.get(name, 0) > 0:
            self.script.held[name] -= 1
            return {"done": False, "text": "hold", "memory": {}, "data": {}, "again_s": 0.1}
        error = self.script.look.get(name)
        if error is not None:
            return {**_error(error), "text": error.message, "data": {}}
        if step.kind in ("await_healthy", "drain") and step.kind not in self.script.ignored:
            self.platform.apply(step)
        return {"done": True, "text": "done", "memory": {}, "data": {}, "again_s": 0.1}

    def observe(self, order: Order) -> Json:
        seen: LiveState = self.platform.observe()
        plan = Plan.model_validate(order.plan)
        arrived = plan.new is not None and seen.percent(plan.new.key) == 100
        answer: Json = {"serving": serving(seen), "arrived": arrived}
        wrong = elsewhere(seen, plan)
        return {**answer, "elsewhere": _error(wrong)["error"]} if wrong else answer

    def count(self, order: Order) -> Json:
        return {}

    def now(self) -> float:
        return now().timestamp() + self.script.clock

    def changed(self, seq: int) -> None:
        pass

    def _name(self, key: str) -> str:
        """`d1/3/route` as the step's own key: `route-50`, `undo-route-100`."""
        return self.keys[int(key.split("/")[1])]


class _Keys(dict[int, str]):
    """Step keys by position, read when they are asked for: undo steps are recorded late."""

    def __init__(self, store: Store, seq: int) -> None:
        super().__init__()
        self._of = (store, seq)

    def __missing__(self, position: int) -> str:
        store, seq = self._of
        with store.session() as session:
            return deployments.step_at(session, seq, position).key


@dataclass
class Rehearsal:
    """An environment in memory, in which deployments are carried out one after the other."""

    store: Store
    environment_id: int
    platform: Platform

    def run(
        self,
        version: str,
        strategy: StrategyName,
        script: Script | None = None,
        kind: Kind = Kind.DEPLOY,
        messages: list[Json] | None = None,
        **settings: object,
    ) -> DeploymentRow:
        """Carry a deployment out to its end; its record."""
        seq = self._record(version, strategy, kind, settings)
        queue = list(messages or [])
        keys = _Keys(self.store, seq)
        hands = ScriptedHands(self.store, self.platform, script or Script(), keys, messages=queue)
        Run(Undurable(self.store, queue), hands, seq).carry_out()
        with self.store.session() as session:
            return deployments.get(session, seq)

    def serves(self) -> dict[str, int]:
        """Percent by version."""
        return {share.revision.version: share.percent for share in self.platform.shares}

    def runs(self) -> dict[str, int]:
        """Replicas by version."""
        refs = self.platform.refs
        return {refs[key].version: n for key, n in self.platform.running.items() if n}

    def live(self) -> str | None:
        """As recorded."""
        with self.store.session() as session:
            found = revisions.live(session, environments.get(session, self.environment_id))
            return found.version if found else None

    def steps(self, seq: int) -> dict[str, str]:
        with self.store.session() as session:
            return {row.key: row.state for row in deployments.steps(session, seq)}

    def state(self, version: str) -> str:
        """Of the revision: verified, quarantined, left, new."""
        with self.store.session() as session:
            row = environments.get(session, self.environment_id)
            found = revisions.newest_of_version(session, row, version)
            assert found is not None
            return found.state

    def _record(
        self, version: str, strategy: StrategyName, kind: Kind, settings: Mapping[str, object]
    ) -> int:
        with self.store.session() as session:
            row = environments.get(session, self.environment_id)
            place = environments.as_environment(row)
            changed = place.strategy.model_copy(update={"type": strategy, **settings})
            place = place.model_copy(update={"strategy": changed})
            target, live = revision(version, place), revisions.live(session, row)
            to = revisions.record(session, row, target, 2)
            plan = make_plan(
                place,
                kind=kind,
                target=target,
                live=revisions.as_revision(live) if live else None,
                observed=self.platform.observe(),
                capabilities=ABLE,
                replicas=2,
                live_replicas=2,
                strategy=strategy,
            )
            self.platform.gap_allowed = strategy is StrategyName.RECREATE
            made = DeploymentRow(
                environment_id=self.environment_id,
                kind=kind.value,
                strategy=strategy.value,
                plan_digest=plan.digest,
                plan=plan.model_dump(mode="json"),
                from_revision_id=row.live_revision_id,
                to_revision_id=to.id or 0,
                actor="lee",
                timeout_s=60,
                taken_at=now(),
                undoes=row.live_deployment if kind is Kind.ROLLBACK else None,
            )
            return deployments.add(session, made, step_keys(plan.steps), plan.steps, "a rehearsal")


@contextmanager
def rehearsal(directory: Path) -> Iterator[Rehearsal]:
    """One with nothing deployed."""
    store = Store(f"sqlite:///{directory / 'store.db'}")
    store.migrate()
    with store.session() as session:
        place = environments.put(session, environment()).id or 0
    yield Rehearsal(store, place, Platform())
    store.close()


def _error(error: OrchestrateError) -> Json:
    return {"error": TypeAdapter(JsonValue).validate_python(error.as_dict())}
