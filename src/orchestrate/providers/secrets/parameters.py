"""AWS Systems Manager's parameter store: versions are numbers, the last hundred are kept."""

from orchestrate.core.environment import BackendSettings, SecretSource
from orchestrate.core.secret import Secret
from orchestrate.providers.secrets import amazon

RIGHT = "ssm:GetParameter"


class Parameters:
    """Asked with the service's own identity; SecureStrings come decrypted."""

    def __init__(self, settings: BackendSettings) -> None:
        self._settings = settings

    def newest(self, source: SecretSource) -> str:
        return self._get(source, None)[0]

    def value(self, source: SecretSource, number: str) -> Secret:
        return Secret(self._get(source, number)[1])

    def _get(self, source: SecretSource, number: str | None) -> tuple[str, str]:
        name = source.name if number is None else f"{source.name}:{number}"
        try:
            session, limits = amazon.session(self._settings)
            client = session.client("ssm", config=limits)
            found = client.get_parameter(Name=name, WithDecryption=True)["Parameter"]
        except Exception as error:
            raise amazon.named(error, source, number, RIGHT) from None
        return str(found["Version"]), found["Value"]
