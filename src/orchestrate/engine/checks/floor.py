"""Is the version one that may still be deployed? An older one, signed as it may be, has the holes
that were mended since. A rollback is not asked: it restores a revision that was verified here."""

from orchestrate.core.check import CheckResult
from orchestrate.core.deployment import Kind
from orchestrate.core.names import is_ordered, version_key
from orchestrate.engine.checks.subject import ENVIRONMENT, Subject

NAME = "version"


def check(subject: Subject) -> list[CheckResult]:
    floor = subject.checks.floor
    if floor is None or subject.version is None or subject.kind is not Kind.DEPLOY:
        return []
    seen = subject.seen(ENVIRONMENT, "checks.floor", floor=floor)
    if not (is_ordered(subject.version) and is_ordered(floor)):
        text = f"nobody can say whether {subject.version} is older than {floor}"
        fix = f"deploy it by a version of numbers, such as {floor}"
        return [CheckResult(NAME, "error", text, fix, evidence=seen)]
    if version_key(subject.version) < version_key(floor):
        text = f"{subject.version} is older than {floor}, the oldest that may be deployed"
        fix = "deploy a newer version; to go back: orchestrate deploy rollback"
        return [CheckResult(NAME, "fail", text, fix, evidence=seen)]
    return [CheckResult(NAME, "pass", f"not older than {floor}", evidence=seen)]
