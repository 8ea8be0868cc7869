"""A site: one environment with its provider, as the engine and the operations use it."""

import logging
import threading
import time
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from orchestrate.core.environment import Environment
from orchestrate.core.errors import OrchestrateError
from orchestrate.core.metrics import Metrics
from orchestrate.core.protocols import MetricSource, Provider, ProviderFactory, Restorable
from orchestrate.core.revision import Revision
from orchestrate.core.secret import Secret
from orchestrate.engine.masking import masking, masking_source
from orchestrate.engine.secrets import EnvironmentSecrets
from orchestrate.providers import named
from orchestrate.providers.metrics import source_of
from orchestrate.store import environments, revisions
from orchestrate.store.database import Session, Store
from orchestrate.store.tables import EnvironmentRow

log = logging.getLogger(__name__)

MOST_SOURCES = 32
KNOWN_FOR_S = 30.0
"""Time after which the values of an environment are read anew, to mask what is said there."""
_learnt: dict[tuple[str, str, str], tuple[float, bool]] = {}
"""When they were last read, and whether they ever could be."""
_sources: dict[tuple[str, str, str, str], MetricSource] = {}
"""Metric sources in use, the one that was used last at the end."""
_lock = threading.Lock()
"""Of the sources: every deployment looks for its own in a thread of its own."""


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
    secrets: EnvironmentSecrets
    metrics: MetricSource | None = None
    """What the analysis of a canary here is asked of, beside the provider."""

    def restorable(self, revision: Revision) -> Restorable:
        """Whether `revision` could be brought back, its secrets included: with the very versions
        it pins, and never with others. One that still runs has them already."""
        found = self.provider.restorable(revision)
        lost = self.secrets.unreadable(revision.secret_versions)
        pinned = len(revision.secret_versions)
        return replace(
            found,
            ok=found.ok and (found.running or not lost),
            lost=found.lost if found.running else (*found.lost, *lost),
            secrets=pinned,
            readable=pinned - len(lost),
        )


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
        secrets_of(environment, place),
        metrics_of(policy.metrics, environment, place),
    )


def provider_of(environment: Environment, place: Place) -> Provider:
    """The provider of an environment; what it says is masked. Raises UnknownProvider,
    ProviderUnavailable, and ProviderConfigInvalid for settings it cannot work with."""
    secrets = secrets_of(environment, place)
    provider = _factory(environment.provider)(environment, str(place.home), secrets)
    return masking(provider, partial(_known_values, environment, place))


def metrics_of(
    metrics: Metrics | None, environment: Environment, place: Place
) -> MetricSource | None:
    """The source of these metrics; one is kept, with its connections and its token."""
    if metrics is None:
        return None
    key = (str(place.home), environment.app, environment.name, metrics.model_dump_json())
    with _lock:
        found = _sources.get(key)
    # Made without the lock, since it may wait for the store, whose holder may wait for the lock.
    made = found or masking_source(
        source_of(metrics, environment, secrets_of(environment, place)),
        partial(_known_values, environment, place),
    )
    with _lock:
        found = _sources.pop(key, made)  # of two that were made at once the first is everyone's
        _sources[key] = found
        while len(_sources) > MOST_SOURCES:
            _sources.pop(next(iter(_sources)))
    return found


def secrets_of(environment: Environment, place: Place) -> EnvironmentSecrets:
    """The secrets of an environment, read when a provider asks for one."""
    return EnvironmentSecrets(environment, place.store)


def learn(environment: Environment, place: Place) -> bool:
    """Have this process know every value that may be said to it here, so that it is masked. False
    where some cannot be read, and none was known before. Whoever keeps them is asked seldom, the
    more so where they do not answer."""
    key = (str(place.home), environment.app, environment.name)
    at, known = _learnt.get(key, (-KNOWN_FOR_S, False))
    if time.monotonic() - at < KNOWN_FOR_S:
        return known
    try:
        _known_values(environment, place)
        known = True
    except OrchestrateError as error:
        log.warning("secrets of %s could not be read: %s", environment.name, error.message)
    _learnt[key] = time.monotonic(), known
    return known


def _known_values(environment: Environment, place: Place) -> list[Secret]:
    """What an application of this environment may print: those of the live and the kept revision
    too, wherever they are kept."""
    pinned = []
    with place.store.session() as session:
        row = environments.existing(session, environment)
        for number in (row.live_revision_id, row.kept_revision_id) if row else ():
            if number is not None:
                pinned.append(revisions.as_revision(revisions.get(session, number)).secret_versions)
    return list(secrets_of(environment, place).values(pinned))


@cache
def _factory(name: str) -> ProviderFactory:
    # Reading the entry points of every installed distribution takes tens of milliseconds.
    return named(name)


def revision_of(session: Session, environment_id: int, key: str) -> Revision | None:
    """The recorded revision with this key, in full."""
    row = revisions.by_key(session, environment_id, key)
    return revisions.as_revision(row) if row else None
