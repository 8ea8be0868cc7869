"""A site: one environment with its provider, as the engine and the operations use it."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from orchestrate.core.environment import Environment
from orchestrate.core.protocols import Provider, ProviderFactory
from orchestrate.core.revision import Revision
from orchestrate.providers import named
from orchestrate.store import environments, revisions
from orchestrate.store.database import Session
from orchestrate.store.tables import EnvironmentRow


@dataclass(frozen=True)
class Site:
    """Where a deployment happens."""

    id: int
    environment: Environment
    provider: Provider


def site_of(row: EnvironmentRow, home: Path, revision: Revision | None = None) -> Site:
    """The site of an environment; with `revision`, as that revision configures it."""
    environment = environments.as_environment(row)
    if revision is not None:
        environment = environment.model_copy(
            update={
                "config": revision.config,
                "variables": revision.variables,
                "health": revision.health,
            }
        )
    assert row.id is not None
    return Site(row.id, environment, provider_of(environment, home))


def provider_of(environment: Environment, home: Path) -> Provider:
    """The provider of an environment. Raises UnknownProvider, ProviderUnavailable, and
    ProviderConfigInvalid for settings it cannot work with."""
    return _factory(environment.provider)(environment, str(home))


@cache
def _factory(name: str) -> ProviderFactory:
    # Reading the entry points of every installed distribution takes tens of milliseconds.
    return named(name)


def revision_of(session: Session, environment_id: int, key: str) -> Revision | None:
    """The recorded revision with this key, in full."""
    row = revisions.by_key(session, environment_id, key)
    return revisions.as_revision(row) if row else None
