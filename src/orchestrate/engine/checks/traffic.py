"""Do real requests go well: errors and latency of the new revision under all the traffic?"""

import math

from orchestrate.core.chance import at_least
from orchestrate.core.errors import NoDataError, TemporaryError
from orchestrate.core.protocols import RequestCounts
from orchestrate.engine.checks.observed import (
    Found,
    Memory,
    Observed,
    failed,
    passed,
    skipped,
    unknown,
)

NAME = "requests"
BY_ACCIDENT = 0.01
"""Chance from which on an excess over a limit is taken for an accident, at the window's end."""
AT_ONCE = 0.0001
"""The same while the window is not over: there are many looks."""


def check(subject: Observed, memory: Memory) -> Found:
    """Counts what is answered during `window`; fails at once when far too much fails.

    Too few requests are no data: neither pass nor fail. It waits for more, until the deadline or a
    person's promote, or goes on without an answer where `no_data` is `skip`.
    """
    rules = subject.revision.verify.requests
    if rules is None or subject.percent == 0:
        return skipped(NAME, "not asked" if rules is None else "there is no traffic yet")
    if not subject.provider.capabilities.counts_requests:
        return unknown(NAME, "the platform counts no requests", "take verify.requests out")
    try:
        now = subject.provider.requests().get(subject.ref.key, RequestCounts())
    except (NoDataError, TemporaryError) as error:
        return _without_data(subject, memory, f"the counters cannot be read: {error.message}")
    total, bad, buckets = _since(memory, now)
    kept = memory if "total" in memory else _begin(now)
    over = subject.watched_s >= rules.window_s
    said = f"{bad} of {total} requests failed"
    chance = at_least(bad, total, rules.max_error_ratio)
    if bad > rules.max_error_ratio * total and chance < (BY_ACCIDENT if over else AT_ONCE):
        most = f"at most {100 * rules.max_error_ratio:g}% may"
        return failed(NAME, f"{said}, {most}", failed=bad, total=total)
    if not over:
        left = rules.window_s - subject.watched_s
        again_s = min(max(rules.window_s / 20, 0.2), 5.0, left)
        return Found(None, f"{said}, {left:.0f}s to go", memory=dict(kept), again_s=again_s)
    if total < rules.min_requests:
        return _without_data(subject, kept, f"{total} of {rules.min_requests} requests")
    return _latency(subject, said, bad, total, buckets)


def _latency(
    subject: Observed, said: str, bad: int, total: int, buckets: dict[float, int]
) -> Found:
    rules = subject.revision.verify.requests
    assert rules is not None
    if rules.max_latency_s is None:
        return passed(NAME, said, failed=bad, total=total)
    answered = max(buckets.values(), default=0)
    if answered == 0:
        return unknown(NAME, f"{said}; the platform counts no latency", "take max_latency out")
    limit_s, most = rules.max_latency_s, 1 - rules.quantile
    slow = _slower(buckets, limit_s)
    text = f"{said}; {slow:,} of {answered:,} took longer than {limit_s:g}s"
    if slow > most * answered and at_least(slow, answered, most) < BY_ACCIDENT:
        said = f"{text}, at most {100 * most:g}% may"
        return failed(NAME, said, failed=bad, total=total, slow=slow)
    return passed(NAME, text, failed=bad, total=total, slow=slow)


def _slower(buckets: dict[float, int], limit_s: float) -> int:
    """Answers that took longer than `limit_s`. Within a bucket of the histogram they are taken to
    be spread evenly, as Prometheus does: a limit between two bounds is neither of them."""
    answered = max(buckets.values())
    low, below = 0.0, 0
    for bound, count in sorted(buckets.items()):
        if limit_s < bound:
            part = 0.0 if math.isinf(bound) else (limit_s - low) / (bound - low)
            return math.floor(answered - below - part * (count - below))
        low, below = bound, count
    return answered - below


def _without_data(subject: Observed, memory: Memory, text: str) -> Found:
    rules = subject.revision.verify.requests
    assert rules is not None
    over = subject.watched_s >= rules.window_s
    if over and (rules.no_data == "skip" or subject.promoted):
        why = "promoted without them" if subject.promoted else "gone on without an answer"
        return skipped(NAME, f"no data: {text}; {why}")
    return Found(None, f"hold: no data: {text}", memory=dict(memory), again_s=1.0)


def _begin(now: RequestCounts) -> Memory:
    buckets = {str(bound): count for bound, count in now.latency_buckets.items()}
    return {"total": now.total, "failed": now.failed, "buckets": dict(buckets)}


def _since(memory: Memory, now: RequestCounts) -> tuple[int, int, dict[float, int]]:
    """What was counted since the first look; counters that went back began again from zero."""
    total, bad = memory.get("total", now.total), memory.get("failed", now.failed)
    known = memory.get("buckets")
    before = {float(k): v for k, v in known.items()} if isinstance(known, dict) else None
    if not isinstance(total, int) or not isinstance(bad, int) or now.total < total:
        return now.total, now.failed, dict(now.latency_buckets)
    found: dict[float, int] = {}
    for bound, count in now.latency_buckets.items():
        was = count if before is None else before.get(bound, 0)
        found[bound] = count - was if isinstance(was, int) else count
    return now.total - total, now.failed - bad, found
