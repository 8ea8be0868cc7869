"""Where secrets are kept that are not in our own store: one file each.

What belongs here: asking a backend for a version and its value. What does not: which secrets an
environment has, and what happens when one is missing (engine).
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from orchestrate.core.environment import BackendSettings, SecretSource
from orchestrate.core.secret import Secret


class Backend(Protocol):
    """A place that keeps secrets in versions that never change."""

    def newest(self, source: SecretSource) -> str:
        """The number of the newest version. Raises SecretMissing, SecretSourceDenied,
        SecretSourceDown."""
        ...

    def value(self, source: SecretSource, number: str) -> Secret:
        """The value of that very version, never of another. Raises like `newest`."""
        ...


def backend(
    name: str,
    settings: Mapping[str, BackendSettings],
    environ: Mapping[str, str],
    fingerprint: Callable[[str], str],
) -> Backend:
    """The backend called `name`; `fingerprint` numbers values that have no versions."""
    match name:
        case "vault":
            from orchestrate.providers.secrets.vault import Vault

            return Vault(settings.get("vault", BackendSettings()), environ)
        case "aws":
            from orchestrate.providers.secrets.secrets_manager import SecretsManager

            return SecretsManager(settings.get("aws", BackendSettings()))
        case "ssm":
            from orchestrate.providers.secrets.parameters import Parameters

            return Parameters(settings.get("aws", BackendSettings()))
        case "env":
            from orchestrate.providers.secrets.variables import Variables

            kind, _, token = settings.get("vault", BackendSettings()).token.partition(":")
            return Variables(environ, fingerprint, {token} if kind == "env" else set())
    raise ValueError(f"no backend is called {name!r}")
