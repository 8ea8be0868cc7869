"""Could this change be taken back: is the rollback target still there, with its secrets?"""

from orchestrate.core import words
from orchestrate.core.check import CheckResult
from orchestrate.core.errors import OrchestrateError
from orchestrate.core.secret_rules import shown
from orchestrate.engine.checks.subject import ENVIRONMENT, Subject, Target

NAME = "rollback"


def check(subject: Subject) -> list[CheckResult]:
    target = subject.target
    if target is None:
        # An answer all the same, or no first deployment could ever be made where one is required.
        seen = subject.seen(ENVIRONMENT, "the revisions recorded here", live=0)
        text = "nothing to go back to yet: nothing was verified here"
        return [CheckResult(NAME, "skipped", text, evidence=seen)]
    names = target.revision.secret_versions
    unread = _unread(target)
    seen = subject.seen(
        target.revision.artifact.digest,
        f"{subject.site.environment.provider}, and the secrets of {target.name}",
        running=target.restorable.running,
        secrets=len(names),
        secrets_readable=len(names) - len(unread),
    )
    version = f"{target.revision.version} ({target.name})"
    lost = [*target.restorable.lost] if not target.restorable.ok else []
    if not target.restorable.ok and not lost:
        lost = ["it cannot be restored"]
    if lost or unread:
        fix = "put its artifact back" if lost else "set the secret again, or deploy once more first"
        text = f"{version}: {'; '.join([*lost, *unread])}"
        return [CheckResult(NAME, "fail", text, fix, evidence=seen)]
    how = "still running" if target.restorable.running else "its artifact is present"
    whole = words.counted(len(names), "secret")
    read = f", {len(names)} of {whole} readable" if names else ""
    return [CheckResult(NAME, "pass", f"{version}: {how}{read}", evidence=seen)]


def _unread(target: Target) -> list[str]:
    """What is wrong with the secrets that its revision pins. No value is looked at."""
    found: list[str] = []
    for name, version in sorted(target.revision.secret_versions.items()):
        try:
            target.secrets.get(name, version)
        except OrchestrateError as problem:
            found.append(f"secret {name} {shown(version)} cannot be read: {problem.message}")
    return found
