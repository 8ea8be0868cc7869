"""May the environment be changed now, and until the deployment has ended?"""

from orchestrate.core.check import CheckResult
from orchestrate.core.deployment import Kind
from orchestrate.core.windows import brief, describe, refusal
from orchestrate.engine.checks.subject import ENVIRONMENT, Subject

NAME = "window"
BREAK_GLASS = 'wait, or ask to pass it: --break-glass "reason" (a second admin agrees; audited)'


def check(subject: Subject) -> list[CheckResult]:
    calendar = subject.site.environment.calendar
    if calendar.empty:
        # An answer all the same: an environment that requires one has no window that is closed.
        seen = subject.seen(ENVIRONMENT, "windows and freezes of the environment", configured=0)
        return [CheckResult(NAME, "skipped", "none configured: open at any time", evidence=seen)]
    if subject.kind is not Kind.DEPLOY:
        return [CheckResult(NAME, "skipped", "a rollback is never kept out")]
    seen = subject.seen(
        ENVIRONMENT, describe(calendar), needs_s=subject.needs_s, on_close=calendar.on_close
    )
    closed = refusal(calendar, subject.now, subject.needs_s)
    if closed is None:
        text = brief(calendar, subject.now) or "open"
        return [CheckResult(NAME, "pass", text, evidence=seen)]
    exempt = subject.exemption
    if exempt is None and subject.asks_exemption:
        text = f"{closed}; it is to be passed, which a second person must agree to"
        return [CheckResult(NAME, "skipped", text, evidence=seen)]
    if exempt is None:
        return [CheckResult(NAME, "fail", closed, BREAK_GLASS, code="window_closed", evidence=seen)]
    text = f'{closed}; passed by {exempt.asked_by} with {exempt.approved_by}: "{exempt.reason}"'
    proof = seen.model_copy(update={"facts": {**seen.facts, "exemption": exempt.model_dump()}})
    return [CheckResult(NAME, "pass", text, evidence=proof)]
