"""Rolling: replace a few replicas at a time; old and new serve side by side meanwhile."""

from orchestrate.core.change import Change
from orchestrate.core.revision import Ref
from orchestrate.core.steps import AwaitHealthy, Roll, Route, Share, Start, Step, Stop


def steps(change: Change) -> tuple[Step, ...]:
    """Per batch: start, healthy, route in, drain, stop as many old ones; then verify.

    Where the platform rolls by itself, one Roll step leaves it to the platform.
    """
    if change.native_rolling:
        return (_roll(change), change.verify(), *change.make_room())
    if change.old is None or change.new_runs:
        return (
            *change.bring_up(),
            *change.verify_first(),
            change.route(100),
            *change.bake(),
            change.verify(),
            *change.retire_old(),
            *change.make_room(),
        )
    return (
        *_batches(change, change.old),
        *change.bake(),
        change.verify(),
        *change.make_room(),
    )


def _roll(change: Change) -> Roll:
    return Roll(
        revision=change.new,
        replicas=change.new_replicas,
        within_s=change.health.start_timeout_s * max(change.new_replicas, 1) + change.native_s,
        how=change.native_how,
        undo=_unroll(change),
    )


def _unroll(change: Change) -> tuple[Step, ...]:
    if change.new_is_live:
        return ()
    if change.old is None:
        return (change.as_before(), change.drain(change.new), Stop(revision=change.new))
    return (
        Roll(
            revision=change.old,
            replicas=change.old_replicas,
            within_s=change.health.start_timeout_s + change.native_s,
        ),
    )


def _batches(change: Change, old: Ref) -> tuple[Step, ...]:
    found: list[Step] = []
    have, left = 0, change.old_replicas
    traffic = change.as_before()
    while have < change.new_replicas or left > 0:
        more = min(have + change.settings.batch, change.new_replicas)
        fewer = max(left - change.settings.batch, 0) if more < change.new_replicas else 0
        if more > have:
            found += _grow(change, have, more)
        after = _traffic(change, old, more, fewer)
        found.append(after.model_copy(update={"undo": (traffic,)}))
        if fewer < left:
            found += _shrink(change, old, left, fewer)
        have, left, traffic = more, fewer, after
    return tuple(found)


def _grow(change: Change, have: int, more: int) -> list[Step]:
    take_away = (change.drain(change.new, beyond=have), Stop(revision=change.new, keep=have))
    return [
        Start(revision=change.new, replicas=more, undo=take_away),
        AwaitHealthy(revision=change.new, replicas=more, within_s=change.health.start_timeout_s),
    ]


def _traffic(change: Change, old: Ref, new_count: int, old_count: int) -> Route:
    """Traffic in proportion to the replicas."""
    if old_count == 0:
        return Route(shares=(Share(revision=change.new, percent=100, replicas=new_count),))
    percent = round(100 * new_count / (new_count + old_count))
    return Route(
        shares=(
            Share(revision=old, percent=100 - percent, replicas=old_count),
            Share(revision=change.new, percent=percent, replicas=new_count),
        )
    )


def _shrink(change: Change, old: Ref, left: int, fewer: int) -> list[Step]:
    again = (
        Start(revision=old, replicas=left),
        AwaitHealthy(revision=old, replicas=left, within_s=change.health.start_timeout_s),
    )
    return [change.drain(old, beyond=fewer), Stop(revision=old, keep=fewer, undo=again)]
