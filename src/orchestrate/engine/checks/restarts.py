"""Do its replicas stay up: how often was each started again, whatever it says of itself now?"""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from orchestrate.engine.checks.observed import Found, Memory, Observed, failed, passed

NAME = "restarts"
FIX = "find out why it ends: orchestrate deploy logs"


def check(subject: Observed, memory: Memory) -> Found:
    """Fails when a replica was started again more often than `verify.restarts`.

    Of a revision that this deployment started, every restart counts; of one that has been running
    for long, those since this was asked first.
    """
    now = {str(r.number): r.restarts for r in subject.seen.replicas(subject.ref.key)}
    before = _before(subject, memory, now)
    more = {number: count - before.get(number, 0) for number, count in now.items()}
    most = subject.revision.verify.restarts
    bad = {number: count for number, count in more.items() if count > most}
    numbers: dict[str, JsonValue] = {
        "restarts": dict[str, JsonValue](more),
        "ever": dict[str, JsonValue](now),
    }
    if bad:
        said = "; ".join(_said(subject, int(number), count) for number, count in bad.items())
        return failed(NAME, said, FIX, **numbers)
    total = sum(more.values())
    text = "no replica was restarted" if total == 0 else f"{total} restarts, at most {most} each"
    return passed(NAME, text, **numbers)


def begun(results: Sequence[Mapping[str, JsonValue]]) -> Memory:
    """What the first of these checks saw, for the one that asks again at the end."""
    first = next((each for each in results if each.get("name") == NAME), {})
    seen = first.get("evidence")
    return {"restarts": seen.get("ever")} if isinstance(seen, dict) else {}


def _before(subject: Observed, memory: Memory, now: dict[str, int]) -> dict[str, int]:
    if subject.fresh:
        return {}
    known = memory.get("restarts")
    if not isinstance(known, dict):
        return now
    return {number: count for number, count in known.items() if isinstance(count, int)}


def _said(subject: Observed, number: int, count: int) -> str:
    found = subject.seen.replicas(subject.ref.key)
    replica = next(r for r in found if r.number == number)
    how = "" if replica.exit_code is None else f", last with exit code {replica.exit_code}"
    why = f": {replica.reason}" if replica.reason else ""
    return f"replica {number} was restarted {count} times{how}{why}"
