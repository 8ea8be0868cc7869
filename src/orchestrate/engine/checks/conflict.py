"""Does another deployment hold the environment?

This answers people who ask. What decides is the transaction that takes the environment.
"""

from orchestrate.core.check import CheckResult
from orchestrate.engine.checks.subject import ENVIRONMENT, Subject

NAME = "no conflict"


def check(subject: Subject) -> list[CheckResult]:
    seen = subject.seen(ENVIRONMENT, "the records of the service")
    if subject.busy is None:
        return [CheckResult(NAME, "pass", "nothing else runs or waits here", evidence=seen)]
    fix = "wait for it, or stop it: orchestrate deploy cancel " + subject.busy.split(",")[0]
    return [CheckResult(NAME, "fail", f"taken by {subject.busy}", fix, evidence=seen)]
