"""The words people read, one for every door: titles, summaries, ages, durations, numbers.

Everything works on the documents as JSON (mappings) or on plain values, needs no third-party
package, and asks neither the clock nor the time zone: moments arrive in the zone they are shown in.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from orchestrate.core.durations import spoken

Json = Mapping[str, object]


class Glyph(NamedTuple):
    """A sign before a word: in UTF-8, in ASCII, and its colour (good, busy, wants, bad, quiet)."""

    mark: str
    ascii: str
    tone: str


GOOD = Glyph("✓", "ok", "good")
BUSY = Glyph("▸", ">", "busy")
WANTS = Glyph("!", "!", "wants")
BAD = Glyph("✗", "FAIL", "bad")
UNDONE = Glyph("↩", "undo", "bad")
WAITING = Glyph("◌", ".", "quiet")
QUIET = Glyph("-", "skip", "quiet")
UNKNOWN = Glyph("?", "?", "wants")

PHASES: Mapping[str, Glyph] = {
    "pending": WAITING,
    "validating": BUSY,
    "awaiting_approval": WANTS,
    "deploying": BUSY,
    "verifying": BUSY,
    "succeeded": GOOD,
    "cancelling": UNDONE,
    "cancelled": QUIET,
    "rolling_back": UNDONE,
    "rolled_back": UNDONE,
    "rollback_failed": BAD,
    "failed": BAD,
    "rejected": QUIET,
    "expired": QUIET,
}
STEPS: Mapping[str, Glyph] = {
    "waiting": WAITING,
    "running": BUSY,
    "done": GOOD,
    "failed": BAD,
    "undone": UNDONE,
    "skipped": QUIET,
}
CHECKS: Mapping[str, Glyph] = {"pass": GOOD, "fail": BAD, "error": UNKNOWN, "skipped": QUIET}
HEALTH: Mapping[str, Glyph] = {"healthy": GOOD, "degraded": BAD, "down": BAD, "unknown": UNKNOWN}

ENDED = frozenset(
    {
        "succeeded",
        "cancelled",
        "rolled_back",
        "rollback_failed",
        "failed",
        "rejected",
        "expired",
    }
)
"""Phases after which nothing more happens."""

_BECAUSE: Mapping[str, str] = {
    "analysis_abort": "was refused",
    "no_verdict": "got no verdict in time",
    "unhealthy": "did not become healthy",
    "exited": "ended before it was healthy",
    "verification_failed": "did not pass verification",
    "migration_failed": "could not migrate the database",
    "deadline": "ran out of time",
    "cancelled": "was cancelled",
    "port_taken": "found its port taken",
    "artifact_missing": "has no artifact",
    "artifact_invalid": "has an artifact that cannot be used",
}


def word(value: str) -> str:
    """A state as it is read: `rolled_back` is `rolled back`."""
    return value.replace("_", " ")


def change(before: str | None, after: str) -> str:
    """`1.4.1 -> 1.4.2`; a first deployment has only the second half."""
    return f"{before} -> {after}" if before else after


def actor(who: object) -> str:
    """`lee`, `claude for lee`."""
    if not isinstance(who, Mapping):
        return "-"
    behalf = who.get("on_behalf_of")
    return f"{who.get('actor')} for {behalf}" if behalf else str(who.get("actor"))


def too_few(approvers: int, needs: int, roles: Sequence[str]) -> str | None:
    """That a request cannot be met by the people there are, and what changes that; None when it
    can."""
    if approvers >= needs:
        return None
    who = "nobody else holds" if not approvers else f"only {approvers} of {needs} others hold"
    grant = f"orchestrate auth grant PERSON --role {roles[0]}"
    return f"{who} the role {' or '.join(roles)} here; an admin gives it: {grant}"


def step_title(step: Json) -> str:
    """What a step of a plan does: `start 1.4.2, 3 replicas`, `route 10%`, `keep 1.4.1 for 24h`.

    `step` is the step's JSON, as `core.steps` dumps it.
    """
    kind = str(step.get("kind"))
    version = _version(step.get("revision"))
    match kind:
        case "start":
            return f"start {version}, {replicas(_whole(step.get('replicas')))}"
        case "await_healthy":
            return f"wait until {version} is healthy"
        case "route":
            return _route(step)
        case "switch":
            return f"switch to {_version(step.get('to'))}"
        case "analyse":
            return f"analyse at {step.get('percent')}%"
        case "bake":
            return f"bake {length(_number(step.get('for_s')))}"
        case "drain":
            return f"drain {version}"
        case "stop":
            return _stop(step, version)
        case "roll":
            how = f", {step['how']}" if step.get("how") else ""
            return f"roll to {version}, {replicas(_whole(step.get('replicas')))}{how}"
        case "migrate":
            return f"migrate {step.get('name')} ({step.get('phase')})"
        case "verify":
            return "verify" if step.get("percent") == 100 else "verify before traffic"
        case _:
            return word(kind)


def deployment_summary(
    *,
    kind: str,
    phase: str,
    environment: str,
    from_version: str | None,
    to_version: str,
    serving: str | None,
    result: str | None,
    step: str | None = None,
) -> str:
    """One sentence, the same through every door: `production serves 1.4.2, was 1.4.1`.

    `serving` is the version observed, None when nothing was; `result` the error code it ended
    with; `step` the title of the running step.
    """
    at = f": {step}" if step else ""
    before = serving or from_version
    serves = f"{environment} serves {before or 'nothing'}"
    still = f"{environment} still serves {before or 'nothing'}"
    fate = f"{_what(kind, to_version)} {_BECAUSE.get(result or '', 'was taken back')}"
    match phase:
        case "pending":
            return f"{to_version} waits for its turn in {environment}"
        case "validating":
            return f"validating {to_version} for {environment}{at}"
        case "awaiting_approval":
            return f"awaiting approval: {environment} {change(from_version, to_version)}"
        case "deploying":
            doing = "rolling back to" if kind == "rollback" else "deploying"
            return f"{doing} {to_version}{at}"
        case "verifying":
            return f"verifying {to_version}{at}"
        case "cancelling":
            return f"cancelling {_what(kind, to_version)}{at}"
        case "rolling_back":
            return f"taking {_what(kind, to_version)} back{at}"
        case "succeeded":
            return _succeeded(kind, environment, from_version, to_version)
        case "rolled_back":
            return f"{serves}, {fate}"
        case "rollback_failed":
            known = f"{environment} serves {serving}" if serving else ""
            seen = known or f"what {environment} serves is not known"
            # Serving, it may have been kept on purpose; why is in its error.
            fate = "was not" if serving == to_version else "could not be"
            return f"{seen}, {_what(kind, to_version)} {fate} taken back: a person must look"
        case "cancelled":
            return f"{still}, {_what(kind, to_version)} was cancelled"
        case "rejected":
            return f"{still}, {_what(kind, to_version)} was rejected"
        case "expired":
            return f"{still}, nobody approved {_what(kind, to_version)} in time"
        case "failed":
            reason = _BECAUSE.get(result or "", "was not deployed")
            return f"{still}, {_what(kind, to_version)} {reason}"
        case _:
            return f"{environment} {change(from_version, to_version)}: {word(phase)}"


def replicas(number: int) -> str:
    """`1 replica`, `3 replicas`."""
    return counted(number, "replica")


def counted(number: int, what: str) -> str:
    """`1 check`, `12 checks`, `16,250 requests`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def length(duration_s: float) -> str:
    """A duration someone chose: `10m`, `24h`, `1h 30m`, `45s`; nothing that is zero is said."""
    total = round(duration_s)
    if total != duration_s and duration_s < 10:
        return f"{duration_s:g}s"
    if 86400 < total and total % 86400 == 0:
        return f"{total // 86400}d"
    parts = ((total // 3600, "h"), (total % 3600 // 60, "m"), (total % 60, "s"))
    return " ".join(f"{n}{unit}" for n, unit in parts if n) or "0s"


def took(duration_s: object) -> str:
    """A measured duration, `-` when there is none: `38ms`, `8s`, `4m 10s`."""
    return spoken(float(duration_s)) if isinstance(duration_s, int | float) else "-"


def age(moment: datetime, now: datetime) -> str:
    """How long ago: `12s`, `4m`, `2h 14m`, `6d`."""
    total = max(int((now - moment).total_seconds()), 0)
    if total < 60:
        return f"{total}s"
    if total < 3600:
        return f"{total // 60}m"
    if total < 86400:
        minutes = total % 3600 // 60
        return f"{total // 3600}h {minutes}m" if minutes else f"{total // 3600}h"
    return f"{total // 86400}d"


def day(moment: datetime, now: datetime) -> str:
    """`today 14:36`, `Fri 20 Nov 09:12`, with the year when it is another one."""
    if moment.date() == now.date():
        return f"today {moment:%H:%M}"
    if moment.year == now.year:
        return f"{moment:%a} {moment.day} {moment:%b %H:%M}"
    return f"{moment.day} {moment:%b %Y %H:%M}"


def share(failed: int, total: int) -> str:
    """`0.38% of 16,250`, `no data` where nothing was counted."""
    return f"{100 * failed / total:.2f}% of {total:,}" if total else "no data"


def _route(step: Json) -> str:
    given = step.get("shares")
    shares = [s for s in given if isinstance(s, Mapping)] if isinstance(given, list | tuple) else []
    if not shares:
        return "route 0%"
    last = shares[-1]
    if last.get("percent") == 100 and not step.get("fallback"):
        return f"route all to {_version(last.get('revision'))}"
    return f"route {last.get('percent')}%"


def _stop(step: Json, version: str) -> str:
    after_s, keep = _number(step.get("after_s")), _whole(step.get("keep"))
    if after_s > 0:
        return f"keep {version} for {length(after_s)}"
    return f"stop {version} down to {replicas(keep)}" if keep else f"stop {version}"


def _succeeded(kind: str, environment: str, before: str | None, after: str) -> str:
    if kind == "rollback":
        return f"{environment} serves {after} again"
    if kind == "retire":
        return f"{environment} serves {after}, what was kept for a rollback is stopped"
    if before == after:
        return f"{environment} serves {after}, with changed settings"
    return (
        f"{environment} serves {after}, was {before}" if before else f"{environment} serves {after}"
    )


def _what(kind: str, version: str) -> str:
    return f"the rollback to {version}" if kind == "rollback" else version


def _version(revision: object) -> str:
    return str(revision.get("version")) if isinstance(revision, Mapping) else "-"


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _whole(value: object) -> int:
    return int(_number(value))
