"""The service itself: what it is, whether its surroundings are in order, and its end."""

import os
import platform
import shutil
from typing import Literal

from orchestrate.core import words
from orchestrate.core.check import CheckResult
from orchestrate.core.errors import Forbidden, InvalidInput, OrchestrateError
from orchestrate.core.protection import rule_of
from orchestrate.engine.checks.disk import watermark
from orchestrate.engine.site import site_of
from orchestrate.store import approvers, deployments, environments
from orchestrate.store.database import Session
from orchestrate.store.tables import EnvironmentRow
from orchestrate.tools.documents import Document
from orchestrate.tools.operation import Arguments, Context
from orchestrate.tools.service_documents import DoctorDocument, ServiceDocument
from orchestrate.tools.validating import check_document


class Nothing(Arguments):
    """No arguments."""


class Retire(Arguments):
    version: str


class Retired(Document):
    schema_: Literal["orchestrate.retired.v1"] = "orchestrate.retired.v1"
    retired: bool
    """It ends now; false while deployments run."""


def get_service(context: Context, given: Nothing) -> ServiceDocument:
    """The running service."""
    service = context.service
    with service.store.session() as session:
        running = len(deployments.open_ones(session))
    return ServiceDocument(
        version=service.version,
        pid=os.getpid(),
        started_at=service.started_at,
        home=str(service.home),
        store=service.store.engine.dialect.name,
        store_schema=service.store.schema() or "",
        running=running,
        idle_exit_s=service.idle_exit_s,
    )


def stop_service(context: Context, given: Nothing) -> ServiceDocument:
    """End the service; what is deployed goes on."""
    document = get_service(context, given)
    context.service.stop()
    return document


def retire_service(context: Context, given: Retire) -> Retired:
    """End the service for another version, once idle. Asked by the programs on this machine, of
    whoever they are: the service that comes instead does all that this one does."""
    service = context.service
    if context.caller.door != "rest":
        raise Forbidden(
            "a service is retired on its own machine",
            why=["it is asked for by a program of another version, on the socket"],
            fix=["an administrator ends it there: orchestrate stop"],
        )
    if given.version == service.version:
        raise InvalidInput(
            f"this service is of version {service.version} itself",
            why=["it is retired for one of another version"],
            fix=["end it: orchestrate stop"],
        )
    # All of them, not only those that the caller may see.
    with service.place.store.within(()).session() as session:
        busy = bool(deployments.open_ones(session))
    if not busy:
        context.service.stop()
    return Retired(retired=not busy)


def doctor(context: Context, given: Nothing) -> DoctorDocument:
    """What deployments here will need, and whether it is there."""
    with context.service.store.session() as session:
        rows = environments.every(session)
        guarded = [_approvers(session, row) for row in rows]
    results = [_python(), _store(context), _disk(context), *filter(None, guarded)]
    seen: set[tuple[str, str]] = set()
    for row in rows:
        for result in _provider(context, row):
            if (result.name, result.text) not in seen:
                seen.add((result.name, result.text))
                results.append(result)
    return DoctorDocument(
        ok=not any(r.blocks for r in results),
        checks=[check_document(r) for r in results],
    )


def _approvers(session: Session, row: EnvironmentRow) -> CheckResult | None:
    """Whether there are people who can say yes; nothing where nobody has to."""
    rule = rule_of(environments.as_environment(row))
    if rule is None:
        return None
    where = f"{row.app}/{row.name}"
    found = approvers.able(session, None, rule.roles, where)
    lacks = words.too_few(found, rule.count, [role.value for role in rule.roles])
    if lacks:
        text, _, fix = lacks.partition("; ")
        return CheckResult(f"approvers ({row.name})", "fail", text, fix)
    return CheckResult(f"approvers ({row.name})", "pass", f"{found} can say yes, {rule.count} must")


def _python() -> CheckResult:
    return CheckResult("python", "pass", platform.python_version())


def _store(context: Context) -> CheckResult:
    store = context.service.store
    return CheckResult("store", "pass", f"{store.engine.dialect.name}, schema {store.schema()}")


def _disk(context: Context) -> CheckResult:
    free = shutil.disk_usage(context.service.home).free
    text = f"{free // 1024**2:,} MB free at {context.service.home}"
    if free < watermark():
        fix = f"free some space: new deployments are refused under {watermark() // 1024**2} MB"
        return CheckResult("disk", "fail", text, fix)
    return CheckResult("disk", "pass", text)


def _provider(context: Context, row: EnvironmentRow) -> list[CheckResult]:
    name = f"{row.provider} ({row.name})"
    try:
        findings = site_of(row, context.service.place).provider.probe()
    except OrchestrateError as error:
        return [CheckResult(name, "fail", error.message, next(iter(error.fix), None))]
    return [
        CheckResult(f"{name}: {f.name}", "pass" if f.ok else "fail", f.text, f.fix)
        for f in findings
    ]
