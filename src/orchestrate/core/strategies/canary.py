"""Canary: the new revision gets a growing part of the traffic, judged at each part."""

from orchestrate.core.change import Change
from orchestrate.core.steps import Analyse, Step


def steps(change: Change) -> tuple[Step, ...]:
    """Start beside; verify before traffic where there is something to ask; route and analyse at
    each weight; bake, verify, let the old one go."""
    return (
        *change.bring_up(),
        *change.verify_first(),
        *_weights(change),
        *change.bake(),
        change.verify(),
        *change.retire_old(),
        *change.make_room(),
    )


def _weights(change: Change) -> tuple[Step, ...]:
    if change.old is None:
        return (change.route(100),)
    found: list[Step] = []
    for percent in change.settings.steps:
        found.append(change.route(percent))
        if percent < 100:
            found.append(
                Analyse(
                    revision=change.new,
                    baseline=change.old,
                    percent=percent,
                    policy=change.settings.analyse,
                )
            )
    return tuple(found)
