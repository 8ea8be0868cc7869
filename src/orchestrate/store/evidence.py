"""Evidence: what checks looked at, kept with the deployment it was for, and used again while it is
fresh and about the same commit or digest, asked in the same way."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import JsonValue
from sqlalchemy import JSON, Column, Index, delete
from sqlmodel import Field, col, select

from orchestrate.core.check import CheckResult, Evidence
from orchestrate.store.database import Session
from orchestrate.store.tables import Base, now


class EvidenceRow(Base, table=True):
    """One answer of one check, with what it stands on. Never changed."""

    __tablename__ = "evidence"
    __table_args__ = (
        Index("ix_evidence_deployment", "deployment", "id"),
        Index("ix_evidence_about", "environment_id", "name", "about", "looked_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    environment_id: int = Field(foreign_key="environments.id")
    deployment: int | None = Field(default=None, foreign_key="deployments.seq")
    """None: somebody asked before there was one."""
    name: str
    result: str
    text: str
    fix: str | None = None
    duration_s: float
    about: str | None = None
    source: str | None = None
    looked_at: datetime | None = None
    facts: dict[str, JsonValue] = Field(sa_column=Column(JSON, nullable=False))
    settings: str
    """Digest of the `checks` it was asked by."""
    reused: bool = False
    recorded_at: datetime = Field(default_factory=now)


def record(
    session: Session,
    environment_id: int,
    results: Sequence[CheckResult],
    settings: str,
    deployment: int | None = None,
) -> None:
    """Keep the answers of one validation; once for each deployment, however often it is asked."""
    if deployment is not None and of_deployment(session, deployment):
        return
    for each in results:
        found = each.evidence
        row = EvidenceRow(
            environment_id=environment_id,
            deployment=deployment,
            name=each.name,
            result=each.result,
            text=each.text,
            fix=each.fix,
            duration_s=each.duration_s,
            about=found.about if found else None,
            source=found.source if found else None,
            looked_at=found.at if found else None,
            facts=found.facts if found else {},
            settings=settings,
            reused=found.reused if found else False,
        )
        session.add(row)
    session.flush()


def fresh(
    session: Session,
    environment_id: int,
    name: str,
    about: str,
    settings: str,
    since: datetime,
    until: datetime,
) -> CheckResult | None:
    """The newest pass of the check `name` about that very commit or digest, asked by the same
    settings, and looked at between `since` and `until`; None when there is none."""
    statement = (
        select(EvidenceRow)
        .where(col(EvidenceRow.environment_id) == environment_id)
        .where(col(EvidenceRow.name) == name)
        .where(col(EvidenceRow.about) == about)
        .where(col(EvidenceRow.looked_at) >= since)
        .where(col(EvidenceRow.looked_at) <= until)
        .where(col(EvidenceRow.settings) == settings)
        .order_by(col(EvidenceRow.looked_at).desc(), col(EvidenceRow.id).desc())
        .limit(1)
    )
    row = session.exec(statement).first()
    if row is None or row.result != "pass":
        return None  # what failed since is asked again
    return as_result(row, reused=True)


def of_deployment(session: Session, deployment: int) -> list[CheckResult]:
    """What was known when a deployment began, in the order it was asked."""
    statement = (
        select(EvidenceRow)
        .where(col(EvidenceRow.deployment) == deployment)
        .order_by(col(EvidenceRow.id))
    )
    return [as_result(row) for row in session.exec(statement)]


def forget(session: Session, environment_id: int) -> None:
    """Remove what was asked about an environment that never had a deployment."""
    session.exec(delete(EvidenceRow).where(col(EvidenceRow.environment_id) == environment_id))
    session.flush()


def as_result(row: EvidenceRow, *, reused: bool | None = None) -> CheckResult:
    """The row as it was answered."""
    evidence = None
    if row.about is not None and row.source is not None and row.looked_at is not None:
        evidence = Evidence(
            about=row.about,
            source=row.source,
            at=row.looked_at,
            facts=row.facts,
            reused=row.reused if reused is None else reused,
        )
    return CheckResult(
        name=row.name,
        result=row.result if row.result in ("pass", "fail", "skipped") else "error",  # type: ignore[arg-type]
        text=row.text,
        fix=row.fix,
        duration_s=row.duration_s,
        evidence=evidence,
    )
