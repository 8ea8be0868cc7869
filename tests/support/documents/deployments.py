"""Deployments: running, succeeded, refused by analysis, rolled back; and what happens in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.documents.base import CLAUDE, DANA, DIGEST, Doc, changed


def step(
    key: str,
    kind: str,
    state: str,
    title: str,
    text: str | None = None,
    took_s: float | None = None,
) -> Doc:
    begun = state not in ("waiting", "skipped")
    return {
        "key": key,
        "kind": kind,
        "state": state,
        "title": title,
        "text": text,
        "started_at": "2026-11-23T13:14:00Z" if begun else None,
        "duration_s": took_s,
    }


def answer(name: str, result: str, text: str) -> Doc:
    """What was asked after the change."""
    return {
        "name": name,
        "result": result,
        "text": text,
        "fix": None,
        "percent": 100,
        "at": "2026-11-23T13:36:00Z",
        "duration_s": 0.2,
        "evidence": {},
        "untrusted_lines": [],
    }


RUNNING_STEPS = [
    step("start", "start", "done", "start 1.4.2, 3 replicas", "3 asked for", 2.0),
    step(
        "await-healthy",
        "await_healthy",
        "done",
        "wait until 1.4.2 is healthy",
        "3 of 3 healthy",
        12.0,
    ),
    step("route-10", "route", "done", "route 10%", "10% on 1.4.2, 90% on 1.4.1", 1.0),
    step(
        "analyse-10",
        "analyse",
        "done",
        "analyse at 10%",
        "promote: failed 0.39% of 15,000, limit 5%",
        300.0,
    ),
    step("route-25", "route", "done", "route 25%", "25% on 1.4.2, 75% on 1.4.1", 1.0),
    step("analyse-25", "analyse", "running", "analyse at 25%", "hold: 130s of 240s"),
    step("route-50", "route", "waiting", "route 50%"),
    step("analyse-50", "analyse", "waiting", "analyse at 50%"),
    step("route-100", "route", "waiting", "route 100%"),
    step("bake", "bake", "waiting", "bake 10m"),
    step("verify-100", "verify", "waiting", "verify"),
    step("stop", "stop", "waiting", "keep 1.4.1 for 24h"),
]

RUNNING: Doc = {
    "schema": "orchestrate.deployment.v1",
    "id": "d142",
    "kind": "deploy",
    "app": "shop",
    "environment": "production",
    "phase": "deploying",
    "terminal": False,
    "paused": False,
    "result": None,
    "summary": "deploying 1.4.2: analyse at 25%",
    "from_version": "1.4.1",
    "to_version": "1.4.2",
    "from_revision": "r86",
    "to_revision": "r87",
    "serving": {
        "version": "1.4.1",
        "observed_at": "2026-11-23T13:14:00Z",
        "weights_percent": {"1.4.1": 75, "1.4.2": 25},
    },
    "strategy": "canary",
    "plan_digest": DIGEST,
    "requested_by": CLAUDE,
    "reason": "the cart total",
    "created_at": "2026-11-23T13:08:36Z",
    "started_at": "2026-11-23T13:08:36Z",
    "ended_at": None,
    "deadline_at": "2026-11-23T14:08:36Z",
    "duration_s": 454.0,
    "approval": None,
    "steps": RUNNING_STEPS,
    "verdict": {
        "outcome": "hold",
        "metric": "errors",
        "new": {"failed": 62, "total": 16250},
        "old": {"failed": 195, "total": 48750},
        "limit_ratio": 0.05,
        "reason": "130s of 240s",
    },
    "checks": [],
    "remains": [],
    "requests": {"total": 227000, "lost": 0, "failed_by_new": 62, "seen_by_new": 16250},
    "undoes": None,
    "undone_by": None,
    "quarantined": False,
    "error": None,
    "url": "/deployments/d142",
    "next": ["orchestrate deploy status d142 --follow", "orchestrate deploy cancel d142"],
}


SUCCEEDED = changed(
    RUNNING,
    phase="succeeded",
    terminal=True,
    summary="production serves 1.4.2, was 1.4.1",
    serving={
        "version": "1.4.2",
        "observed_at": "2026-11-23T13:36:02Z",
        "weights_percent": {"1.4.2": 100},
    },
    ended_at="2026-11-23T13:36:02Z",
    duration_s=1479.0,
    steps=[
        *RUNNING_STEPS[:5],
        step(
            "analyse-25",
            "analyse",
            "done",
            "analyse at 25%",
            "promote: failed 0.38% of 31,000, limit 5%",
            260.0,
        ),
        step("route-100", "route", "done", "route 100%", "100% on 1.4.2", 1.0),
        step("bake", "bake", "done", "bake 10m", "failed 0.39% of 107,500", 600.0),
        step(
            "verify-100",
            "verify",
            "done",
            "verify",
            "3 of 3 replicas and the front door answer 1.4.2",
            12.0,
        ),
        step("stop", "stop", "done", "keep 1.4.1 for 24h", "kept for a rollback", 0.012),
    ],
    verdict={
        "outcome": "promote",
        "metric": "errors",
        "new": {"failed": 419, "total": 107500},
        "old": {"failed": 1170, "total": 292500},
        "limit_ratio": 0.05,
        "reason": "failed 0.39% of 107,500, limit 5%",
    },
    checks=[
        answer("version", "pass", "3 of 3 replicas and the front door answer 1.4.2"),
        answer("restarts", "pass", "no replica was restarted"),
        answer("smoke", "pass", "4 requests at the front door as expected"),
        answer("requests", "skipped", "no data: 12 of 20 requests; gone on without an answer"),
    ],
    remains=["migration 0042_add_currency stays (expand; 1.4.1 works with it)"],
    requests={"total": 739500, "lost": 0, "failed_by_new": 419, "seen_by_new": 107500},
    next=["orchestrate deploy rollback --env production"],
)

REFUSED = changed(
    RUNNING,
    id="d143",
    phase="rolled_back",
    terminal=True,
    result="analysis_abort",
    summary="production serves 1.4.2, 1.4.3 was refused",
    from_version="1.4.2",
    to_version="1.4.3",
    serving={
        "version": "1.4.2",
        "observed_at": "2026-11-23T13:42:07Z",
        "weights_percent": {"1.4.2": 100},
    },
    reason=None,
    ended_at="2026-11-23T13:42:11Z",
    duration_s=129.2,
    steps=[
        step("start", "start", "undone", "start 1.4.3, 3 replicas", "3 asked for", 2.0),
        step(
            "await-healthy",
            "await_healthy",
            "done",
            "wait until 1.4.3 is healthy",
            "3 of 3 healthy",
            13.0,
        ),
        step("route-10", "route", "undone", "route 10%", "10% on 1.4.3, 90% on 1.4.2", 1.0),
        step(
            "analyse-10",
            "analyse",
            "failed",
            "analyse at 10%",
            "analysis says abort: 1.4.3 failed 2.90% of 5,000",
            100.0,
        ),
        step("route-25", "route", "skipped", "route 25%"),
        step("undo-route-100", "route", "done", "route all to 1.4.2", "100% on 1.4.2", 1.0),
        step("undo-drain", "drain", "done", "drain 1.4.3", "no connection is open", 0.5),
        step("undo-stop", "stop", "done", "stop 1.4.3", "stopped", 3.5),
    ],
    verdict={
        "outcome": "abort",
        "metric": "errors",
        "new": {"failed": 145, "total": 5000},
        "old": {"failed": 180, "total": 45000},
        "limit_ratio": 0.02,
        "reason": "failed 2.90% of 5,000, over the limit of 2%",
    },
    requests={"total": 64500, "lost": 0, "failed_by_new": 145, "seen_by_new": 5000},
    quarantined=True,
    error={
        "code": "analysis_abort",
        "message": "analysis says abort: 1.4.3 failed 2.90% of 5,000, over the limit of 2%; "
        "1.4.2 failed 0.40% of 45,000",
        "why": ["last lines of its log:"],
        "untrusted_lines": [
            "2026-11-23 13:42:05 ERROR POST /cart: KeyError: 'currency' in "
            "cart/totals.py:88, asked by 203.0.113.7",
        ],
        "fix": ["orchestrate deploy logs d143 --version 1.4.3"],
        "retryable": False,
        "retry_after_s": None,
        "details": {},
        "request_id": None,
    },
    next=["orchestrate deploy logs d143"],
)

ROLLED_BACK = changed(
    SUCCEEDED,
    id="d145",
    kind="rollback",
    summary="production serves 1.4.1 again",
    from_version="1.4.2",
    to_version="1.4.1",
    serving={
        "version": "1.4.1",
        "observed_at": "2026-11-23T13:52:07Z",
        "weights_percent": {"1.4.1": 100},
    },
    requested_by=DANA,
    reason="checkout is broken",
    ended_at="2026-11-23T13:52:08Z",
    duration_s=2.1,
    steps=[
        step("switch", "switch", "done", "switch to 1.4.1", "100% on 1.4.1", 0.038),
        step("verify-100", "verify", "done", "verify", "3 of 3 replicas answer 1.4.1", 0.4),
    ],
    verdict=None,
    requests={"total": 980, "lost": 0, "failed_by_new": 0, "seen_by_new": 490},
    undoes="d142",
    quarantined=True,
    next=[],
)


def event(seq: int, step: str, state: str, text: str = "", took_s: float | None = None) -> Doc:
    return {
        "seq": seq,
        "at": "2026-11-23T13:11:23Z",
        "step": step,
        "state": state,
        "duration_s": took_s,
        "text": text,
    }


def follow(deployment: Mapping[str, Any], *events: Doc) -> Doc:
    return {
        "schema": "orchestrate.follow.v1",
        "deployment": dict(deployment),
        "events": list(events),
        "after": events[-1]["seq"] if events else 0,
    }


def row(name: str, phase: str, **fields: Any) -> Doc:
    found: Doc = {
        "id": name,
        "kind": "deploy",
        "app": "shop",
        "environment": "production",
        "phase": phase,
        "from_version": "1.4.1",
        "to_version": "1.4.2",
        "strategy": "canary",
        "requested_by": CLAUDE,
        "created_at": "2026-11-23T13:11:23Z",
        "ended_at": "2026-11-23T13:36:02Z",
        "duration_s": 1479.0,
        "why": "",
        "break_glass": None,
    }
    return changed(found, **fields)


HISTORY: Doc = {
    "schema": "orchestrate.deployments.v1",
    "items": [
        row(
            "d145",
            "succeeded",
            kind="rollback",
            from_version="1.4.2",
            to_version="1.4.1",
            requested_by=DANA,
            created_at="2026-11-23T13:42:05Z",
            duration_s=2.0,
            why="rollback of d142; checkout is broken",
        ),
        row(
            "d143",
            "rolled_back",
            from_version="1.4.2",
            to_version="1.4.3",
            duration_s=129.2,
            why="analysis abort",
        ),
        row("d142", "succeeded"),
        row(
            "d138",
            "cancelled",
            created_at="2026-11-20T15:40:00Z",
            duration_s=None,
            why="not on Friday",
        ),
        row(
            "d101",
            "failed",
            from_version=None,
            created_at="2025-11-17T15:40:00Z",
            duration_s=0.066,
            why="artifact missing",
            requested_by={"actor": "ci", "on_behalf_of": None},
        ),
    ],
    "next_cursor": "d101",
}
