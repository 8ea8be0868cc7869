"""Did the tests of the version's commit pass?"""

from orchestrate.core import words
from orchestrate.core.check import CheckResult, Evidence
from orchestrate.core.deployment import Kind
from orchestrate.core.durations import spoken
from orchestrate.core.reports import junit
from orchestrate.core.untrusted import clean
from orchestrate.core.validation import Tests
from orchestrate.engine.checks import age, github
from orchestrate.engine.checks.commit import Commit, commit_of
from orchestrate.engine.checks.running import Done, done
from orchestrate.engine.checks.subject import Subject

NAME = "tests"
MOST = 100
"""Names of checks that are kept as evidence."""


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
        return [_of_github(subject, tests, tests.github, commit)]
    known = subject.recall(NAME, commit.about)
    if known is not None:
        return [known]
    with done(subject, commit, tests.command, tests.timeout_s, tests.junit) as run:
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


def _of_github(subject: Subject, asked: Tests, repository: str, commit: Commit) -> CheckResult:
    """Both the combined status and the check runs: what reports to one is not in the other."""
    found = github.client(subject).checks_of(repository, commit.sha)
    names = sorted({name for name, _ in found.passed})
    seen = subject.seen(
        commit.about, f"GitHub {repository}", passed=names[:MOST], failed=list(found.failed)
    )
    if found.failed:
        text = f"{len(found.failed)} failed for {commit.short}: {', '.join(found.failed[:5])}"
        return _failed(text, commit, seen)
    if found.pending:
        text = f"not finished for {commit.short}: {', '.join(found.pending[:5])}"
        return CheckResult(NAME, "error", text, "wait for them, and ask again", evidence=seen)
    absent = [name for name in asked.names if name not in names]
    if not names or absent:
        lacks = f"passed check {', '.join(absent[:5])}" if absent else "finished check"
        text = f"GitHub knows no {lacks} of {commit.short}"
        fix = f"push the commit to {repository} and wait for its checks"
        return CheckResult(NAME, "error", text, fix, evidence=seen)
    counted = [(name, at) for name, at in found.passed if name in (asked.names or names)]
    dates = [at for _, at in counted if at is not None]
    if len(dates) < len(counted):
        text = f"GitHub does not say when the checks of {commit.short} ended"
        return CheckResult(NAME, "error", text, "run them again", evidence=seen)
    seen = seen.model_copy(update={"at": min(dates)})
    said = clean(", ".join(sorted({name for name, _ in counted})[:5]), limit=120)
    stale = age.refusal(subject, NAME, f"the oldest check of {commit.short}", seen, dates)
    if stale is not None:
        return stale
    ago = spoken(max((subject.now - min(dates)).total_seconds(), 0.0))
    text = f"{len(counted)} passed for {commit.short}, {ago} ago (GitHub: {said})"
    return CheckResult(NAME, "pass", text, evidence=seen)
