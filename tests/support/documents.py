"""Documents as the service answers them, for screens and for a service that only pretends.

A test holds each to its model, so that none of them can be of a service that does not exist.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

Doc = dict[str, Any]  # JSON, to be picked apart by tests

CLAUDE = {"actor": "claude", "on_behalf_of": "lee"}
DANA = {"actor": "dana", "on_behalf_of": None}
DIGEST = "sha256:7c1e9a40b3f2" + "0" * 52


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
    "steps": RUNNING_STEPS,
    "verdict": {
        "outcome": "hold",
        "metric": "errors",
        "new": {"failed": 62, "total": 16250},
        "old": {"failed": 195, "total": 48750},
        "limit_ratio": 0.05,
        "reason": "130s of 240s",
    },
    "requests": {"total": 227000, "lost": 0, "failed_by_new": 62, "seen_by_new": 16250},
    "undoes": None,
    "undone_by": None,
    "quarantined": False,
    "error": None,
    "url": "/deployments/d142",
    "next": ["orchestrate deploy status d142 --follow", "orchestrate deploy cancel d142"],
}


def changed(document: Mapping[str, Any], **fields: Any) -> Doc:
    """A copy with other values in some of its fields."""
    unknown = fields.keys() - document.keys()
    assert not unknown, f"no such field: {unknown}"
    return {**copy.deepcopy(dict(document)), **fields}


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
        "why": [
            "last lines of its log:",
            "untrusted | 2026-11-23 13:42:05 ERROR POST /cart: KeyError: 'currency' in "
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

TARGET: Doc = {
    "version": "1.4.1",
    "revision": "r86",
    "restorable": True,
    "running": True,
    "lost": [],
}

PLAN: Doc = {
    "schema": "orchestrate.plan.v1",
    "digest": DIGEST,
    "app": "shop",
    "environment": "production",
    "kind": "deploy",
    "strategy": "canary",
    "from_version": "1.4.1",
    "from_revision": "r86",
    "to_version": "1.4.2",
    "to_revision": None,
    "nothing_to_do": False,
    "changes": [
        {"sign": "~", "what": "version", "name": "", "before": "1.4.1", "after": "1.4.2"},
        {
            "sign": "~",
            "what": "artifact",
            "name": "directory",
            "before": "41d07be29c2f",
            "after": "9c2fa1c80b5e",
        },
        {"sign": "~", "what": "variable", "name": "LOG_LEVEL", "before": "info", "after": "debug"},
        {"sign": "+", "what": "variable", "name": "CART_V2", "before": None, "after": "true"},
        {"sign": "-", "what": "variable", "name": "OLD_CART", "before": "1", "after": None},
    ],
    "steps": [{k: s[k] for k in ("key", "kind", "title")} for s in RUNNING_STEPS],
    "rollback": TARGET,
    "needs_confirmation": True,
    "needs_approval": False,
    "at_least_s": 1380.0,
    "expires_at": "2026-11-23T14:30:00Z",
    "summary": "plan 7c1e9a40b3f2: production 1.4.1 -> 1.4.2, canary",
    "next": ["start_deployment(plan='7c1e9a40b3f2')"],
}

NOTHING = changed(
    PLAN,
    nothing_to_do=True,
    steps=[],
    changes=[],
    summary="production already serves 1.4.2 with this config (r87). Nothing to do.",
)

LIVE: Doc = {
    "version": "1.4.2",
    "revision": "r87",
    "deployment_id": "d142",
    "since": "2026-11-23T13:36:02Z",
    "by": CLAUDE,
}

BUSY: Doc = {
    "id": "d143",
    "kind": "deploy",
    "phase": "deploying",
    "paused": False,
    "from_version": "1.4.2",
    "to_version": "1.4.3",
    "step": "analyse at 25%",
    "text": "hold: 130s of 240s",
    "since": "2026-11-23T13:40:02Z",
    "by": CLAUDE,
}

ENVIRONMENT: Doc = {
    "schema": "orchestrate.environment.v1",
    "app": "shop",
    "name": "production",
    "type": "production",
    "provider": "local",
    "url": "https://shop.example.com",
    "address": "http://127.0.0.1:8080",
    "strategy": "canary",
    "live": LIVE,
    "health": "healthy",
    "health_text": "3 of 3 replicas run",
    "observed_at": "2026-11-23T13:48:01Z",
    "weights_percent": {"1.4.2": 100},
    "traffic": {
        "total": 16250,
        "failed": 62,
        "by_version": {"1.4.2": {"failed": 62, "total": 16250}},
    },
    "running": None,
    "queued": [],
    "rollback_target": TARGET,
    "kept_until": "2026-11-24T13:36:02Z",
    "drift": [],
    "quarantined": ["1.4.3"],
    "requires_approval": False,
    "guarded": True,
    "allowed_actions": [{"action": "deploy", "allowed": True, "why": None}],
    "settings": None,
    "summary": "production serves 1.4.2",
    "next": ["get_logs"],
}

SETTINGS: Doc = {
    "app": "shop",
    "name": "production",
    "type": "production",
    "provider": "local",
    "url": "https://shop.example.com",
    "config": {"command": ["python3", "shop.py"], "artifact": "releases/{version}", "replicas": 3},
    "strategy": {
        "type": "canary",
        "steps": [10, 25, 50, 100],
        "analyse": {"window_s": 240.0, "min_requests": 20, "max_error_ratio": 0.05},
        "batch": 1,
        "bake_s": 600.0,
        "keep_old_s": 86400.0,
        "drain_s": 30.0,
    },
    "health": {
        "path": "/healthz",
        "expect_status": 200,
        "healthy_after": 2,
        "interval_s": 0.5,
        "timeout_s": 2.0,
        "start_timeout_s": 60.0,
        "version_header": "X-Version",
    },
    "variables": {"LOG_LEVEL": "info", "DATABASE_POOL": "8"},
    "secrets": ["DB_URL", "PAYMENT_KEY"],
    "requires_approval": False,
    "timeout_s": 3600.0,
    "when_busy": "refuse",
    "source": "orchestrate.yaml:14",
}

OVERVIEW: Doc = {
    "schema": "orchestrate.overview.v1",
    "items": [
        {
            "app": "shop",
            "name": "dev",
            "type": "dev",
            "live": {
                **LIVE,
                "version": "1.5.0-rc.1",
                "deployment_id": "d144",
                "by": {"actor": "lee", "on_behalf_of": None},
            },
            "health": "healthy",
            "weights_percent": {"1.5.0-rc.1": 100},
            "now": None,
        },
        {
            "app": "shop",
            "name": "production",
            "type": "production",
            "live": {**LIVE, "since": "2026-11-17T09:31:55Z", "by": DANA},
            "health": "degraded",
            "weights_percent": {"1.4.2": 75, "1.4.3": 25},
            "now": BUSY,
        },
        {
            "app": "shop",
            "name": "eu",
            "type": "production",
            "live": None,
            "health": "unknown",
            "weights_percent": {},
            "now": None,
        },
    ],
    "summary": "3 environments, 1 deploying",
    "next": ["get_environment"],
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


def check(name: str, result: str, text: str, fix: str | None = None, took_s: float = 0.0) -> Doc:
    return {"name": name, "result": result, "text": text, "fix": fix, "duration_s": took_s}


VALIDATION: Doc = {
    "schema": "orchestrate.validation.v1",
    "app": "shop",
    "environment": "production",
    "version": "1.4.2",
    "ready": False,
    "checks": [
        check("artifact", "pass", "directory found, pinned as 9c2fa1c80b5e", took_s=0.4),
        check(
            "reachable: port",
            "fail",
            "port 8080 on 127.0.0.1 is taken; held by nginx (pid 812), which another user started "
            "on Friday",
            "end that process, or give the environment another port in its url",
            2.1,
        ),
        check("smoke", "error", "the evidence could not be looked up", "run the smoke job again"),
        check("no conflict", "pass", "nothing else runs or waits here"),
        check("migrations", "skipped", "none configured"),
    ],
    "summary": "1.4.2 in production: not ready",
    "next": [],
}

READY = changed(VALIDATION, ready=True, checks=VALIDATION["checks"][:1])

LOGS: Doc = {
    "schema": "orchestrate.logs.v1",
    "app": "shop",
    "environment": "production",
    "deployment_id": None,
    "version": "1.4.2",
    "untrusted_lines": ["replica 0 | listening", "replica 1 | listening"],
    "truncated": False,
    "next": [],
}

SERVICE: Doc = {
    "schema": "orchestrate.service.v1",
    "version": "0.1.0",
    "pid": 4242,
    "started_at": "2026-11-23T10:00:00Z",
    "home": "/home/lee/.local/state/orchestrate",
    "store": "sqlite",
    "store_schema": "0001",
    "running": 1,
    "idle_exit_s": 600.0,
}

DOCTOR: Doc = {
    "schema": "orchestrate.doctor.v1",
    "ok": False,
    "checks": [
        check("python", "pass", "3.12.1"),
        check("edge", "fail", "there is no Traefik here", 'pip install "orchestrate-mcp[edge]"'),
    ],
}

CHANGES: Doc = {
    "schema": "orchestrate.environment_changes.v1",
    "applied": False,
    "items": [
        {"app": "shop", "name": "staging", "action": "create", "changes": []},
        {
            "app": "shop",
            "name": "production",
            "action": "change",
            "changes": [
                {"field": "url", "before": None, "after": "https://shop.example.com"},
                {
                    "field": "variables",
                    "before": {"LOG_LEVEL": "info"},
                    "after": {"LOG_LEVEL": "debug"},
                },
            ],
        },
        {"app": "shop", "name": "dev", "action": "unchanged", "changes": []},
    ],
}

DELETED: Doc = {
    "schema": "orchestrate.deleted.v1",
    "app": "shop",
    "name": "staging",
    "archived": True,
}


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


def error(
    code: str, message: str, status: int, *, why: tuple[str, ...] = (), fix: tuple[str, ...] = ()
) -> Doc:
    """orchestrate.error.v1, with the members of RFC 9457."""
    return {
        "schema": "orchestrate.error.v1",
        "type": f"/docs/errors#{code}",
        "title": code.replace("_", " "),
        "status": status,
        "detail": message,
        "error": {
            "code": code,
            "message": message,
            "why": list(why),
            "fix": list(fix),
            "retryable": False,
            "retry_after_s": None,
            "details": {},
            "request_id": "q8f2k",
        },
    }
