"""How each kind of step is carried out: `act` sends the write, `look` asks whether it is done.

What belongs here: talking to the provider and judging what it shows. What does not: the order of
steps, undo, records, messages (the workflow), and anything durable: a look is told what the last
one remembered, and hands on what the next needs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrate.core.protocols import Write
from orchestrate.core.steps import (
    Analyse,
    AwaitHealthy,
    Bake,
    Drain,
    Migrate,
    Roll,
    Route,
    Start,
    Step,
    Stop,
    Switch,
    Verify,
)
from orchestrate.engine.executors import health, judging, migrating, traffic, verifying
from orchestrate.engine.executors.look import Look, Memory, Scene


@dataclass(frozen=True)
class Executor:
    """`act` for a step that changes something, `look` for what must be waited for."""

    act: Callable[[Step, Scene, Write], None] | None
    look: Callable[[Step, Scene, Memory], Look] | None


EXECUTORS: Mapping[type, Executor] = {
    Start: Executor(health.start, None),
    AwaitHealthy: Executor(None, health.await_healthy),
    Route: Executor(traffic.route, traffic.routed),
    Switch: Executor(traffic.switch, traffic.switched),
    Drain: Executor(None, traffic.drained),
    Stop: Executor(traffic.stop, traffic.stopped),
    Analyse: Executor(None, judging.analyse),
    Bake: Executor(None, judging.bake),
    Roll: Executor(health.roll, health.rolled),
    Migrate: Executor(migrating.migrate, migrating.migrated),
    Verify: Executor(None, verifying.verify),
}


def executor(step: Step) -> Executor:
    """The executor of a step's kind."""
    return EXECUTORS[type(step)]
