"""Requests for approval: one that waits, the same with somebody who looks at it, and a list."""

from __future__ import annotations

from tests.support.documents.base import CLAUDE, DIGEST, Doc, changed
from tests.support.documents.deployments import RUNNING, RUNNING_STEPS, SUCCEEDED

BRIEF: Doc = {
    "id": "a31",
    "state": "waiting",
    "has": 0,
    "needs": 1,
    "roles": ["approver"],
    "approvers": 2,
    "expires_at": "2026-11-23T14:12:08Z",
    "waiting_since": "2026-11-23T13:12:08Z",
    "by": [],
    "break_glass": None,
    "url": None,
    "command": "orchestrate approvals approve a31",
}
WAITING = changed(
    RUNNING,
    phase="awaiting_approval",
    summary="awaiting approval: production 1.4.1 -> 1.4.2",
    approval=BRIEF,
    serving=None,
    verdict=None,
    requests=None,
    steps=[{**s, "state": "waiting", "text": None, "started_at": None} for s in RUNNING_STEPS],
)
APPROVED = changed(SUCCEEDED, approval={**BRIEF, "state": "approved", "has": 1, "by": ["dana"]})

APPROVAL: Doc = {
    "schema": "orchestrate.approval.v1",
    "id": "a31",
    "kind": "deployment",
    "state": "waiting",
    "environment": "shop/production",
    "deployment_id": "d142",
    "plan_digest": DIGEST,
    "from_version": "1.4.1",
    "to_version": "1.4.2",
    "strategy": "canary",
    "asked_by": CLAUDE,
    "person": "lee",
    "untrusted_summary": "Fixes the cart total. Ran 2h on staging without errors.",
    "break_glass": None,
    "needs": BRIEF,
    "factors": ["ssh", "token", "passphrase"],
    "created_at": "2026-11-23T13:12:08Z",
    "ended_at": None,
    "used_at": None,
    "decisions": [],
    "signed": {
        "store": "5d1c0f8e2b7a4c6d9e3f1a2b4c5d6e7f",
        "request": "a31",
        "plan": DIGEST,
        "environment": "shop/production",
        "before": "r86",
        "after": "r87",
        "steps": 12,
        "expires": "2026-11-23T14:12:08Z",
        "nonce": "0123456789abcdef0123456789abcdef",
    },
    "changes": [
        {"sign": "~", "what": "version", "name": "", "before": "1.4.1", "after": "1.4.2"},
        {
            "sign": "~",
            "what": "variable",
            "name": "LOG_LEVEL",
            "before": "info",
            "after": "d\u0435bug",
        },
        {"sign": "+", "what": "variable", "name": "CART_V2", "before": None, "after": "true"},
    ],
    "checks": "3 checks passed",
    "rollback": {
        "version": "1.4.1",
        "revision": "r86",
        "restorable": True,
        "running": True,
        "lost": [],
    },
    "at_least_s": 1500.0,
    "you": {
        "person": "dana",
        "roles": ["approver"],
        "credential": "ssh:SHA256:2c26b46b68ffc68ff99b453c1d30413413422d706483",
        "may": True,
        "why": None,
    },
    "summary": "a31 waiting: production 1.4.1 -> 1.4.2, plan 7c1e9a40b3f2",
    "next": ["orchestrate approvals approve a31", "orchestrate approvals reject a31"],
}
DECIDED = changed(
    APPROVAL,
    state="approved",
    needs={**BRIEF, "state": "approved", "has": 1, "by": ["dana"]},
    summary="a31 approved: production 1.4.1 -> 1.4.2, plan 7c1e9a40b3f2",
    decisions=[
        {
            "person": "dana",
            "decision": "approve",
            "factor": "passphrase",
            "credential": "passphrase",
            "signature": None,
            "at": "2026-11-23T13:20:00Z",
            "untrusted_reason": "looked at it with lee",
        }
    ],
    you=None,
    next=["orchestrate deploy status d142"],
)
GLASS = changed(
    APPROVAL,
    break_glass="checkout is down, the fix cannot wait for the window",
    you={**APPROVAL["you"], "may": False, "why": "dana is no admin"},
)

APPROVALS: Doc = {
    "schema": "orchestrate.approvals.v1",
    "items": [
        {
            "id": "a31",
            "kind": "deployment",
            "state": "waiting",
            "environment": "shop/production",
            "deployment_id": "d142",
            "plan_digest": DIGEST,
            "from_version": "1.4.1",
            "to_version": "1.4.2",
            "asked_by": CLAUDE,
            "break_glass": None,
            "has": 0,
            "needs": 1,
            "created_at": "2026-11-23T13:12:08Z",
            "expires_at": "2026-11-23T14:12:08Z",
        }
    ],
    "next_cursor": None,
}
