"""Does another deployment hold the environment?

This answers people who ask. What decides is the transaction that takes the environment.
"""

from orchestrate.core.check import CheckResult
from orchestrate.engine.checks.subject import Subject


def check(subject: Subject) -> list[CheckResult]:
    if subject.busy is None:
        return [CheckResult("no conflict", "pass", "nothing else runs or waits here")]
    fix = "wait for it, or stop it: orchestrate deploy cancel " + subject.busy.split(",")[0]
    return [CheckResult("no conflict", "fail", f"taken by {subject.busy}", fix)]
