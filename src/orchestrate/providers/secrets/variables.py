"""Secrets in the environment of the service.

Variables have no versions, so a value is numbered by a keyed fingerprint of it: a revision that
was made with another value finds that it is gone, and never gets the new one in its place.
"""

from collections.abc import Callable, Mapping

from orchestrate.core.environment import SecretSource
from orchestrate.core.secret import Secret
from orchestrate.providers.secrets.missing import missing


class Variables:
    """The variables that whoever starts the service gives it."""

    def __init__(self, environ: Mapping[str, str], fingerprint: Callable[[str], str]) -> None:
        self._environ, self._fingerprint = environ, fingerprint

    def newest(self, source: SecretSource) -> str:
        return self._fingerprint(self._text(source, None))

    def value(self, source: SecretSource, number: str) -> Secret:
        text = self._text(source, number)
        if self._fingerprint(text) != number:
            raise missing(
                source, number, "the variable has another value now", "start the service with it"
            )
        return Secret(text)

    def _text(self, source: SecretSource, number: str | None) -> str:
        text = self._environ.get(source.name)
        if not text:
            why = "the service was started without this variable"
            raise missing(source, number, why, f"export {source.name}=..., then start the service")
        return text
