"""AWS as the two backends there ask it: clients, and its errors in our words."""

from typing import TYPE_CHECKING

from orchestrate.core.environment import BackendSettings, SecretSource
from orchestrate.core.errors import OrchestrateError, SecretSourceDenied, SecretSourceDown
from orchestrate.providers.secrets.missing import missing

if TYPE_CHECKING:
    from boto3.session import Session
    from botocore.config import Config

CONNECT_S, READ_S, TRIES = 3, 10, 3
_GONE = frozenset({"ResourceNotFoundException", "ParameterNotFound", "ParameterVersionNotFound"})
_DELETED = "InvalidRequestException"
"""Secrets Manager: the secret is marked for deletion."""
_BUSY = frozenset(
    {"ThrottlingException", "TooManyRequestsException", "InternalServiceError",
     "InternalServerError", "InternalFailure", "ServiceUnavailable", "RequestLimitExceeded"}
)  # fmt: skip


def session(settings: BackendSettings) -> "tuple[Session, Config]":
    """The service's own AWS configuration, with limits on the time it takes."""
    import boto3
    from botocore.config import Config

    limits = Config(
        connect_timeout=CONNECT_S, read_timeout=READ_S, retries={"total_max_attempts": TRIES}
    )
    return boto3.Session(profile_name=settings.profile, region_name=settings.region), limits


def named(error: Exception, source: SecretSource, number: str | None, right: str) -> Exception:
    """What AWS said, in our words; `right` is the permission that is needed. Texts of AWS stay
    out: they hold account numbers."""
    from botocore.exceptions import BotoCoreError, ClientError

    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "unknown")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _GONE or code == _DELETED:
            why = f"AWS answered {code}; AWS removes versions that nothing refers to after a while"
            return missing(source, number, why, "keep it there, or deploy with the newest version")
        if code in _BUSY or status >= 500:
            return _down(code, source)
        return SecretSourceDenied(
            f"AWS does not give {source.text}: {code}",
            why=["asked with the service's own identity"],
            fix=[f"allow {right}, and kms:Decrypt on its key, to that identity"],
        )
    if isinstance(error, BotoCoreError):
        kind = type(error).__name__
        if kind in ("NoCredentialsError", "NoRegionError", "ProfileNotFound"):
            return SecretSourceDenied(
                f"AWS cannot be asked for {source.text}: {kind}",
                why=["the service has no AWS identity, region or profile of that name"],
                fix=["start the service with AWS_PROFILE and AWS_REGION, or where it has a role"],
            )
        return _down(kind, source)
    return error


def _down(what: str, source: SecretSource) -> OrchestrateError:
    return SecretSourceDown(
        f"AWS does not answer for {source.text}: {what}",
        why=["nothing is used in its place; what runs goes on"],
        fix=["do it again"],
        retry_after_s=5,
    )
