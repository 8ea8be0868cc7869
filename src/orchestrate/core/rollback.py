"""The steps of a rollback: the traffic first, everything else after."""

from orchestrate.core.change import Change
from orchestrate.core.steps import Step, Switch


def steps(change: Change) -> tuple[Step, ...]:
    """Switch back at once when the target still runs; else start it, then switch.

    `change.new` is the revision to restore. While it is being proven healthy the revision that is
    left stays the fallback, so that a target that died unseen costs no request.
    """
    switch = Switch(to=change.new, fallback=change.old, undo=(change.as_before(),))
    up = change.bring_up()
    first: tuple[Step, ...] = (switch, *up) if change.new_runs else (*up, switch)
    return (*first, change.verify(), *change.stop_old(), *change.make_room())
