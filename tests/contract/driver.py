"""Carries out a plan's steps on a platform as the engine does: act, look until done, undo."""

from __future__ import annotations

import time
from collections.abc import Sequence

from pydantic import JsonValue

from orchestrate.core.deployment import Kind
from orchestrate.core.environment import (
    Environment,
    EnvironmentType,
    HealthGate,
    Strategy,
    StrategyName,
)
from orchestrate.core.plan import Plan, make_plan
from orchestrate.core.revision import Revision
from orchestrate.core.steps import Analyse, Step, changes_something, undo_of
from orchestrate.engine.executors import executor
from orchestrate.engine.executors.look import Scene, watched
from tests.support.platform import Platform

WITHIN_S = 60.0
GATE = HealthGate(interval_s=0.05, healthy_after=1, start_timeout_s=60)
State = tuple[frozenset[tuple[str, int, int]], frozenset[tuple[str, int]]]


class Driver:
    """Plans from `old` to `new` on a platform. Analyse steps are taken as promoted by a person."""

    def __init__(self, platform: Platform, old: Revision | None, new: Revision) -> None:
        self.platform, self.old, self.new = platform, old, new
        known = {each.key: each for each in (old, new) if each is not None}
        self.scene = Scene(platform.provider, lambda key: known[key])

    def plan(self, strategy: StrategyName, kind: Kind = Kind.DEPLOY) -> Plan:
        """The plan as the engine would make it now."""
        provider = self.platform.provider
        environment = Environment(
            app="shop",
            name="dev",
            type=EnvironmentType.DEV,
            provider=self.new.provider,
            strategy=Strategy(type=strategy, steps=(50, 100), drain_s=1),
            health=GATE,
        )
        return make_plan(
            environment,
            kind=kind,
            target=self.new,
            live=self.old,
            observed=provider.observe(),
            capabilities=provider.capabilities,
            replicas=2,
            live_replicas=2 if self.old else 0,
        )

    def carry_out(self, steps: Sequence[Step], *, cut: bool = False) -> None:
        """Each step in turn; with `cut` the last is begun and not waited for."""
        for position, step in enumerate(steps):
            self.act(step)
            if not (cut and position == len(steps) - 1):
                self.wait(step)

    def take_back(self, steps: Sequence[Step]) -> None:
        """Undo what was begun, last first."""
        self.carry_out(undo_of(tuple(steps)))

    def act(self, step: Step) -> None:
        act = executor(step).act
        if act is not None:
            act(step, self.scene, self.platform.write())

    def wait(self, step: Step) -> None:
        look = executor(step).look
        if look is None or isinstance(step, Analyse):
            return
        memory: dict[str, JsonValue] = {}
        until = time.monotonic() + WITHIN_S
        while True:
            memory = watched(memory, time.time())
            found = look(step, self.scene, memory)
            if found.error is not None:
                raise found.error
            if found.done:
                return
            assert time.monotonic() < until, f"{step.kind} was not done: {found.text}"
            clock = {name: memory[name] for name in ("watched", "last")}
            memory = {**found.memory, **clock, "again": found.again_s}
            time.sleep(min(found.again_s, 0.1))

    def state(self) -> State:
        """What runs and what serves, as it is compared before and after."""
        seen = self.platform.provider.observe()
        running = frozenset(
            (r.revision.key, r.wanted, sum(x.state == "running" for x in r.replicas))
            for r in seen.running
        )
        return running, frozenset((s.revision.key, s.percent) for s in seen.shares)


def changing(plan: Plan) -> list[int]:
    """How many steps to carry out, so that each ends with one that changes something."""
    return [at + 1 for at, step in enumerate(plan.steps) if changes_something(step)]
