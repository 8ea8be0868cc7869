"""Secrets for a provider that is driven directly."""

from __future__ import annotations

from orchestrate.core.errors import SecretMissing
from orchestrate.core.secret import Secret


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
