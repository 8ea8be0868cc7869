"""Steps: data that names what to do and owns its undo."""

import pytest
from pydantic import TypeAdapter

from orchestrate.core.environment import AnalysePolicy
from orchestrate.core.revision import Ref
from orchestrate.core.steps import (
    Analyse,
    AwaitHealthy,
    Bake,
    Drain,
    Roll,
    Route,
    Share,
    Start,
    Step,
    Stop,
    Switch,
    Verify,
    changes_something,
    undo_of,
)

pytestmark = pytest.mark.unit

OLD, NEW = Ref(key="a" * 12, version="1.0.0"), Ref(key="b" * 12, version="1.1.0")
BACK = Route(shares=(Share(revision=OLD, percent=100),))
POLICY = AnalysePolicy()
EACH: tuple[Step, ...] = (
    Start(revision=NEW, replicas=2, undo=(Stop(revision=NEW),)),
    AwaitHealthy(revision=NEW, replicas=2, within_s=60),
    Route(shares=(Share(revision=NEW, percent=100, replicas=1),), fallback=OLD, undo=(BACK,)),
    Switch(to=NEW, fallback=OLD, undo=(BACK,)),
    Analyse(revision=NEW, baseline=OLD, percent=10, policy=POLICY),
    Bake(revision=NEW, baseline=None, for_s=5, policy=POLICY),
    Drain(revision=OLD, beyond=1, within_s=30),
    Stop(revision=OLD, keep=1, after_s=600),
    Roll(revision=NEW, replicas=2, within_s=120),
    Verify(revision=NEW, replicas=2, percent=100),
)


@pytest.mark.parametrize("step", EACH, ids=lambda step: step.kind)
def test_a_step_survives_being_written_down(step: Step) -> None:
    adapter: TypeAdapter[Step] = TypeAdapter(Step)
    assert adapter.validate_json(adapter.dump_json(step)) == step


def test_looking_and_waiting_change_nothing() -> None:
    assert [step.kind for step in EACH if not changes_something(step)] == [
        "await_healthy",
        "analyse",
        "bake",
        "drain",
        "verify",
    ]


def test_what_was_done_last_is_undone_first() -> None:
    one, two = Stop(revision=OLD), Stop(revision=NEW)
    done = (
        Start(revision=OLD, replicas=1, undo=(one,)),
        Start(revision=NEW, replicas=1, undo=(two,)),
    )
    assert undo_of(done) == (two, one)


def test_of_several_undos_of_traffic_in_a_row_only_the_last_is_done() -> None:
    first, second = Switch(to=OLD), BACK
    done = (
        Route(shares=(), undo=(first,)),
        Route(shares=(), undo=(second,)),
        Start(revision=NEW, replicas=1, undo=(Stop(revision=NEW),)),
        Route(shares=(), undo=(second,)),
    )
    assert undo_of(done) == (second, Stop(revision=NEW), first)


def test_nothing_done_is_nothing_to_undo() -> None:
    assert undo_of(()) == ()
