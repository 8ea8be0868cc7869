"""Recreate: stop the old revision, then start the new one. For dev: it has a gap."""

from orchestrate.core.change import Change
from orchestrate.core.steps import Route, Step, Stop


def steps(change: Change) -> tuple[Step, ...]:
    """Stop old, start new, healthy, route, verify."""
    return (
        *_stop_first(change),
        *change.bring_up(),
        *change.verify_first(),
        _route(change),
        change.verify(),
        *change.make_room(),
    )


def _stop_first(change: Change) -> tuple[Step, ...]:
    if change.old is None:
        return ()
    back = (*change.old_again(), change.as_before())
    return (Stop(revision=change.old, undo=back),)


def _route(change: Change) -> Route:
    """Taken back, nothing answers until the old revision runs again: it was stopped."""
    to_new = change.route(100).model_copy(update={"fallback": None})
    if change.old is None:
        return to_new
    return to_new.model_copy(update={"undo": (Route(shares=()),)})
