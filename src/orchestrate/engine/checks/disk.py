"""Is there room? New deployments are refused under a watermark, rollbacks never are."""

import shutil

from orchestrate.core.check import CheckResult
from orchestrate.core.deployment import Kind
from orchestrate.engine.checks.subject import ENVIRONMENT, Subject
from orchestrate.providers.processes.disk import watermark as watermark  # for tools

NAME = "disk"


def check(subject: Subject) -> list[CheckResult]:
    free = shutil.disk_usage(subject.home).free
    text = f"{free // 1024**2:,} MB free at {subject.home}"
    seen = subject.seen(ENVIRONMENT, str(subject.home), free_bytes=free, needed_bytes=watermark())
    if free >= watermark():
        return [CheckResult(NAME, "pass", text, evidence=seen)]
    if subject.kind is Kind.ROLLBACK:
        return [CheckResult(NAME, "skipped", f"{text}; a rollback is never refused for it")]
    fix = f"free some space; at least {watermark() // 1024**2} MB are needed"
    return [CheckResult(NAME, "fail", text, fix, code="disk_full", evidence=seen)]
