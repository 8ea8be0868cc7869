"""How old evidence may be that others dated: neither past its limit, nor ahead of the clock."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from orchestrate.core.check import CheckResult, Evidence
from orchestrate.core.durations import spoken
from orchestrate.engine.checks.subject import Subject

AHEAD = timedelta(minutes=5)
"""How far the clock of whoever dated evidence may be ahead of ours."""


def refusal(
    subject: Subject, name: str, what: str, seen: Evidence, dates: Sequence[datetime]
) -> CheckResult | None:
    """Why evidence of these dates is none, or None. The oldest of what counts decides: the others
    may have been made yesterday, and it still was not looked at since."""
    if max(dates) > subject.now + AHEAD:
        text = f"{what} is dated {spoken((max(dates) - subject.now).total_seconds())} ahead"
        fix = "set the clock of this machine right, and ask again"
        return CheckResult(name, "error", text, fix, evidence=seen)
    age = subject.now - min(dates)
    if age <= timedelta(seconds=subject.checks.max_age_s):
        return None
    text = f"{what} is {spoken(age.total_seconds())} old"
    limit = spoken(subject.checks.max_age_s)
    return CheckResult(name, "fail", text, f"run it again; {limit} is the limit", evidence=seen)
