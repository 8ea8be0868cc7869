"""Is the version's artifact there, pinned, and the one the plan was made with?"""

from orchestrate.core.canonical import short
from orchestrate.core.check import CheckResult
from orchestrate.core.deployment import Kind
from orchestrate.core.errors import NoDataError, OrchestrateError
from orchestrate.engine.checks.subject import Subject

NAME = "artifact"


def check(subject: Subject) -> list[CheckResult]:
    if subject.version is None:
        return [CheckResult(NAME, "skipped", "no version was named")]
    if subject.kind is not Kind.DEPLOY:
        return [CheckResult(NAME, "skipped", "a rollback restores what was deployed before")]
    try:
        found = subject.found
    except NoDataError:
        raise  # it was not looked for, which is not the same as not there
    except OrchestrateError as error:
        fix = next(iter(error.fix), None)
        return [CheckResult(NAME, "fail", error.message, fix, code=error.code)]
    provider = subject.site.environment.provider
    seen = subject.seen(found.digest, f"{provider}: {found.reference}", kind=found.kind)
    if subject.pinned is not None and subject.pinned.digest != found.digest:
        text = f"{subject.version} is no longer what the plan was made with"
        fix = "look at the plan again: orchestrate deploy diff"
        return [CheckResult(NAME, "fail", text, fix, code="plan_changed", evidence=seen)]
    text = f"{found.kind} found, pinned as {short(found.digest)}"
    return [CheckResult(NAME, "pass", text, evidence=seen)]
