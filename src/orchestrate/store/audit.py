"""The audit trail: appended in the transaction of what it tells of."""

from sqlmodel import Session

from orchestrate.core.audit import AuditEvent


def append(session: Session, event: AuditEvent) -> None:
    """Record `event`, in this transaction: what cannot be recorded does not happen."""
