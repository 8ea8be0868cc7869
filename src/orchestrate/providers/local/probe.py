"""Whether an environment's versions can be run on this machine: what is there, what is missing."""

import os

from orchestrate.core.errors import OrchestrateError
from orchestrate.core.protocols import Finding
from orchestrate.providers.edge.front import bad
from orchestrate.providers.local import artifact as artifacts
from orchestrate.providers.local.running import resolved
from orchestrate.providers.local.settings import Settings


def findings(settings: Settings) -> list[Finding]:
    """One finding for each thing looked at. Changes nothing."""
    return [_command(settings), _artifact(settings)]


def _command(settings: Settings) -> Finding:
    program = settings.command[0]
    if "/" in program and not os.path.isabs(program):
        return Finding("command", True, f"{program} is looked for in each version")
    try:
        found = resolved(settings.command, settings.root)
    except OrchestrateError as problem:
        return bad("command", problem)
    return Finding("command", True, f"{program} is {found[0]}")


def _artifact(settings: Settings) -> Finding:
    try:
        there = artifacts.versions(settings)
    except OrchestrateError as problem:
        return bad("artifact", problem)
    if there:
        return Finding("artifact", True, f"{len(there)} versions, the last: {there[-1]}")
    return Finding(
        "artifact",
        False,
        f"no version was found for {settings.artifact}",
        "build one first",
        "artifact_missing",
    )
