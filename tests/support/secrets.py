"""Secrets for a provider that is driven directly."""

from __future__ import annotations

from orchestrate.core.environment import Environment
from orchestrate.core.errors import SecretMissing
from orchestrate.core.secret import Secret
from orchestrate.core.secret_rules import for_application


class NoSecrets:
    """An environment that has none."""

    def get(self, name: str, version: str | None = None) -> Secret:
        raise SecretMissing(f"there is no secret {name}")


class GivenSecrets:
    """An environment with these, in their only version `1`."""

    def __init__(self, **values: str) -> None:
        self._values = values

    def get(self, name: str, version: str | None = None) -> Secret:
        if name not in self._values or version not in (None, "1"):
            raise SecretMissing(f"there is no secret {name}, version {version or 'newest'}")
        return Secret(self._values[name])


def versions(environment: Environment) -> dict[str, str]:
    """What a revision of this environment pins: each secret of the application."""
    return dict.fromkeys(for_application(environment), "1")


def planted(environment: Environment) -> dict[str, str]:
    """As `versions`, by somebody who wants this program's own secrets in it, too."""
    return dict.fromkeys(environment.secrets, "1")
