"""What this client reads is what the service writes."""

from __future__ import annotations

import typing
from types import GenericAlias, UnionType
from typing import Any, is_typeddict

import pytest
from pydantic import BaseModel

from orchestrate.cli import approval_documents as approvals
from orchestrate.cli import documents as read
from orchestrate.cli import trust_documents as trust
from orchestrate.tools import access_documents, audit_documents, secret_documents
from orchestrate.tools import documents as written
from orchestrate.tools import environment_documents as of_environments
from orchestrate.tools import service_documents as of_service
from orchestrate.tools.analysis_documents import AnalysisDocument
from orchestrate.tools.approval_documents import ApprovalDocument, ApprovalList
from orchestrate.tools.migrations import MigrationsDocument
from orchestrate.tools.validation_documents import ValidationDocument
from tests.support import documents as canned

pytestmark = pytest.mark.unit

PAIRS: dict[type, type[BaseModel]] = {
    read.Overview: written.OverviewDocument,
    read.Environment: written.EnvironmentDocument,
    read.EnvironmentChanges: of_environments.EnvironmentChanges,
    read.DeletedEnvironment: of_environments.DeletedEnvironment,
    read.Plan: written.PlanDocument,
    read.Validation: ValidationDocument,
    read.Deployment: written.DeploymentDocument,
    read.DeploymentList: written.DeploymentList,
    approvals.Approval: ApprovalDocument,
    approvals.ApprovalList: ApprovalList,
    read.Follow: written.FollowDocument,
    read.Analysis: AnalysisDocument,
    read.Logs: written.LogDocument,
    read.SecretList: secret_documents.SecretList,
    read.SecretSet: secret_documents.SecretSet,
    read.SecretRemoved: secret_documents.SecretRemoved,
    read.MasterKeyRotated: secret_documents.MasterKeyRotated,
    read.Migrations: MigrationsDocument,
    read.Service: of_service.ServiceDocument,
    read.Doctor: of_service.DoctorDocument,
    trust.AuditList: audit_documents.AuditList,
    trust.AuditReport: audit_documents.AuditReport,
    trust.AcceptedRestore: audit_documents.AcceptedRestore,
    trust.Access: access_documents.AccessDocument,
    trust.People: access_documents.PeopleDocument,
    trust.PersonAnswer: access_documents.PersonAnswer,
    trust.TokenList: access_documents.TokenList,
    trust.MadeToken: access_documents.MadeToken,
    trust.RevokedToken: access_documents.RevokedToken,
}
CANNED: list[tuple[type[BaseModel], canned.Doc]] = [
    (written.DeploymentDocument, canned.RUNNING),
    (written.DeploymentDocument, canned.SUCCEEDED),
    (written.DeploymentDocument, canned.REFUSED),
    (written.DeploymentDocument, canned.ROLLED_BACK),
    (written.DeploymentDocument, canned.WAITING),
    (written.DeploymentDocument, canned.APPROVED),
    (ApprovalDocument, canned.APPROVAL),
    (ApprovalDocument, canned.DECIDED),
    (ApprovalDocument, canned.GLASS),
    (ApprovalList, canned.APPROVALS),
    (written.PlanDocument, canned.PLAN),
    (written.EnvironmentDocument, canned.changed(canned.ENVIRONMENT, settings=canned.SETTINGS)),
    (written.OverviewDocument, canned.OVERVIEW),
    (written.DeploymentList, canned.HISTORY),
    (ValidationDocument, canned.VALIDATION),
    (AnalysisDocument, canned.ANALYSIS),
    (written.LogDocument, canned.LOGS),
    (of_service.ServiceDocument, canned.SERVICE),
    (of_service.DoctorDocument, canned.DOCTOR),
    (of_environments.EnvironmentChanges, canned.CHANGES),
    (of_environments.DeletedEnvironment, canned.DELETED),
    (written.FollowDocument, canned.follow(canned.RUNNING, canned.event(1, "start", "done"))),
]


@pytest.mark.parametrize("mine", PAIRS)
def test_every_field_that_is_read_is_written(mine: type) -> None:
    assert list(_missing(mine, PAIRS[mine], mine.__name__)) == []


@pytest.mark.parametrize("number", range(len(CANNED)))
def test_the_documents_of_these_tests_are_the_service_s(number: int) -> None:
    model, document = CANNED[number]
    fields = {k: v for k, v in document.items() if k != "schema"}
    model.model_validate(fields)
    names = {name.rstrip("_") for name in model.model_fields}
    assert set(document) == names


def _missing(mine: type, model: type[BaseModel], path: str) -> typing.Iterator[str]:
    hints = typing.get_type_hints(mine)
    for name, hint in hints.items():
        field = model.model_fields.get(name)
        if field is None:
            yield f"{path}.{name}"
            continue
        inner, theirs = _record(hint, is_typeddict), _record(field.annotation, _is_model)
        if inner is not None and theirs is not None:
            yield from _missing(inner, theirs, f"{path}.{name}")


def _is_model(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, BaseModel)


def _record(hint: Any, wanted: typing.Callable[[Any], bool]) -> Any:
    """The record type inside `list[X]`, `X | None` and the like."""
    if isinstance(hint, GenericAlias | UnionType) or typing.get_origin(hint) is not None:
        found = [_record(part, wanted) for part in typing.get_args(hint)]
        return next((part for part in found if part is not None), None)
    return hint if wanted(hint) else None
