"""What strategies are given: the two revisions of a change, and the moves they have in common."""

from orchestrate.core.environment import HealthGate, Strategy
from orchestrate.core.model import Model
from orchestrate.core.revision import Ref
from orchestrate.core.steps import (
    AwaitHealthy,
    Bake,
    Drain,
    Route,
    Share,
    Start,
    Step,
    Stop,
    Verify,
)


class Change(Model):
    """From `old` to `new`. `old` is None at a first deployment, and when `new` is live already and
    only completed."""

    new: Ref
    new_replicas: int
    new_runs: bool = False
    """The new revision was kept running and only needs the traffic."""
    new_is_live: bool = False
    """The new revision serves already: undoing the change must not take it away."""
    old: Ref | None
    old_replicas: int = 0
    leftovers: tuple[Ref, ...] = ()
    """Other revisions that still run here; they make room once the change has succeeded."""
    settings: Strategy
    health: HealthGate
    native_rolling: bool = False
    verify_before: bool = False
    """There is something to ask of the new revision before it gets traffic."""
    native_how: str | None = None
    native_s: float = 0.0
    """Time the platform spends by itself, such as for baking."""

    def bring_up(self) -> tuple[Step, ...]:
        """Start the new revision beside what runs and wait until it is healthy."""
        healthy = AwaitHealthy(
            revision=self.new, replicas=self.new_replicas, within_s=self.health.start_timeout_s
        )
        if self.new_runs:
            return (healthy,)
        take_away: tuple[Step, ...] = ()
        if not self.new_is_live:
            take_away = (self.drain(self.new), Stop(revision=self.new))
        return (
            Start(revision=self.new, replicas=self.new_replicas, undo=take_away),
            healthy,
        )

    def as_before(self) -> Route:
        """All traffic where it was before the change."""
        before = self.new if self.new_is_live else self.old
        return Route(shares=(Share(revision=before, percent=100),) if before else ())

    def route(self, percent: int) -> Route:
        """`percent` to the new revision, the rest to the old one, which is also the fallback."""
        if self.old is None:
            shares: tuple[Share, ...] = (Share(revision=self.new, percent=100),)
        elif percent == 100:
            shares = (Share(revision=self.new, percent=100),)
        else:
            shares = (
                Share(revision=self.old, percent=100 - percent),
                Share(revision=self.new, percent=percent),
            )
        return Route(shares=shares, fallback=self.old, undo=(self.as_before(),))

    def bake(self) -> tuple[Step, ...]:
        """Watch the new revision at full traffic, where the settings ask for it."""
        if self.settings.bake_s == 0:
            return ()
        return (
            Bake(
                revision=self.new,
                baseline=self.old,
                for_s=self.settings.bake_s,
                policy=self.settings.analyse,
            ),
        )

    def verify(self, percent: int = 100) -> Verify:
        return Verify(revision=self.new, replicas=self.new_replicas, percent=percent)

    def verify_first(self) -> tuple[Step, ...]:
        """Ask the new revision before it gets traffic, where the settings have questions."""
        return (self.verify(percent=0),) if self.verify_before else ()

    def retire_old(self) -> tuple[Step, ...]:
        """Let the old revision go: later when the settings keep it for a rollback, else now."""
        if self.old is None:
            return ()
        if self.settings.keep_old_s > 0:
            return (Stop(revision=self.old, after_s=self.settings.keep_old_s),)
        return self.stop_old()

    def stop_old(self) -> tuple[Step, ...]:
        """Take the old revision out of the traffic entirely, drain it and stop it."""
        if self.old is None:
            return ()
        alone = Route(
            shares=(Share(revision=self.new, percent=100),),
            undo=(self.route(100).model_copy(update={"undo": ()}),),
        )
        return (alone, self.drain(self.old), Stop(revision=self.old, undo=self.old_again()))

    def old_again(self) -> tuple[Step, ...]:
        """Start the old revision once more and wait until it is healthy."""
        if self.old is None:
            return ()
        return (
            Start(revision=self.old, replicas=self.old_replicas),
            AwaitHealthy(
                revision=self.old,
                replicas=self.old_replicas,
                within_s=self.health.start_timeout_s,
            ),
        )

    def make_room(self) -> tuple[Step, ...]:
        """Stop the revisions that are neither the new nor the old one."""
        return tuple(Stop(revision=ref) for ref in self.leftovers)

    def drain(self, revision: Ref, beyond: int = 0) -> Drain:
        return Drain(revision=revision, beyond=beyond, within_s=self.settings.drain_s)
