"""A site: one environment with its provider, as the engine and the operations use it."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from orchestrate.core.environment import Environment
from orchestrate.core.errors import SecretMissing
from orchestrate.core.protocols import Provider, ProviderFactory, Secrets
from orchestrate.core.revision import Revision
from orchestrate.core.secret import Secret
from orchestrate.providers import named
from orchestrate.store import environments, revisions
from orchestrate.store.database import Session, Store
from orchestrate.store.tables import EnvironmentRow


@dataclass(frozen=True)
class Place:
    """Where this service keeps things: its directory and its records."""

    home: Path
    store: Store


@dataclass(frozen=True)
class Site:
    """Where a deployment happens."""

    id: int
    environment: Environment
    provider: Provider


def site_of(row: EnvironmentRow, place: Place, revision: Revision | None = None) -> Site:
    """The site of an environment; with `revision`, as that revision configures it."""
    environment = environments.as_environment(row)
    if revision is not None:
        environment = environment.model_copy(
            update={
                "config": revision.config,
                "variables": revision.variables,
                "health": revision.health,
                "verify": revision.verify,
            }
        )
    assert row.id is not None
    return Site(row.id, environment, provider_of(environment, place))


def provider_of(environment: Environment, place: Place) -> Provider:
    """The provider of an environment. Raises UnknownProvider, ProviderUnavailable, and
    ProviderConfigInvalid for settings it cannot work with."""
    return _factory(environment.provider)(
        environment, str(place.home), secrets_of(environment, place)
    )


def secrets_of(environment: Environment, place: Place) -> Secrets:
    """The secrets of an environment, read when a provider asks for one."""
    return _NoSecrets(environment.name)


class _NoSecrets:
    def __init__(self, environment: str) -> None:
        self._environment = environment

    def get(self, name: str, version: str | None = None) -> Secret:
        raise SecretMissing(f"{self._environment} has no secret {name}")


@cache
def _factory(name: str) -> ProviderFactory:
    # Reading the entry points of every installed distribution takes tens of milliseconds.
    return named(name)


def revision_of(session: Session, environment_id: int, key: str) -> Revision | None:
    """The recorded revision with this key, in full."""
    row = revisions.by_key(session, environment_id, key)
    return revisions.as_revision(row) if row else None
