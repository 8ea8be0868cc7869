"""Documents as the service answers them, for screens and for a service that only pretends.

A test holds each to its model, so that none of them can be of a service that does not exist.
"""

from tests.support.documents.analyses import ANALYSIS
from tests.support.documents.answers import (
    CHANGES,
    DELETED,
    DOCTOR,
    LOGS,
    READY,
    SERVICE,
    VALIDATION,
    check,
    error,
)
from tests.support.documents.approvals import (
    APPROVAL,
    APPROVALS,
    APPROVED,
    DECIDED,
    GLASS,
    WAITING,
)
from tests.support.documents.base import CLAUDE, DANA, DIGEST, Doc, changed
from tests.support.documents.deployments import (
    HISTORY,
    REFUSED,
    ROLLED_BACK,
    RUNNING,
    RUNNING_STEPS,
    SUCCEEDED,
    event,
    follow,
    row,
    step,
)
from tests.support.documents.environments import (
    BUSY,
    ENVIRONMENT,
    LIVE,
    NOTHING,
    OVERVIEW,
    PLAN,
    SETTINGS,
    TARGET,
)

__all__ = [
    "ANALYSIS",
    "APPROVAL",
    "APPROVALS",
    "APPROVED",
    "BUSY",
    "CHANGES",
    "CLAUDE",
    "DANA",
    "DECIDED",
    "DELETED",
    "DIGEST",
    "DOCTOR",
    "ENVIRONMENT",
    "GLASS",
    "HISTORY",
    "LIVE",
    "LOGS",
    "NOTHING",
    "OVERVIEW",
    "PLAN",
    "READY",
    "REFUSED",
    "ROLLED_BACK",
    "RUNNING",
    "RUNNING_STEPS",
    "SERVICE",
    "SETTINGS",
    "SUCCEEDED",
    "TARGET",
    "VALIDATION",
    "WAITING",
    "Doc",
    "changed",
    "check",
    "error",
    "event",
    "follow",
    "row",
    "step",
]
