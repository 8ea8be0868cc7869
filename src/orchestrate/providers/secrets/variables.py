"""Secrets in the environment of the service.

Variables have no versions, so a value is numbered by a keyed fingerprint of it: a revision that
was made with another value finds that it is gone, and never gets the new one in its place.
"""

from collections.abc import Callable, Collection, Mapping

from orchestrate.core.environment import SecretSource
from orchestrate.core.errors import SecretSourceDenied
from orchestrate.core.secret import Secret
from orchestrate.core.secret_rules import is_services_own
from orchestrate.providers.secrets.missing import missing


class Variables:
    """The variables that whoever starts the service gives it."""

    def __init__(
        self,
        environ: Mapping[str, str],
        fingerprint: Callable[[str], str],
        withheld: Collection[str] = (),
    ) -> None:
        """`withheld` are variables of the service's own, besides those that are known to be."""
        self._environ, self._fingerprint, self._withheld = environ, fingerprint, withheld

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
        if is_services_own(source.name) or source.name in self._withheld:
            raise SecretSourceDenied(
                f"{source.text} is the service's own",
                why=["what the service is let in with is given to no application"],
                fix=["keep a secret of the application's own, under another name"],
            )
        text = self._environ.get(source.name)
        if not text:
            why = "the service was started without this variable"
            raise missing(source, number, why, f"export {source.name}=..., then start the service")
        return text
