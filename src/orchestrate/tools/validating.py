"""validate: whether a deployment could start now, and by what that is known."""

from pydantic import Field

from orchestrate.core.check import CheckResult
from orchestrate.core.errors import OrchestrateError
from orchestrate.core.names import check_version
from orchestrate.engine.asking import describe
from orchestrate.engine.checks import run
from orchestrate.engine.checks.subject import Subject
from orchestrate.engine.gatekeeping import Jobs
from orchestrate.engine.validating import keep, subject_of
from orchestrate.store import deployments, environments
from orchestrate.tools.documents import CheckDocument, EvidenceDocument
from orchestrate.tools.operation import Arguments, Context
from orchestrate.tools.validation_documents import ValidationDocument

PATIENCE_S = 40.0
"""How long one call waits. Tests and scans take longer: whoever asks again gets their answer."""
_JOBS: Jobs[list[CheckResult]] = Jobs()


class Validate(Arguments):
    environment: str = Field(description="Environment name, or app/name")
    version: str | None = Field(
        default=None, description="Version to be deployed; without it the environment alone"
    )


def validate(context: Context, given: Validate) -> ValidationDocument:
    """Ask every check whether a deployment could start now: artifact, signature, tests, security,
    window, provider, conflicts, disk, way back. Each answers with evidence and a remedy. Changes
    nothing. `pending` true: tests or scans still run; ask again.
    """
    if given.version is not None:
        check_version(given.version)
    place = context.service.place
    subject: Subject | None = None
    with place.store.session() as session:
        row = environments.find(session, given.environment)
        busy = deployments.running(session, row.id or 0)
        try:
            subject = subject_of(
                session,
                place,
                row,
                version=given.version,
                busy=describe(session, busy) if busy else None,
            )
        except OrchestrateError as error:
            fix = next(iter(error.fix), None)
            results = [CheckResult("provider", "fail", error.message, fix)]
        app, name = row.app, row.name
    if subject is not None:
        found = _asked(context, subject)
        if found is None:
            return _pending(app, name, given.version)
        results = found
    return _document(app, name, given.version, results)


def _asked(context: Context, subject: Subject) -> list[CheckResult] | None:
    """Every check's answer; None while one still looks."""

    def ask(stop: object) -> list[CheckResult]:
        results = run(subject)
        with context.service.store.session() as session:
            keep(session, subject, results)
        return results

    key = (str(context.service.home), subject.site.id, subject.version, subject.checks.digest)
    return _JOBS.ask(key, ask, PATIENCE_S)


def check_document(result: CheckResult) -> CheckDocument:
    """A check's answer, with what it stands on."""
    found = result.evidence
    evidence = None
    if found is not None:
        evidence = EvidenceDocument(
            about=found.about,
            source=found.source,
            at=found.at,
            facts=found.facts,
            reused=found.reused,
        )
    return CheckDocument(
        name=result.name,
        result=result.result,
        text=result.text,
        fix=result.fix,
        duration_s=result.duration_s,
        evidence=evidence,
    )


def _document(
    app: str, environment: str, version: str | None, results: list[CheckResult]
) -> ValidationDocument:
    bad = [r for r in results if r.blocks]
    about = f"{version} in {environment}" if version else environment
    word = "ready" if not bad else f"not ready: {bad[0].name}: {bad[0].text}"
    return ValidationDocument(
        app=app,
        environment=environment,
        version=version,
        ready=not bad,
        pending=False,
        commit=_about(results, "git:"),
        artifact=_about(results, "sha256:"),
        checks=[check_document(r) for r in results],
        summary=f"{about}: {word}",
        next=["plan_deployment"] if not bad else [r.fix for r in bad if r.fix],
    )


def _pending(app: str, environment: str, version: str | None) -> ValidationDocument:
    return ValidationDocument(
        app=app,
        environment=environment,
        version=version,
        ready=False,
        pending=True,
        commit=None,
        artifact=None,
        checks=[],
        summary=f"{version or environment}: its checks still run",
        next=["validate again: it waits for the same answer"],
    )


def _about(results: list[CheckResult], kind: str) -> str | None:
    """The commit, or the digest of the artifact, that was asked about."""
    names = ("tests", "security", "artifact", "signature")
    for result in results:
        found = result.evidence
        if result.name in names and found is not None and found.about.startswith(kind):
            return found.about
    return None
