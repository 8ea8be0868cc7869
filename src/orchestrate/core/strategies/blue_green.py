"""Blue-green: the new revision is brought up whole beside the old one, then takes everything."""

from orchestrate.core.change import Change
from orchestrate.core.steps import Step, Switch


def steps(change: Change) -> tuple[Step, ...]:
    """Start beside, healthy, verify before traffic, switch, bake, verify, let the old one go."""
    return (
        *change.bring_up(),
        change.verify(percent=0),
        Switch(to=change.new, fallback=change.old, undo=(change.as_before(),)),
        *change.bake(),
        change.verify(),
        *change.retire_old(),
        *change.make_room(),
    )
