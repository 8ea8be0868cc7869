"""Did a security scan of the version's commit find anything that is not accepted?"""

from collections.abc import Sequence
from datetime import UTC, date

from orchestrate.core import words
from orchestrate.core.check import CheckResult, Evidence
from orchestrate.core.deployment import Kind
from orchestrate.core.reports import Finding, Scan
from orchestrate.core.reports.findings import read
from orchestrate.core.untrusted import clean
from orchestrate.core.validation import Allowance, Security
from orchestrate.engine.checks import age, github
from orchestrate.engine.checks.commit import Commit, commit_of
from orchestrate.engine.checks.running import Done, done
from orchestrate.engine.checks.subject import Subject

NAME = "security"


def check(subject: Subject) -> list[CheckResult]:
    security = subject.checks.security
    if security is None:
        return [CheckResult(NAME, "skipped", "none configured")]
    if subject.version is None or subject.kind is not Kind.DEPLOY:
        return [CheckResult(NAME, "skipped", "only a version that is to be deployed is asked")]
    if subject.lost:
        return [CheckResult(NAME, "skipped", "there is no artifact to ask about")]
    commit = commit_of(subject)
    if security.github is not None:
        return [_of_github(subject, security, security.github, commit)]
    known = subject.recall(NAME, commit.about)
    if known is not None and not _expired_since(
        known, security, subject.now.astimezone(UTC).date()
    ):
        return [known]
    asked = (security.command, security.timeout_s, security.file)
    with done(subject, commit, *asked) as run:
        scan = read(_report(security, run), security.report)
        source = f"{' '.join(security.command)[:120]} in a clean checkout"
        seen = subject.seen(commit.about, source, took_s=run.ran.took_s)
        return [judge(subject, security, scan, seen)]


def judge(subject: Subject, security: Security, scan: Scan, seen: Evidence) -> CheckResult:
    """What is found at or above the threshold, and not accepted, blocks."""
    today = subject.now.astimezone(UTC).date()
    grave = [each for each in scan.findings if each.at_least(security.threshold)]
    accepted = {id(f): a for f in grave if (a := _allowed(f, security.allow, today)) is not None}
    bad = [each for each in grave if id(each) not in accepted]
    missed = [m for m in scan.missed if not _allows(m, security.allow, today)]
    facts = {
        **seen.facts,
        "tool": scan.tool,
        "looked_at": f"{scan.looked_at} {scan.unit}",
        "found": len(scan.findings),
        "blocking": [each.id for each in bad[:20]],
        "accepted": [f"{a.id} until {a.until}: {a.reason}" for a in accepted.values()][:20],
    }
    seen = seen.model_copy(update={"facts": facts})
    if bad:
        first = bad[0]
        count = _by_severity(bad)
        text = clean(f"{count}: {first.id} in {first.text}", limit=300)
        late = _expired(bad, security.allow, today)
        return CheckResult(NAME, "fail", text, late or _mend(first), evidence=seen)
    if missed:
        text = f"{scan.tool} could not look at {', '.join(missed[:5])}"
        fix = "have it looked at, or list the name under checks.security.allow with a reason"
        return CheckResult(NAME, "error", clean(text, limit=300), fix, evidence=seen)
    more = f", {len(accepted)} accepted" if accepted else ""
    low = len(scan.findings) - len(grave)
    more += f", {low} below {security.threshold}" if low else ""
    text = (
        f"nothing {security.threshold} or above ({scan.tool}, {scan.looked_at} {scan.unit}{more})"
    )
    return CheckResult(NAME, "pass", text, evidence=seen)


def _report(security: Security, run: Done) -> bytes:
    """What the scan left. Its exit code says that something was found, or that it broke: only the
    report tells these apart."""
    return run.file(security.file) if security.file is not None else run.ran.output


def _allowed(finding: Finding, allow: Sequence[Allowance], today: date) -> Allowance | None:
    names = {finding.id.casefold(), *(name.casefold() for name in finding.names)}
    return next((a for a in allow if a.id.casefold() in names and today <= a.until), None)


def _allows(name: str, allow: Sequence[Allowance], today: date) -> bool:
    return any(a.id.casefold() == name.casefold() and today <= a.until for a in allow)


def _expired(bad: Sequence[Finding], allow: Sequence[Allowance], today: date) -> str | None:
    for finding in bad:
        names = {finding.id.casefold(), *(name.casefold() for name in finding.names)}
        for each in allow:
            if each.id.casefold() in names and each.until < today:
                return f"{each.id} was accepted until {each.until}: mend it, or say why it may stay"
    return None


def _expired_since(known: CheckResult, security: Security, today: date) -> bool:
    """Whether an acceptance that held when it was looked at has ended since: of a finding, or of
    what the scanner could not look at."""
    looked = known.evidence.at.astimezone(UTC).date() if known.evidence else date.min
    return any(looked <= each.until < today for each in security.allow)


def _mend(finding: Finding) -> str:
    return (
        f"mend it, or list {finding.id} under checks.security.allow with a reason and an end date"
    )


def _by_severity(bad: Sequence[Finding]) -> str:
    counts: dict[str, int] = {}
    for each in bad:
        name = each.severity or "of unknown severity"
        counts[name] = counts.get(name, 0) + 1
    return ", ".join(f"{number} {name}" for name, number in counts.items())


def _of_github(
    subject: Subject, security: Security, repository: str, commit: Commit
) -> CheckResult:
    """Code scanning of the commit, and Dependabot's alerts of the repository."""
    asked = github.client(subject)
    code = asked.code_scanning(repository, commit.sha)
    dependencies = asked.dependabot(repository)
    seen = subject.seen(commit.about, f"GitHub {repository}: code scanning, Dependabot")
    seen = seen.model_copy(update={"at": min(code.dates)})
    scan = Scan(
        tool=", ".join([*code.tools, "Dependabot"]),
        findings=(*code.findings, *dependencies),
        looked_at=len(code.tools) + 1,
        unit=words.counted(2, "source").removeprefix("2 "),
    )
    what = f"the scan of {commit.short}"
    return age.refusal(subject, NAME, what, seen, code.dates) or judge(
        subject, security, scan, seen
    )
