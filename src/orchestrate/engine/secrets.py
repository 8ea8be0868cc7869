"""The secrets of one environment: from our own store, or from where the environment keeps them."""

import hmac
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from orchestrate.core.audit import AuditEvent
from orchestrate.core.environment import Environment, SecretSource
from orchestrate.core.errors import OrchestrateError, SecretMissing, SecretUnreadable
from orchestrate.core.secret import Secret
from orchestrate.core.secret_rules import for_application, is_short, parted, shown
from orchestrate.engine.revealed import note
from orchestrate.providers.secrets import Backend, backend
from orchestrate.store import audit, environments, secrets
from orchestrate.store.database import Session, Store
from orchestrate.store.tables import EnvironmentRow

_told: set[tuple[str, str, str]] = set()
"""Versions that did not open, and of which the trail has been told."""


class EnvironmentSecrets:
    """Reads at the moment it is asked, and keeps nothing but what the log must mask."""

    def __init__(self, environment: Environment, store: Store) -> None:
        self._environment, self._store = environment, store

    def get(self, name: str, version: str | None = None) -> Secret:
        """See core/protocols.Secrets. Raises SecretMissing, SecretUnreadable, SecretSourceDenied,
        SecretSourceDown; never gives another version than the one that was asked for."""
        if version is None:
            version = self.newest(name)
        source, number = parted(version)
        if source is not None:
            return note(self._backend(source).value(source, number))
        try:
            with self._store.session() as session:
                row = self._row(session, name)
                return note(secrets.get(session, self._store.keys, row, name, int(number)))
        except SecretUnreadable:
            self._tell_the_trail(name, number)
            raise

    def current(self) -> dict[str, str]:
        """The newest version of each secret that the application gets.

        Raises SecretMissing with every one that is missing, and what a backend raises.
        """
        names = for_application(self._environment)
        kept = self._kept()
        missing = [n for n in names if n not in kept and n not in self._environment.secret_sources]
        if missing:
            raise _all_missing(self._environment, missing)
        return {name: self.newest(name, kept) for name in names}

    def unreadable(self, pinned: Mapping[str, str]) -> list[str]:
        """Which of these versions cannot be had now, and why, in a line each."""
        found = []
        for name, version in pinned.items():
            try:
                self.get(name, version)
            except OrchestrateError as error:
                why = f": {error.why[0]}" if error.why else ""
                found.append(f"secret {name} {shown(version)} cannot be read{why}")
        return found

    def values(self, pinned: Iterable[Mapping[str, str]] = ()) -> Iterator[Secret]:
        """Every value that an application of this environment may know and that can be masked: all
        versions of our own store, the newest of each backend, and those in `pinned`."""
        with self._store.session() as session:
            row = environments.existing(session, self._environment)
            if row is not None:
                yield from [note(v) for v in secrets.values(session, self._store.keys, row)]
        elsewhere = {
            (name, version)
            for versions in pinned
            for name, version in versions.items()
            if parted(version)[0] is not None
        }
        for name in self._environment.secret_sources:
            elsewhere.add((name, self.newest(name)))
        for name, version in sorted(elsewhere):
            value = self.get(name, version)
            if not is_short(value):
                yield value

    def newest(self, name: str, kept: Mapping[str, int] | None = None) -> str:
        """Name of the newest version of a secret, wherever it is kept."""
        source = self._environment.secret_sources.get(name)
        if source is not None:
            return source.version(self._backend(source).newest(source))
        found = (self._kept() if kept is None else kept).get(name)
        if found is None:
            raise _all_missing(self._environment, [name])
        return str(found)

    def _tell_the_trail(self, name: str, number: str) -> None:
        """Once for each version and start of the service: it is looked at every few seconds."""
        subject = f"{self._environment.app}/{self._environment.name}"
        if (subject, name, number) in _told:
            return
        _told.add((subject, name, number))
        event = AuditEvent(
            action="secret.open",
            actor="orchestrate",
            subject=subject,
            outcome="refused",
            details={"secret": name, "version": int(number)},
        )
        with self._store.session() as session:
            audit.append(session, event)

    def _kept(self) -> dict[str, int]:
        with self._store.session() as session:
            row = environments.existing(session, self._environment)
            return secrets.newest(session, row) if row is not None else {}

    def _row(self, session: Session, name: str) -> EnvironmentRow:
        row = environments.existing(session, self._environment)
        if row is None:
            raise _all_missing(self._environment, [name])
        return row

    def _backend(self, source: SecretSource) -> Backend:
        settings = {str(k): v for k, v in self._environment.secret_backends.items()}
        return backend(source.backend, settings, os.environ, partial(_fingerprint, self._store))


def _fingerprint(store: Store, value: str) -> str:
    """A number for a value, that tells nothing about it to whoever has no master key."""
    with store.session() as session:
        key = store.keys.subkey(session, "secrets/fingerprint")
    return hmac.new(key, value.encode("utf-8", "surrogatepass"), "sha256").hexdigest()[:16]


def _all_missing(environment: Environment, names: list[str]) -> SecretMissing:
    what = "secret" if len(names) == 1 else "secrets"
    given = len(for_application(environment)) - len(names)
    return SecretMissing(
        f"{environment.name} has no {what} {', '.join(names)}, and it names "
        f"{'it' if len(names) == 1 else 'them'}",
        why=[f"{given} of the {len(for_application(environment))} it names have a value"],
        fix=[
            f"orchestrate secrets set {name} --env {environment.name}      (asks for the value)"
            for name in names
        ],
        details={"name": names[0]},
    )
