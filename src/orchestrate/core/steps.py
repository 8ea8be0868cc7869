"""The kinds of step a plan is made of. A step names what to do and owns its undo.

Steps are data: strategies return them, the engine carries them out, one executor a kind.
"""

from typing import Annotated, Literal

from pydantic import Field

from orchestrate.core.environment import AnalysePolicy
from orchestrate.core.migrations import MigrationPhase
from orchestrate.core.model import Model
from orchestrate.core.revision import Ref


class Share(Model):
    """A revision's part of the traffic."""

    revision: Ref
    percent: int = Field(ge=0, le=100)
    replicas: int | None = None
    """Only its first N replicas take traffic; None means all of them."""


class Base(Model):
    undo: "tuple[Step, ...]" = ()
    """What takes it back, in the order it is done. Recorded before the step begins."""


class Start(Base):
    """Have `replicas` of a revision running; no traffic is changed."""

    kind: Literal["start"] = "start"
    revision: Ref
    replicas: int


class AwaitHealthy(Base):
    """Wait until `replicas` of a revision pass the health gate."""

    kind: Literal["await_healthy"] = "await_healthy"
    revision: Ref
    replicas: int
    within_s: float


class Route(Base):
    """Divide the traffic. No shares means the environment answers nothing."""

    kind: Literal["route"] = "route"
    shares: tuple[Share, ...]
    fallback: Ref | None = None
    """Serves when no replica of the shares is healthy."""


class Switch(Base):
    """Give one revision all the traffic at once."""

    kind: Literal["switch"] = "switch"
    to: Ref
    fallback: Ref | None = None


class Analyse(Base):
    """Compare the new revision with the old at the present weight until there is a verdict."""

    kind: Literal["analyse"] = "analyse"
    revision: Ref
    baseline: Ref
    percent: int
    policy: AnalysePolicy


class Bake(Base):
    """Watch the new revision at full traffic, the old one still running as fallback."""

    kind: Literal["bake"] = "bake"
    revision: Ref
    baseline: Ref | None
    for_s: float
    policy: AnalysePolicy


class Drain(Base):
    """Wait until no request is in flight at a revision's replicas from number `beyond` on."""

    kind: Literal["drain"] = "drain"
    revision: Ref
    beyond: int = 0
    within_s: float


class Stop(Base):
    """Stop a revision's replicas from number `keep` on, gracefully; after `after_s` when given."""

    kind: Literal["stop"] = "stop"
    revision: Ref
    keep: int = 0
    after_s: float = 0.0


class Roll(Base):
    """Replace the old revision by the platform's own rolling update."""

    kind: Literal["roll"] = "roll"
    revision: Ref
    replicas: int
    within_s: float
    how: str | None = Field(default=None, exclude_if=lambda how: how is None)
    """What the platform does by itself, where that is more than one replica after another."""


class Migrate(Base):
    """Run one database migration on this machine. It has no undo: it stays."""

    kind: Literal["migrate"] = "migrate"
    name: str
    phase: MigrationPhase
    version: str
    """The version that brings it."""
    within_s: float


class Verify(Base):
    """Ask every replica, and at 100 percent the front door too, which version answers; and what
    the revision's `verify` settings ask besides."""

    kind: Literal["verify"] = "verify"
    revision: Ref
    replicas: int
    percent: int


Step = Annotated[
    Start | AwaitHealthy | Route | Switch | Analyse | Bake | Drain | Stop | Roll | Migrate | Verify,
    Field(discriminator="kind"),
]

for _model in (
    Start,
    AwaitHealthy,
    Route,
    Switch,
    Analyse,
    Bake,
    Drain,
    Stop,
    Roll,
    Migrate,
    Verify,
):
    _model.model_rebuild()


def changes_something(step: Step) -> bool:
    """Whether a step changes what runs or what is served."""
    return not isinstance(step, AwaitHealthy | Analyse | Bake | Drain | Verify)


def undo_of(done: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps that take `done` back, last done first.

    Of several undo steps that set the traffic in a row only the last counts, since each sets the
    whole of it.
    """
    steps: list[Step] = []
    for step in reversed(done):
        for undo in step.undo:
            if steps and isinstance(undo, Route | Switch) and isinstance(steps[-1], Route | Switch):
                steps.pop()
            steps.append(undo)
    return tuple(steps)


def takes(step: Step) -> float:
    """Seconds a step takes by itself at least: it watches or waits for so long."""
    match step:
        case Analyse():
            return step.policy.window_s
        case Bake():
            return step.for_s
        case _:
            return 0.0
