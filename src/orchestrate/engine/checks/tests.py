"""Did the tests of the version's commit pass?"""

from datetime import timedelta

from orchestrate.core import words
from orchestrate.core.check import CheckResult, Evidence
from orchestrate.core.deployment import Kind
from orchestrate.core.durations import spoken
from orchestrate.core.reports import junit
from orchestrate.core.validation import Tests
from orchestrate.engine.checks import github
from orchestrate.engine.checks.commit import Commit, commit_of
from orchestrate.engine.checks.running import Done, done
from orchestrate.engine.checks.subject import Subject

NAME = "tests"


def check(subject: Subject) -> list[CheckResult]:
    tests = subject.checks.tests
    if tests is None:
        return [CheckResult(NAME, "skipped", "none configured")]
    if subject.version is None or subject.kind is not Kind.DEPLOY:
        return [CheckResult(NAME, "skipped", "only a version that is to be deployed is asked")]
    if subject.lost:
        return [CheckResult(NAME, "skipped", "there is no artifact to ask about")]
    commit = commit_of(subject)
    if tests.github is not None:
        return [_of_github(subject, tests.github, commit)]
    known = subject.recall(NAME, commit.about)
    if known is not None:
        return [known]
    with done(subject, commit, tests.command, tests.timeout_s) as run:
        return [_judged(subject, tests, commit, run)]


def _judged(subject: Subject, tests: Tests, commit: Commit, run: Done) -> CheckResult:
    source = f"{' '.join(tests.command)[:120]} in a clean checkout"
    facts: dict[str, object] = {"exit_code": run.ran.code, "took_s": run.ran.took_s}
    if tests.junit is None:
        seen = subject.seen(commit.about, source, **facts)
        if run.ran.code != 0:
            return _failed(f"exit code {run.ran.code}: {run.last_words}", commit, seen)
        took = spoken(run.ran.took_s)
        text = f"the command passed for {commit.short} in {took}; without `junit`, nothing counts"
        return CheckResult(NAME, "pass", text, evidence=seen)
    report = junit.read(run.file(tests.junit))
    facts |= {"passed": report.passed, "failed": report.failed, "skipped": report.skipped}
    seen = subject.seen(commit.about, source, **facts, failures=report.failures)
    if report.failed:
        names = ", ".join(report.failures)
        return _failed(f"{report.failed} of {report.total} failed: {names}", commit, seen)
    if run.ran.code != 0:
        return _failed(f"exit code {run.ran.code}, though no test failed", commit, seen)
    if not report.passed:
        said = f"all {report.total} were skipped" if report.total else "there was none"
        return _failed(f"no test ran: {said}", commit, seen)
    left = f", {report.skipped} skipped" if report.skipped else ""
    text = f"{words.counted(report.passed, 'test')} passed{left} for {commit.short}"
    return CheckResult(NAME, "pass", text, evidence=seen)


def _failed(text: str, commit: Commit, seen: Evidence) -> CheckResult:
    fix = f"mend them, and deploy a commit after {commit.short}"
    return CheckResult(NAME, "fail", text, fix, evidence=seen)


def _of_github(subject: Subject, repository: str, commit: Commit) -> CheckResult:
    """Both the combined status and the check runs: what reports to one is not in the other."""
    found = github.client(subject).checks_of(repository, commit.sha)
    source = f"GitHub {repository}"
    seen = subject.seen(commit.about, source, passed=found.passed, failed=list(found.failed))
    if found.failed:
        text = f"{len(found.failed)} failed for {commit.short}: {', '.join(found.failed[:5])}"
        return _failed(text, commit, seen)
    if found.pending:
        text = f"not finished for {commit.short}: {', '.join(found.pending[:5])}"
        return CheckResult(NAME, "error", text, "wait for them, and ask again", evidence=seen)
    if not found.passed or found.at is None:
        text = f"GitHub knows no finished check of {commit.short}"
        fix = f"push the commit to {repository} and wait for its checks"
        return CheckResult(NAME, "error", text, fix, evidence=seen)
    seen = seen.model_copy(update={"at": found.at})
    age = subject.now - found.at
    if age > timedelta(seconds=subject.checks.max_age_s):
        text = f"the checks of {commit.short} are {spoken(age.total_seconds())} old"
        limit = spoken(subject.checks.max_age_s)
        return CheckResult(
            NAME, "fail", text, f"run them again; {limit} is the limit", evidence=seen
        )
    ago = spoken(max(age.total_seconds(), 0.0))
    text = f"{found.passed} passed for {commit.short}, {ago} ago (GitHub checks)"
    return CheckResult(NAME, "pass", text, evidence=seen)
