"""Recreate: stop the old revision, then start the new one. For dev: it has a gap."""

from orchestrate.core.change import Change
from orchestrate.core.steps import AwaitHealthy, Start, Step, Stop


def steps(change: Change) -> tuple[Step, ...]:
    """Stop old, start new, healthy, route, verify."""
    return (
        *_stop_first(change),
        Start(
            revision=change.new,
            replicas=change.new_replicas,
            undo=(Stop(revision=change.new),),
        ),
        AwaitHealthy(
            revision=change.new,
            replicas=change.new_replicas,
            within_s=change.health.start_timeout_s,
        ),
        change.route(100).model_copy(update={"fallback": None}),
        change.verify(),
        *change.make_room(),
    )


def _stop_first(change: Change) -> tuple[Step, ...]:
    if change.old is None:
        return ()
    back = (*change.old_again(), change.as_before())
    return (Stop(revision=change.old, undo=back),)
