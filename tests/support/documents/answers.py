"""Checks, logs, the service itself, and errors."""

from __future__ import annotations

from tests.support.documents.base import Doc, changed


def check(name: str, result: str, text: str, fix: str | None = None, took_s: float = 0.0) -> Doc:
    return {"name": name, "result": result, "text": text, "fix": fix, "duration_s": took_s}


VALIDATION: Doc = {
    "schema": "orchestrate.validation.v1",
    "app": "shop",
    "environment": "production",
    "version": "1.4.2",
    "ready": False,
    "pending": False,
    "commit": "git:5b0c1f2" + "0" * 33,
    "artifact": "sha256:9c2fa1c8" + "0" * 56,
    "checks": [
        check("artifact", "pass", "image found, pinned as 9c2fa1c80b5e", took_s=0.4),
        check("signature", "pass", "cosign key ci.pub covers 9c2fa1c80b5e", took_s=0.6),
        check(
            "security",
            "fail",
            "1 high: CVE-2026-30112 in libxml2 2.12.1",
            "mend it, or list CVE-2026-30112 under checks.security.allow with a reason and an end "
            "date",
            2.1,
        ),
        check(
            "window",
            "fail",
            'freeze "black friday" until Tue 1 Dec 09:00 Europe/Prague, in 7d 18h',
            'wait, or ask to pass it: --break-glass "reason" (a second admin agrees; audited)',
        ),
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
    "home": "/srv/orchestrate",
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
