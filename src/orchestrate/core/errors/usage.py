"""What was asked for is wrong in itself."""

from orchestrate.core.errors.base import PermanentError


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


class KeyUsedOtherwise(UsageProblem):
    """An idempotency key that has led to another deployment already."""

    code = "idempotency_key_used"
    status = 409


class UnknownApproval(UsageProblem):
    code = "unknown_approval"
    status = 404


class UnknownPerson(UsageProblem):
    code = "unknown_person"
    status = 404


class UnknownToken(UsageProblem):
    code = "unknown_token"
    status = 404


class HeadInvalid(UsageProblem):
    """What was given is not a signed head of an audit trail."""

    code = "head_invalid"
