"""AWS Secrets Manager: versions are UUIDs; the newest is the one with the stage AWSCURRENT."""

from orchestrate.core.environment import BackendSettings, SecretSource
from orchestrate.core.secret import Secret
from orchestrate.providers.secrets import amazon
from orchestrate.providers.secrets.missing import member

RIGHT = "secretsmanager:GetSecretValue"


class SecretsManager:
    """Asked with the service's own identity."""

    def __init__(self, settings: BackendSettings) -> None:
        self._settings = settings

    def newest(self, source: SecretSource) -> str:
        number, text = self._get(source, None)
        member(source, text)
        return number

    def value(self, source: SecretSource, number: str) -> Secret:
        return member(source, self._get(source, number)[1])

    def _get(self, source: SecretSource, number: str | None) -> tuple[str, str]:
        """The version's UUID, and what it holds."""
        try:
            session, limits = amazon.session(self._settings)
            client = session.client("secretsmanager", config=limits)
            if number is None:
                found = client.get_secret_value(SecretId=source.name)
            else:
                found = client.get_secret_value(SecretId=source.name, VersionId=number)
        except Exception as error:
            raise amazon.named(error, source, number, RIGHT) from None
        return found["VersionId"], found.get("SecretString") or found["SecretBinary"].decode()
