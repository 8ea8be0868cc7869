"""Can the provider be used: what was tried, as whom, and what is missing?"""

from orchestrate.core.check import CheckResult
from orchestrate.core.deployment import Kind
from orchestrate.engine.checks.subject import ENVIRONMENT, Subject

NAME = "reachable"
ROOM = frozenset({"disk_full", "quota_used_up"})
"""Codes of findings that say that there is no room for anything new."""


def check(subject: Subject) -> list[CheckResult]:
    findings = subject.site.provider.probe()
    provider = subject.site.environment.provider
    seen = subject.seen(
        ENVIRONMENT, provider, **{f.name.replace(" ", "_"): f.text for f in findings}
    )
    bad = [f for f in findings if not f.ok]
    if subject.kind is Kind.ROLLBACK and bad and all(f.code in ROOM for f in bad):
        # What there is no room for may be just what a rollback takes away.
        text = f"{'; '.join(f.text for f in bad)}; a rollback is never refused for it"
        return [CheckResult(NAME, "skipped", text, evidence=seen)]
    if bad:
        return [
            CheckResult(f"{NAME}: {f.name}", "fail", f.text, f.fix, code=f.code, evidence=seen)
            for f in bad
        ]
    if not findings:
        return [CheckResult(NAME, "error", f"{provider} does not say what it looked at")]
    said = "; ".join(f.text for f in findings)
    return [CheckResult(NAME, "pass", f"{provider}: {said}", evidence=seen)]
