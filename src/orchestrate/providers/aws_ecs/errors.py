"""What AWS refuses, as errors of ours: temporary or not, with the delay and the way out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from orchestrate.core.errors import (
    OrchestrateError,
    ProviderUnavailable,
    RateLimited,
    StepFailed,
    TemporaryError,
)
from orchestrate.core.untrusted import clean

THROTTLED = frozenset(
    "Throttling ThrottlingException ThrottledException RequestThrottled RequestThrottledException"
    " TooManyRequestsException RequestLimitExceeded LimitExceeded.Rate RateExceeded".split()
)
BUSY = frozenset(
    "ServerException InternalServerError InternalFailure InternalServiceError ServiceUnavailable"
    " ServiceUnavailableException UpdateInProgressException ConflictException"
    " PriorRequestNotComplete".split()
)
NOT_ALLOWED = frozenset(
    "AccessDenied AccessDeniedException UnauthorizedOperation NotAuthorized"
    " AuthorizationError".split()
)
NOT_KNOWN = frozenset(
    "UnrecognizedClientException InvalidClientTokenId ExpiredToken ExpiredTokenException"
    " SignatureDoesNotMatch InvalidSignatureException MissingAuthenticationToken"
    " IncompleteSignature".split()
)
ABSENT = frozenset(
    "ClusterNotFoundException ServiceNotFoundException ServiceNotActiveException RuleNotFound"
    " TargetGroupNotFound ListenerNotFound ResourceNotFoundException RepositoryNotFoundException"
    " ImageNotFoundException ServiceDeploymentNotFoundException".split()
)
THROTTLED_S = 5.0
BUSY_S = 3.0


class Absent(Exception):
    """AWS has no such thing."""


class Exists(Exception):
    """It is there already."""


@contextmanager
def told(what: str) -> Iterator[None]:
    """Errors of AWS inside become ours; `what` was not done.

    Raises Absent, Exists, RateLimited, TemporaryError, ProviderUnavailable when we may not, and
    StepFailed for anything else that was refused.
    """
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        ConnectionError,
        HTTPClientError,
        ParamValidationError,
    )

    try:
        yield
    except ClientError as problem:
        raise _refused(what, problem) from problem
    except (ConnectionError, HTTPClientError) as problem:
        raise TemporaryError(
            f"AWS does not answer: {what}", why=[_short(str(problem))], retry_after_s=BUSY_S
        ) from problem
    except ParamValidationError as problem:
        raise StepFailed(f"AWS would not take it: {what}", why=[_short(str(problem))]) from problem
    except BotoCoreError as problem:
        raise ProviderUnavailable(
            f"AWS cannot be asked: {what}",
            why=[_short(str(problem))],
            fix=["see docs/providers/aws_ecs.md, Credentials"],
        ) from problem


def _refused(what: str, problem: object) -> Exception:
    answer = getattr(problem, "response", {})
    error = answer.get("Error", {})
    code, said = str(error.get("Code", "")), _short(str(error.get("Message", "")))
    operation = str(getattr(problem, "operation_name", ""))
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    why = [f"{operation}: {code}: {said}"]
    if code in THROTTLED or status == 429:
        return RateLimited(f"AWS is asked too often: {what}", why=why, retry_after_s=THROTTLED_S)
    if code in NOT_ALLOWED:
        return _not_allowed(what, operation, why)
    if code in NOT_KNOWN:
        return ProviderUnavailable(
            f"AWS does not know these credentials: {what}",
            why=why,
            fix=["give valid ones as the environment's secrets AWS_ACCESS_KEY_ID and so on"],
        )
    if code in ABSENT:
        return Absent(said or code)
    if code == "ParameterAlreadyExists":
        return Exists(said)
    if code in BUSY or status >= 500:
        return TemporaryError(f"AWS is not able to: {what}", why=why, retry_after_s=BUSY_S)
    return StepFailed(f"AWS refused: {what}", why=why, details={"code": code})


def _not_allowed(what: str, operation: str, why: list[str]) -> OrchestrateError:
    return ProviderUnavailable(
        f"these credentials may not call {operation}: {what}",
        why=why,
        fix=["allow what docs/providers/aws_ecs-policy.json allows, to the role or user"],
    )


def _short(said: str) -> str:
    return " ".join(clean(said).split())
