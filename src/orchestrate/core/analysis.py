"""Canary analysis: pure functions from counts to a verdict.

What is here is the absolute floor, which needs no statistics: a share of failed answers that no
release may exceed, and the least number of answers without which nothing is said. A comparison
with the baseline that stays sound at every look is to join it behind the same `judge`.
"""

from dataclasses import dataclass
from typing import Literal

from orchestrate.core.environment import AnalysePolicy

MIN_FAILURES = 5
"""Failures before a release is refused: a ratio over a handful of requests says nothing."""


@dataclass(frozen=True)
class Counts:
    """Requests answered, and how many of them failed."""

    failed: int
    total: int

    def minus(self, earlier: "Counts") -> "Counts":
        """What was added since `earlier`. A counter that went back began again from zero."""
        if self.total < earlier.total or self.failed < earlier.failed:
            return self
        return Counts(self.failed - earlier.failed, self.total - earlier.total)

    @property
    def ratio(self) -> float:
        return self.failed / self.total if self.total else 0.0

    def __str__(self) -> str:
        return f"{100 * self.ratio:.2f}% of {self.total:,}"


@dataclass(frozen=True)
class Verdict:
    """What the analysis says at one look."""

    outcome: Literal["promote", "abort", "hold"]
    reason: str
    """A sentence with the counts behind it."""
    new: Counts
    old: Counts
    limit_ratio: float


def judge(new: Counts, old: Counts, policy: AnalysePolicy, elapsed_s: float) -> Verdict:
    """The verdict after `elapsed_s` seconds at a weight.

    Abort as soon as the failed share is above the limit with at least MIN_FAILURES failures;
    promote when the window is over and enough requests were answered; otherwise hold. No data is
    neither pass nor fail.
    """
    if new.failed >= MIN_FAILURES and new.ratio > policy.max_error_ratio:
        return _say(
            "abort", f"failed {new}, over the limit of {_percent(policy)}", new, old, policy
        )
    if elapsed_s < policy.window_s:
        return _say("hold", f"{elapsed_s:.0f}s of {policy.window_s:.0f}s", new, old, policy)
    if new.total < policy.min_requests:
        text = f"no data: answered {new.total} of at least {policy.min_requests} requests"
        return _say("hold", text, new, old, policy)
    return _say("promote", f"failed {new}, limit {_percent(policy)}", new, old, policy)


def _say(
    outcome: Literal["promote", "abort", "hold"],
    reason: str,
    new: Counts,
    old: Counts,
    policy: AnalysePolicy,
) -> Verdict:
    return Verdict(outcome, reason, new, old, policy.max_error_ratio)


def _percent(policy: AnalysePolicy) -> str:
    return f"{100 * policy.max_error_ratio:g}%"
