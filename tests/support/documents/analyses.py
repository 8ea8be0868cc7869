"""An analysis under way."""

from __future__ import annotations

from tests.support.documents.base import Doc
from tests.support.documents.deployments import RUNNING

ANALYSIS: Doc = {
    "schema": "orchestrate.analysis.v1",
    "deployment_id": "d142",
    "app": "shop",
    "environment": "production",
    "from_version": "1.4.1",
    "to_version": "1.4.2",
    "verdict": {
        **RUNNING["verdict"],
        "state": "watching",
        "watched_s": 130.0,
        "window_s": 240.0,
        "horizon_s": 1200.0,
    },
    "alpha": 0.05,
    "margin": 2.0,
    "slow_over_s": None,
    "metrics": [
        {
            "metric": "errors",
            "new": {"failed": 62, "total": 16250},
            "old": {"failed": 195, "total": 48750},
            "buckets": 13,
            "alpha": 0.05,
            "difference": -0.0002,
            "lower": -0.0021,
            "upper": 0.0017,
            "evidence": 0.31,
            "refused_from": 400.0,
            "proof": 14.2,
            "dispersion": 1.04,
            "baseline_agrees": True,
            "refused_by": None,
            "proven": False,
            "points": [
                {
                    "bucket": n,
                    "difference": 0.002 / n - 0.0004,
                    "lower": 0.002 / n - 0.0004 - 0.006 / n**0.5 if n >= 10 else None,
                    "upper": 0.002 / n - 0.0004 + 0.006 / n**0.5 if n >= 10 else None,
                    "evidence": 0.9**n,
                }
                for n in range(1, 14)
            ],
        }
    ],
    "svg": None,
    "summary": "d142 production 1.4.1 -> 1.4.2: hold: 130s of 240s",
    "next": ["wait_deployment(deployment='d142')"],
}
