"""Checks before a change, and after it (`after.py`): one file each, answering with evidence.

What belongs here: asking and judging. What does not: deciding what happens next, which is the
workflow's and the operations' affair. An answer that could not be had is an error, never a pass.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from orchestrate.core.check import CheckResult
from orchestrate.core.errors import OrchestrateError
from orchestrate.engine.checks import artifact, conflict, disk, reachable, rollback_target
from orchestrate.engine.checks.subject import Subject

Check = Callable[[Subject], list[CheckResult]]

BEFORE: Sequence[Check] = (
    artifact.check,
    reachable.check,
    disk.check,
    conflict.check,
    rollback_target.check,
)


def run(subject: Subject, checks: Sequence[Check] = BEFORE) -> list[CheckResult]:
    """Every check's answers, in order. A check that raises gives an error result."""
    results: list[CheckResult] = []
    for check in checks:
        started = time.perf_counter()
        try:
            found = check(subject)
        except OrchestrateError as error:
            found = [_unknown(check, error)]
        took = round(time.perf_counter() - started, 3)
        results += [replace(r, duration_s=r.duration_s or took) for r in found]
    return results


def _unknown(check: Check, error: OrchestrateError) -> CheckResult:
    name = check.__module__.rpartition(".")[2].replace("_", " ")
    fix = next(iter(error.fix), None)
    return CheckResult(name, "error", error.message, fix, code=error.code)
