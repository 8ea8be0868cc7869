"""Are the configured endpoints healthy, at every replica and at the front door: N of the last M?"""

from pydantic import JsonValue

from orchestrate.core.verification import Endpoint
from orchestrate.engine.checks.observed import Found, Memory, Observed, failed, passed, skipped
from orchestrate.engine.http import send

NAME = "endpoints"


def check(subject: Observed, memory: Memory) -> Found:
    """Each endpoint becomes healthy at `good` of its last `of` answers, and unhealthy at `bad` of
    them. One that is neither, because it flaps, is asked on, and fails after `patience_s`."""
    wanted = subject.revision.verify.endpoints
    if not wanted:
        return skipped(NAME, "none is configured")
    asked = subject.addresses()
    if not asked:
        return skipped(NAME, "the platform gives no address to ask")
    windows: dict[str, list[bool]] = {}
    last: dict[str, JsonValue] = {}
    for endpoint in wanted:
        for who, address, host in asked:
            key = f"{endpoint.path} at {who}"
            problem = _ask(endpoint, address, host)
            windows[key] = [*_window(memory, key), problem is None][-endpoint.of :]
            last[key] = problem or _last(memory, key)
    return _judge(subject, wanted, windows, last)


def _judge(
    subject: Observed,
    wanted: tuple[Endpoint, ...],
    windows: dict[str, list[bool]],
    last: dict[str, JsonValue],
) -> Found:
    """Fails when one is unhealthy, passes when all are healthy; else it goes on."""
    undecided: list[str] = []
    for endpoint in wanted:
        for key, window in windows.items():
            if not key.startswith(f"{endpoint.path} at "):
                continue
            bad = window.count(False)
            said = f"{key}: {len(window) - bad} of the last {len(window)} answers good"
            if bad >= endpoint.bad:
                return failed(NAME, f"{said}: {last[key]}", answers=_shown(windows))
            if len(window) - bad < endpoint.good:
                undecided.append(f"{said}, {endpoint.good} needed" + _because(last[key]))
    if not undecided:
        text = f"{len(windows)} healthy"
        return passed(NAME, text, answers=_shown(windows))
    # Whoever answers well needs `of` looks; whoever flaps for longer is not healthy.
    longest = subject.revision.verify.patience_s + max(e.of * e.interval_s for e in wanted)
    if subject.watched_s >= longest:
        return failed(NAME, f"{undecided[0]}, for {longest:g}s", answers=_shown(windows))
    return Found(
        None,
        undecided[0],
        memory={"windows": _shown(windows), "last": last},
        again_s=min(e.interval_s for e in wanted),
    )


def _ask(endpoint: Endpoint, address: str, host: str | None) -> str | None:
    reply = send("GET", address, endpoint.path, host=host, timeout_s=endpoint.timeout_s)
    if reply.problem or reply.status == endpoint.status:
        return reply.problem
    return f"GET {reply.url} answered {reply.status}, expected {endpoint.status}"


def _window(memory: Memory, key: str) -> list[bool]:
    windows = memory.get("windows")
    known = windows.get(key) if isinstance(windows, dict) else None
    return [mark == "+" for mark in known] if isinstance(known, str) else []


def _last(memory: Memory, key: str) -> JsonValue:
    last = memory.get("last")
    return last.get(key) if isinstance(last, dict) else None


def _shown(windows: dict[str, list[bool]]) -> dict[str, JsonValue]:
    """`++-+` by endpoint: good and bad answers, oldest first."""
    return {key: "".join("-+"[good] for good in window) for key, window in windows.items()}


def _because(problem: JsonValue) -> str:
    return f"; last {problem}" if problem else ""
