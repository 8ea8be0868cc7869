"""What a notification tells, for tests."""

from __future__ import annotations

from orchestrate.core.notification import Facts, Happening


def facts(**changed: object) -> Facts:
    """A canary of production that analysis refused."""
    return Facts.model_validate(
        {
            "event": Happening.ROLLED_BACK,
            "app": "shop",
            "environment": "production",
            "environment_type": "production",
            "deployment": "d143",
            "kind": "deploy",
            "phase": "rolled_back",
            "from_version": "1.4.2",
            "to_version": "1.4.3",
            "serving": "1.4.2",
            "result": "analysis_abort",
            "problem": "analysis says abort: 1.4.3 failed 2.90% of 5,000",
            "plan_digest": "sha256:7c1e9a40b3f2" + "0" * 52,
            "actor": "claude",
            "on_behalf_of": "lee",
            "untrusted_reason": "faster carts",
            "at": "2026-11-23T14:42:07Z",
            **changed,
        }
    )
