"""Can the provider be used: what was tried, and what is missing?"""

from orchestrate.core.check import CheckResult
from orchestrate.engine.checks.subject import Subject


def check(subject: Subject) -> list[CheckResult]:
    findings = subject.site.provider.probe()
    bad = [f for f in findings if not f.ok]
    if bad:
        return [
            CheckResult(f"reachable: {f.name}", "fail", f.text, f.fix, code=f.code) for f in bad
        ]
    said = "; ".join(f.text for f in findings)
    return [CheckResult("reachable", "pass", f"{subject.site.environment.provider}: {said}")]
