"""Understood, and not allowed as things stand."""

from orchestrate.core.errors.base import PermanentError


class Refused(PermanentError):
    """Understood, and not allowed as things stand."""

    code = "refused"
    status = 409


class ArtifactMissing(Refused):
    code = "artifact_missing"
    status = 404


class ArtifactInvalid(Refused):
    """The artifact is there and cannot be used: broken archive, forbidden entry, too large."""

    code = "artifact_invalid"
    status = 422


class Unsigned(Refused):
    code = "unsigned"
    status = 422


class SignatureInvalid(Refused):
    """There is a signature, and it does not hold: another key, digest, identity or log entry."""

    code = "signature_invalid"
    status = 422


class WindowClosed(Refused):
    code = "window_closed"


class StrategyUnsupported(Refused):
    code = "strategy_unsupported"
    status = 422


class ProviderUnavailable(Refused):
    """The provider cannot be used here; `fix` says what provides it."""

    code = "provider_unavailable"
    status = 422


class ProviderConfigInvalid(Refused):
    """The environment's `config` is not what its provider needs."""

    code = "provider_config_invalid"
    status = 422


class EnvironmentBusy(Refused):
    code = "environment_busy"


class PlanChanged(Refused):
    code = "plan_changed"


class NothingToDo(Refused):
    code = "nothing_to_do"


class ApprovalRequired(Refused):
    code = "approval_required"
    status = 403


class NotApprover(Refused):
    """Whoever asks may not decide this: no role for it here, or no proof of who they are."""

    code = "not_approver"
    status = 403


class SelfApproval(Refused):
    """Who asks for a change, or has it asked for by an agent, does not approve it."""

    code = "self_approval"
    status = 403


class ApprovalInvalid(Refused):
    """A signature, or a record of an approval, that does not verify."""

    code = "approval_invalid"
    status = 403


class ApprovalRejected(Refused):
    code = "approval_rejected"


class ApprovalExpired(Refused):
    """Nobody said yes in time, which never means yes."""

    code = "approval_expired"


class Forbidden(Refused):
    """Whoever asks is known, and does not have the role for it."""

    code = "forbidden"
    status = 403


class SecretMissing(Refused):
    code = "secret_missing"


class SecretUnreadable(Refused):
    """It is kept, and its seal does not open: changed, swapped or damaged."""

    code = "secret_unreadable"


class SecretSourceDenied(Refused):
    """Where a secret or a master key is kept does not give it to this service."""

    code = "secret_source_denied"


class MasterKeyMissing(Refused):
    """Something is sealed, and the key that opens it is not at hand."""

    code = "master_key_missing"


class MasterKeyInvalid(Refused):
    """There is a master key, and it cannot be trusted: its length, its file, its owner."""

    code = "master_key_invalid"


class RotationNeeded(Refused):
    """The master key has sealed as often as is safe."""

    code = "rotation_needed"


class Quarantined(Refused):
    code = "quarantined"


class NoRollbackTarget(Refused):
    code = "no_rollback_target"


class NotRestorable(Refused):
    code = "not_restorable"


class NotNow(Refused):
    """The deployment is not in a state in which this can be done."""

    code = "not_now"


class MetricsMissing(Refused):
    """A canary is to be analysed and nothing counts its requests."""

    code = "metrics_missing"
    status = 422


class MetricsInvalid(Refused):
    """A metric's query cannot be asked as it stands, or cannot tell two revisions apart."""

    code = "metrics_invalid"
    status = 422


class BaselineUnhealthy(Refused):
    """What is live is over the limit itself, so no release could be judged by it."""

    code = "baseline_unhealthy"


class MetricSourceRefused(Refused):
    """A metric source refuses the question, or whoever asks it; the same question fails again."""

    code = "metric_source_refused"
    status = 422


class VerdictOutOfReach(Refused):
    """At today's traffic the analysis cannot come to a verdict before its horizon."""

    code = "verdict_out_of_reach"


class DiskFull(Refused):
    code = "disk_full"
    status = 507


class ReadOnly(Refused):
    code = "read_only"
    status = 403


class OutboundRefused(Refused):
    """A url of the configuration leads where the service does not ask."""

    code = "outbound_refused"
    status = 403


class Misdirected(Refused):
    """The request names a host that this service is not."""

    code = "misdirected"
    status = 421


class Unauthenticated(Refused):
    """Nobody knows who asks: no credential, or none that is good here."""

    code = "unauthenticated"
    status = 401


class LastAdministrator(Refused):
    """Nobody would be left who can give rights."""

    code = "last_administrator"
