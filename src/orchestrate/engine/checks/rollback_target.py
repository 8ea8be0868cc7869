"""Could this change be taken back: is the rollback target still there?"""

from orchestrate.core import words
from orchestrate.core.check import CheckResult
from orchestrate.engine.checks.subject import Subject

NAME = "rollback"


def check(subject: Subject) -> list[CheckResult]:
    if subject.target is None:
        return [CheckResult(NAME, "skipped", "nothing was verified here yet to go back to")]
    version, found = subject.target
    if found.ok:
        how = "still running" if found.running else "its artifact is present"
        if found.secrets:
            how += f", {found.readable} of {words.counted(found.secrets, 'secret')} readable"
        return [CheckResult(NAME, "pass", f"{version}: {how}")]
    lost = "; ".join(found.lost) or "it cannot be restored"
    return [CheckResult(NAME, "fail", f"{version}: {lost}", "put back what is lost")]
