"""Asking what there is to migrate, and carrying one migration out.

The commands run on this machine, with the environment's variables and secrets, in the directory of
orchestrate.yaml. Whoever runs one holds the environment, so no two run at once.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import JsonValue, ValidationError

from orchestrate.core.environment import Environment
from orchestrate.core.errors import MigrationFailed, SecretMissing
from orchestrate.core.migrations import Migration, MigrationPhase, pending, phase_of
from orchestrate.core.protocols import Secrets
from orchestrate.core.redact import Redactor
from orchestrate.core.secret import Secret
from orchestrate.core.secret_rules import for_application
from orchestrate.engine.commands import Ran, filled, run

ASKING_S = 30.0
"""Longest time of a command that only says what there is."""


def outstanding(environment: Environment, secrets: Secrets, version: str) -> tuple[Migration, ...]:
    """What `version` brings and the database does not have, in order. Nothing where the
    environment has no migrations. Raises MigrationFailed when it cannot be known."""
    settings = environment.migrations
    if settings is None:
        return ()
    found = listed(environment, secrets, version)
    return pending(found, applied(environment, secrets, version))


def listed(environment: Environment, secrets: Secrets, version: str) -> list[Migration]:
    """What the version brings, in order: from the directory's names, or from the command. Raises
    MigrationFailed."""
    settings = environment.migrations
    assert settings is not None
    if settings.directory is None:
        return _migrations(_ask(environment, secrets, settings.listed, version, "list"), "list")
    (name,) = filled((settings.directory,), version=version)
    path = Path(_root(environment) or ".") / name
    try:
        names = sorted(each.name for each in path.iterdir() if not each.name.startswith("."))
    except OSError as error:
        raise MigrationFailed(
            f"the migrations of {version} cannot be listed",
            why=[f"{path}: {error.strerror}"],
            fix=["correct migrations.directory"],
        ) from error
    return [_named(each.partition(".")[0], phase_of(each)) for each in names]


def applied(environment: Environment, secrets: Secrets, version: str) -> list[str]:
    """Names of the migrations that the database has. Raises MigrationFailed."""
    settings = environment.migrations
    assert settings is not None
    ran = _ask(environment, secrets, settings.applied, version, "applied")
    return [each.name for each in _migrations(ran, "applied")]


def carry_out(
    environment: Environment,
    secrets: Secrets,
    migration: Migration,
    version: str,
    within_s: float,
) -> Ran | None:
    """Run one migration unless it is applied already: observed first, since a killed worker does
    it again. None when there was nothing to do. Raises MigrationFailed."""
    settings = environment.migrations
    assert settings is not None
    if migration.name in applied(environment, secrets, version):
        return None
    command = settings.expand if migration.phase == "expand" else settings.contract
    arguments = filled(command, name=migration.name, phase=migration.phase, version=version)
    ran = _run(environment, secrets, arguments, version, within_s)
    if ran.problem is not None:
        raise MigrationFailed(
            f"migration {migration.name} did not run to its end",
            why=[ran.problem, *ran.lines],
            fix=["look at the database: what it did before it failed may be there", _MEND],
        )
    return ran


def is_applied(
    environment: Environment, secrets: Secrets, migration: Migration, version: str
) -> bool:
    """Whether the database has it. Raises MigrationFailed."""
    return migration.name in applied(environment, secrets, version)


_MEND = "mend the migration, then deploy again: what is applied is not run again"


def _named(name: str, phase: MigrationPhase) -> Migration:
    try:
        return Migration(name=name, phase=phase)
    except ValidationError as error:
        raise _unclear("directory", f"{name[:60]!r} is no name of a migration") from error


def _ask(
    environment: Environment,
    secrets: Secrets,
    command: Sequence[str],
    version: str,
    what: str,
) -> Ran:
    ran = _run(environment, secrets, filled(command, version=version), version, ASKING_S)
    if ran.problem is None:
        return ran
    raise MigrationFailed(
        f"what is {'applied' if what == 'applied' else 'to be migrated'} is not known",
        why=[f"migrations.{what}: {ran.problem}", *ran.lines],
        fix=[f"make the command of migrations.{what} work; nothing was changed"],
    )


def _migrations(ran: Ran, what: str) -> list[Migration]:
    """Names, or objects with name and phase. The last line that is JSON counts: programs chat."""
    document = _json_of(ran.output)
    if not isinstance(document, list):
        raise _unclear(what, "it printed no JSON list", *ran.lines)
    found: list[Migration] = []
    for each in document:
        given: JsonValue = {"name": each} if isinstance(each, str) else each
        try:
            found.append(Migration.model_validate(given))
        except ValidationError as error:
            raise _unclear(what, f"{str(each)[:80]} is no migration") from error
    return found


def _json_of(output: str) -> JsonValue:
    for text in (output, *reversed(output.splitlines())):
        try:
            found: JsonValue = json.loads(text)
        except ValueError:
            continue
        return found
    return None


def _unclear(what: str, *why: str) -> MigrationFailed:
    return MigrationFailed(
        f"what migrations.{what} says cannot be read",
        why=why,
        fix=['print names as a JSON list: ["0001_init", {"name": "0002_x", "phase": "contract"}]'],
    )


def _run(
    environment: Environment,
    secrets: Secrets,
    command: Sequence[str],
    version: str,
    within_s: float,
) -> Ran:
    """Run a command with the application's variables and secrets: it is the application's
    database. What it writes is kept without the secrets' values."""
    values = _values(environment, secrets)
    ran = run(
        command,
        variables={
            **environment.variables,
            **{name: value.reveal() for name, value in values.items()},
            "ORCHESTRATE_VERSION": version,
            "ORCHESTRATE_APP": environment.app,
            "ORCHESTRATE_ENVIRONMENT": environment.name,
        },
        directory=_root(environment),
        within_s=within_s,
    )
    mask = Redactor(values.values())
    return replace(ran, output=mask(ran.output))


def _values(environment: Environment, secrets: Secrets) -> dict[str, Secret]:
    try:
        return {name: secrets.get(name) for name in for_application(environment)}
    except SecretMissing as error:
        raise MigrationFailed(error.message, why=error.why, fix=error.fix) from error


def _root(environment: Environment) -> str | None:
    root = environment.config.get("root")
    return root if isinstance(root, str) else None
