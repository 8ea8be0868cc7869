"""A site: one environment with its provider, as the engine and the operations use it."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from orchestrate.core.environment import Environment
from orchestrate.core.errors import SecretMissing
from orchestrate.core.metrics import Metrics
from orchestrate.core.protocols import MetricSource, Provider, ProviderFactory, Secrets
from orchestrate.core.revision import Revision
from orchestrate.core.secret import Secret
from orchestrate.providers import named
from orchestrate.providers.metrics import source_of
from orchestrate.store import environments, revisions
from orchestrate.store.database import Session, Store
from orchestrate.store.tables import EnvironmentRow

MOST_SOURCES = 32
_sources: dict[tuple[str, str, str, str], MetricSource] = {}
"""Metric sources in use, the one that was used last at the end."""


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
    metrics: MetricSource | None = None
    """What the analysis of a canary here is asked of, beside the provider."""


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
    policy = environment.strategy.analyse
    return Site(
        row.id,
        environment,
        provider_of(environment, place),
        metrics_of(policy.metrics, environment, place),
    )


def provider_of(environment: Environment, place: Place) -> Provider:
    """The provider of an environment. Raises UnknownProvider, ProviderUnavailable, and
    ProviderConfigInvalid for settings it cannot work with."""
    return _factory(environment.provider)(
        environment, str(place.home), secrets_of(environment, place)
    )


def metrics_of(
    metrics: Metrics | None, environment: Environment, place: Place
) -> MetricSource | None:
    """The source of these metrics; one is kept, with its connections and its token."""
    if metrics is None:
        return None
    key = (str(place.home), environment.app, environment.name, metrics.model_dump_json())
    found = _sources.pop(key, None) or source_of(
        metrics, environment, secrets_of(environment, place)
    )
    _sources[key] = found
    while len(_sources) > MOST_SOURCES:
        _sources.pop(next(iter(_sources)))
    return found


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
