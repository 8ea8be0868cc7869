"""Checks before a change, and after it (`after.py`): one file each, answering with evidence.

What belongs here: asking and judging. What does not: deciding what happens next, which is the
workflow's and the operations' affair. An answer that could not be had is an error, never a pass;
nor is one that shows nothing it was looked at by.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from orchestrate.core.check import CheckResult
from orchestrate.core.deployment import Kind
from orchestrate.core.errors import OrchestrateError
from orchestrate.engine.checks import (
    artifact,
    conflict,
    disk,
    floor,
    metrics,
    reachable,
    rollback_target,
    security,
    signature,
    tests,
    window,
)
from orchestrate.engine.checks.subject import Subject
from orchestrate.engine.revealed import masked, masked_json

Check = Callable[[Subject], list[CheckResult]]
_FILES = (
    artifact,
    floor,
    signature,
    tests,
    security,
    window,
    reachable,
    disk,
    conflict,
    rollback_target,
    metrics,
)
BEFORE: Sequence[Check] = tuple(each.check for each in _FILES)
"""Everything, for people who ask."""
GATES: Sequence[Check] = tuple(each for each in BEFORE if each is not conflict.check)
"""What stops a deployment at its start. That nothing else runs there was decided when it took the
environment."""
_NAMES: dict[Check, str] = {each.check: each.NAME for each in _FILES}


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
        results += [replace(_shown(_masked(r)), duration_s=r.duration_s or took) for r in found]
    return results + _missing(subject, results)


def _masked(result: CheckResult) -> CheckResult:
    """What a program of the project printed may hold what it should not know."""
    seen = result.evidence
    if seen is not None:
        facts = masked_json({**seen.facts})
        seen = seen.model_copy(update={"facts": facts, "source": masked(seen.source)})
    return replace(result, text=masked(result.text), evidence=seen)


def _shown(result: CheckResult) -> CheckResult:
    """A pass that shows nothing it stands on is none."""
    if result.result != "pass" or result.evidence is not None:
        return result
    text = f"{result.text}, and nothing shows it"
    return replace(result, result="error", text=text, fix=result.fix or "report this check")


def _missing(subject: Subject, results: Sequence[CheckResult]) -> list[CheckResult]:
    """Checks that the environment requires and that nothing was looked at for."""
    if subject.kind is not Kind.DEPLOY or subject.version is None:
        return []
    answered = {r.name for r in results if r.result != "skipped" or r.evidence is not None}
    return [
        CheckResult(
            name,
            "error",
            "required, and nothing was looked at",
            _ask_for(subject, name),
        )
        for name in subject.checks.required
        if name not in answered
    ]


def _ask_for(subject: Subject, name: str) -> str:
    """What makes a check answer. Those without a key of `checks` answer always, but for a reason
    that another check tells."""
    if name in ("tests", "security", "signature") and getattr(subject.checks, name) is None:
        return f"configure checks.{name}, or take it out of checks.required"
    return "mend what the other checks say, and ask again"


def _unknown(check: Check, error: OrchestrateError) -> CheckResult:
    name = _NAMES.get(check) or check.__module__.rpartition(".")[2].replace("_", " ")
    fix = next(iter(error.fix), None)
    why = f": {error.why[0]}" if error.why else ""
    return CheckResult(name, "error", error.message + why, fix, code=error.code)
