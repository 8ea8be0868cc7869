"""What goes wrong while something is done, and the rest."""

from orchestrate.core.errors.base import NoDataError, PermanentError, TemporaryError


class ReportInvalid(NoDataError):
    """A report of another tool that cannot be read: nothing is known by it."""

    code = "report_invalid"


class StepFailed(PermanentError):
    """A step of a deployment ended badly."""

    code = "step_failed"


class PortTaken(StepFailed):
    code = "port_taken"


class ExitedAtOnce(StepFailed):
    """A started process ended before it was healthy."""

    code = "exited"


class Unhealthy(StepFailed):
    code = "unhealthy"


class AnalysisAbort(StepFailed):
    code = "analysis_abort"


class NoVerdict(StepFailed):
    """The analysis reached its horizon without proof for or against the release."""

    code = "no_verdict"


class VerificationFailed(StepFailed):
    code = "verification_failed"


class MigrationFailed(StepFailed):
    """A migration did not run to its end. What it did stays; nothing else was changed by it."""

    code = "migration_failed"


class NotTakenBack(StepFailed):
    """Everything was undone, and what was live before is still not what serves."""

    code = "not_taken_back"


class DeadlineExceeded(StepFailed):
    code = "deadline"


class Cancelled(StepFailed):
    code = "cancelled"


class EdgeFailed(StepFailed):
    """The traffic shifter did not take a change, or cannot run."""

    code = "edge_failed"


class FieldConflict(StepFailed):
    """Another writer of the platform owns a field that a deployment sets; `why` names both."""

    code = "field_conflict"


class FencedOut(PermanentError):
    """A write came with a number lower than one already carried out: somebody newer is at work."""

    code = "fenced_out"


class KeyUnusable(PermanentError):
    """A key file is not as a key must be: its owner, its mode, its length."""

    code = "key_unusable"


class StoreDamaged(PermanentError):
    """The records are not as this program left them."""

    code = "store_damaged"


class StoreUnreachable(TemporaryError):
    """The database of the records does not answer, or has no connection to spare."""

    code = "store_unreachable"


class SecretSourceDown(TemporaryError):
    """Where a secret or a master key is kept does not answer, or is sealed, or is busy."""

    code = "secret_source_down"


class ServiceUnreachable(TemporaryError):
    code = "service_unreachable"


class OutboundFailed(TemporaryError):
    code = "outbound_failed"
    status = 502


class MetricsUnavailable(TemporaryError):
    """A metric source gave no answer, or only a part of one."""

    code = "metrics_unavailable"


class RateLimited(TemporaryError):
    code = "rate_limited"
    status = 429
