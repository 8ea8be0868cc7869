"""Every error of this program: one tree, one code a class, and codes never change.

    OrchestrateError
      PermanentError       the same call will fail again
        UsageProblem       what was asked for is wrong: names, versions, options (exit code 2)
        Refused            understood, and not allowed as things stand
        StepFailed         a step of a deployment ended badly
      TemporaryError       worth trying again, after `retry_after_s`
      NoDataError          neither pass nor fail: the answer is not known

`message` is one sentence, `why` holds facts, `fix` holds what to do next, commands as they can be
pasted. Only the outermost layer (a door of the service, the CLI) prints or exits.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar

Details = Mapping[str, str | int | float | bool | None]


class OrchestrateError(Exception):
    """Base of all. `code` names the class, `status` is the HTTP answer, `exit_code` the CLI's."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        why: Iterable[str] = (),
        fix: Iterable[str] = (),
        details: Details | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.why = tuple(why)
        self.fix = tuple(fix)
        self.details: Details = dict(details or {})
        self.retry_after_s = retry_after_s

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later without anything being changed."""
        return isinstance(self, TemporaryError)

    def as_dict(self) -> dict[str, object]:
        """The error as every door shows it (the `error` member of orchestrate.error.v1)."""
        return {
            "code": self.code,
            "message": self.message,
            "why": list(self.why),
            "fix": list(self.fix),
            "retryable": self.retryable,
            "retry_after_s": self.retry_after_s,
            "details": dict(self.details),
        }


class PermanentError(OrchestrateError):
    """The same call will fail again."""

    code = "permanent"


class TemporaryError(OrchestrateError):
    """Worth trying again."""

    code = "temporary"
    status = 503


class NoDataError(OrchestrateError):
    """The answer is not known; neither pass nor fail."""

    code = "no_data"
    status = 503


class ReportInvalid(NoDataError):
    """A report of another tool that cannot be read: nothing is known by it."""

    code = "report_invalid"


class UsageProblem(PermanentError):
    """What was asked for is wrong in itself."""

    code = "usage"
    status = 400
    exit_code = 2


class UnknownEnvironment(UsageProblem):
    code = "unknown_environment"
    status = 404


class AmbiguousEnvironment(UsageProblem):
    code = "ambiguous_environment"
    status = 409


class EnvironmentExists(UsageProblem):
    code = "environment_exists"
    status = 409


class UnknownDeployment(UsageProblem):
    code = "unknown_deployment"
    status = 404


class UnknownPlan(UsageProblem):
    code = "unknown_plan"
    status = 404


class UnknownProvider(UsageProblem):
    code = "unknown_provider"


class UnknownStrategy(UsageProblem):
    code = "unknown_strategy"


class VersionMalformed(UsageProblem):
    """A version is 1 to 128 characters of letters, digits and `. _ + -`, starting with a letter
    or a digit."""

    code = "version_malformed"


class ConfigInvalid(UsageProblem):
    """orchestrate.yaml is wrong; `why` holds every problem with file and line."""

    code = "config_invalid"


class InvalidInput(UsageProblem):
    """An argument is missing, of the wrong type, or not known."""

    code = "invalid_input"


class SecretInvalid(UsageProblem):
    """A name or a value that cannot be kept as a secret."""

    code = "secret_invalid"


class ConfirmationNeeded(UsageProblem):
    """The act needs a person's yes, and nobody can be asked here."""

    code = "confirmation_needed"
    status = 409


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


class UnknownApproval(UsageProblem):
    code = "unknown_approval"
    status = 404


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


class UnknownPerson(UsageProblem):
    code = "unknown_person"
    status = 404


class UnknownToken(UsageProblem):
    code = "unknown_token"
    status = 404


class LastAdministrator(Refused):
    """Nobody would be left who can give rights."""

    code = "last_administrator"


class HeadInvalid(UsageProblem):
    """What was given is not a signed head of an audit trail."""

    code = "head_invalid"


class KeyUnusable(PermanentError):
    """A key file is not as a key must be: its owner, its mode, its length."""

    code = "key_unusable"


class StoreDamaged(PermanentError):
    """The records are not as this program left them."""

    code = "store_damaged"


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
