"""Canary analysis: pure functions from counts in buckets to a verdict, docs/analysis.md in code.

What belongs here: counting, tests that stay sound at every look, what can be expected of them, and
their picture. What does not: asking a platform for counters, waiting, traffic.
"""

from orchestrate.core.analysis.counts import Counts
from orchestrate.core.analysis.verdict import Verdict, judge

__all__ = ["Counts", "Verdict", "judge"]
