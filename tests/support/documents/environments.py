"""Environments, plans, and the lists of them."""

from __future__ import annotations

from tests.support.documents.base import CLAUDE, DANA, DIGEST, Doc, changed
from tests.support.documents.deployments import RUNNING_STEPS

TARGET: Doc = {
    "version": "1.4.1",
    "revision": "r86",
    "restorable": True,
    "running": True,
    "lost": [],
    "secrets": 4,
    "secrets_readable": 4,
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
    "remains": ["migration 0042_add_currency stays (expand; 1.4.1 works with it)"],
    "needs_confirmation": True,
    "needs_approval": False,
    "window": "open until 20:00 Europe/Prague",
    "on_close": "hold",
    "at_least_s": 1380.0,
    "analysis": {
        "percent": 10,
        "sees": [
            {"times": 2.0, "after_s": 1310.0},
            {"times": 3.0, "after_s": 402.5},
            {"times": 10.0, "after_s": 100.0},
        ],
        "promote_s": 1520.0,
        "horizon_s": 1200.0,
        "problem": "proof that a release is below 2 times today's error rate takes about 25 min "
        "at today's traffic, and the horizon is 20 min",
    },
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
    "waiting_approvals": [],
    "rollback_target": TARGET,
    "kept_until": "2026-11-24T13:36:02Z",
    "drift": [],
    "quarantined": ["1.4.3"],
    "requires_approval": False,
    "window": {
        "open": True,
        "changes_at": "2026-11-23T19:00:00Z",
        "zone": "Europe/Prague",
        "text": "open until 20:00 Europe/Prague",
        "rules": "Mon-Thu 09:00-20:00, Fri 09:00-16:00 Europe/Prague",
        "on_close": "hold",
    },
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
    "checks": {"tests": {"github": "acme/shop"}, "required": ["artifact"], "floor": "1.4.0"},
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
